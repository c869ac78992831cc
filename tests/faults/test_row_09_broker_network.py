"""Row 9: a broker behind a network that is silent, late, narrow, or breaks every connection."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, get_args

import psutil
import pytest

from tests.conftest import Bar
from tests.faults.checker import account
from tests.faults.service import System, ToKafka, Trickle, on_kafka, setup, sign_ins, web_hook
from tests.faults.sinks import KeyedSink
from tests.servers.kafka import Kafka
from tests.servers.proxy import Proxy, Toxic

Report = Callable[[Mapping[str, Any]], None]
pytestmark = [pytest.mark.fault(9), pytest.mark.outside, pytest.mark.process, pytest.mark.slow]

TOXICS: tuple[Toxic, ...] = tuple(each for each in get_args(Toxic) if each)
RATE = 20
SLOW_MACHINE = 3
"""The bar is 5 seconds; by so much a busy machine may be slower."""


@pytest.fixture
def proxy(kafka: Kafka) -> Iterator[Proxy]:
    """Between the service and the broker."""
    made = Proxy(int(kafka.proxied.rpartition(":")[2]), to=kafka.behind).start()
    yield made
    made.stop()


def test_a_bad_network_costs_time_and_nothing_else(
    kafka: Kafka, proxy: Proxy, keyed: KeyedSink, system_of: Callable[..., System], seed: int, bar: Bar,
    fault_report: Report,
) -> None:  # fmt: skip
    lasting, topic = bar(quick=2.5, full=60.0), kafka.new_topic("row-9")
    stream = on_kafka(kafka, topic, BootstrapServers=kafka.proxied)
    system = system_of(setup(stream=stream, channels=[web_hook(keyed.url)]))
    child = system.start()
    process, began = psutil.Process(child.process.pid), time.monotonic()
    recovered: dict[str, float] = {}
    busy: dict[str, float] = {}
    with Trickle(ToKafka(kafka, topic), sign_ins(itertools.count()), rate=RATE) as trickle:
        keyed.wait_for(RATE, within=90)
        for toxic in TOXICS:
            proxy.suffer(toxic)
            busy[toxic] = share(process, lasting)
            proxy.heal()
            healed, produced = time.monotonic(), len(trickle.produced)
            keyed.wait_for(produced, within=120)
            recovered[toxic] = round(time.monotonic() - healed, 2)
    system.settle(events=len(trickle.produced))
    assert child.alive
    system.stop()
    result = account(trickle.produced, keyed.arrived(), system.activity())
    seconds = time.monotonic() - began
    line = result.row(9, seed=seed, kills=0, seconds=seconds)
    fault_report({**line, "recovered": recovered, "busy": busy})
    assert result.settled, result.problems
    assert not result.problems
    assert result.delivered == len(trickle.produced)
    assert max(recovered.values()) <= 5 * SLOW_MACHINE, recovered
    assert max(busy.values()) < 0.2, busy


def share(process: psutil.Process, seconds: float) -> float:
    """How much of one processor the process took in this time."""
    before, began = process.cpu_times(), time.monotonic()
    threading.Event().wait(seconds)
    after, took = process.cpu_times(), time.monotonic() - began
    return round((after.user + after.system - before.user - before.system) / took, 3)

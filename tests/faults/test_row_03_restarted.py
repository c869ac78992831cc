"""Row 3: the service is asked to end and is started again, under 200 events a second."""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Bar
from tests.faults.checker import account
from tests.faults.service import System, ToKafka, Trickle, mail, on_kafka, setup, sign_ins, web_hook
from tests.faults.sinks import KeyedSink, UnkeyedSink
from tests.servers.kafka import Kafka
from tests.servers.processes import slowness

Report = Callable[[Mapping[str, Any]], None]
pytestmark = [pytest.mark.fault(3), pytest.mark.outside, pytest.mark.process, pytest.mark.slow]


@pytest.fixture
def unkeyed(tmp_path: Path) -> Iterator[UnkeyedSink]:
    """The unkeyed sink (U), which takes everything."""
    sink = UnkeyedSink(tmp_path / "unkeyed")
    yield sink
    sink.stop()


def test_restarted_under_load_it_drains_and_goes_on(
    kafka: Kafka, keyed: KeyedSink, unkeyed: UnkeyedSink, system_of: Callable[..., System], seed: int, bar: Bar,
    fault_report: Report,
) -> None:  # fmt: skip
    restarts = bar(quick=5, full=50)
    moments, pause = random.Random(seed), threading.Event()
    topic = kafka.new_topic("row-3")
    channels = [web_hook(keyed.url), mail(unkeyed.port)]
    system = system_of(setup(stream=on_kafka(kafka, topic), channels=channels))
    starts, stops, began = [], [], time.monotonic()
    with Trickle(ToKafka(kafka, topic), sign_ins(itertools.count(), persons=5_000), rate=200) as trickle:
        for _ in range(restarts):
            before = keyed.attempts()
            system.start()
            keyed.wait_for(before + 1)
            starts.append(time.monotonic() - system.began)
            pause.wait(moments.uniform(0.3, 0.8))
            stops.append(system.stop())
    system.start()
    system.settle(events=len(trickle.produced))
    stops.append(system.stop())
    arrived = keyed.arrived() + unkeyed.arrived()
    result = account(trickle.produced, arrived, system.activity())
    words = {"slowest_start": round(max(starts), 2), "slowest_stop": round(max(stops), 2)}
    fault_report({**result.row(3, seed=seed, kills=restarts, seconds=time.monotonic() - began), **words})
    assert result.settled, result.problems
    assert not result.problems
    assert (result.delivered, result.unknown) == (2 * len(trickle.produced), 0)
    assert max(stops) <= 10 * slowness()
    assert max(starts) <= 3 * slowness()

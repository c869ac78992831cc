"""Row 8: kill -9 of the broker, and its return, while events flow."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from tests.conftest import Bar
from tests.faults.checker import account
from tests.faults.service import System, ToKafka, Trickle, on_kafka, setup, sign_ins, web_hook
from tests.faults.sinks import KeyedSink
from tests.servers.kafka import Kafka
from tests.servers.processes import slowness

Report = Callable[[Mapping[str, Any]], None]
pytestmark = [pytest.mark.fault(8), pytest.mark.outside, pytest.mark.process, pytest.mark.slow]


def test_a_killed_broker_is_found_again_and_nothing_is_lost(
    kafka: Kafka,
    keyed: KeyedSink,
    system_of: Callable[..., System],
    seed: int,
    bar: Bar,
    fault_report: Report,
) -> None:
    kills = bar(quick=3, full=20)
    topic = kafka.new_topic("row-8")
    system = system_of(setup(stream=on_kafka(kafka, topic), channels=[web_hook(keyed.url)]))
    child = system.start()
    found_again, began = [], time.monotonic()
    with Trickle(ToKafka(kafka, topic), sign_ins(itertools.count(), persons=5_000), rate=100) as trickle:
        keyed.wait_for(50)
        for _ in range(kills):
            kafka.kill()
            kafka.restart()
            up, before = time.monotonic(), keyed.attempts()
            keyed.wait_for(before + 1, within=90)
            found_again.append(time.monotonic() - up)
    system.settle(events=len(trickle.produced))
    assert child.alive
    system.stop()
    result = account(trickle.produced, keyed.arrived(), system.activity())
    seconds, slowest = time.monotonic() - began, round(max(found_again), 2)
    fault_report({**result.row(8, seed=seed, kills=kills, seconds=seconds), "slowest": slowest})
    assert result.settled, result.problems
    assert not result.problems
    assert result.delivered == len(trickle.produced)
    assert slowest <= 5 * slowness()

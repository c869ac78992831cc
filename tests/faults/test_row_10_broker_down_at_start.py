"""Row 10: a service that starts while its broker is down, and the broker's coming."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from tests.conftest import Bar
from tests.faults.checker import Produced, account
from tests.faults.service import System, local, on_kafka, setup, sign_ins, to_local, web_hook
from tests.faults.sinks import KeyedSink
from tests.faults.streams import beside, said_of
from tests.servers.kafka import Kafka

Report = Callable[[Mapping[str, Any]], None]
pytestmark = [pytest.mark.fault(10), pytest.mark.outside, pytest.mark.process, pytest.mark.slow]

EVENTS = 100
DOWN = "Kafka can't be reached"


def test_a_service_starts_without_its_broker_says_so_and_reads_as_soon_as_it_comes(
    kafka: Kafka,
    keyed: KeyedSink,
    system_of: Callable[..., System],
    seed: int,
    bar: Bar,
    fault_report: Report,
) -> None:
    down, starts, topic = bar(quick=3, full=60), bar(quick=1, full=2), kafka.new_topic("row-10")
    first = setup(stream=on_kafka(kafka, topic), channels=[web_hook(keyed.url)])
    desk = web_hook(keyed.url, name="Desk")
    system = system_of(beside(first, name="Walk in", stream=local(), channel=desk))
    produced: list[Produced] = []
    came, began = [], time.monotonic()
    # A system that has never read the stream; then one that knows where it stopped.
    for start in range(starts):
        events, others = (list(sign_ins(range(n, n + EVENTS))) for n in (start * 1_000, start * 1_000 + 500))
        kafka.produce(topic, [value for _, value in events])
        kafka.kill()
        child = system.start()
        said_of(system, DOWN)
        to_local(system)([value for _, value in others])
        produced += [each for each, _ in others]
        system.settle(events=len(produced))
        threading.Event().wait(down)
        said_of(system, DOWN, within=1)
        kafka.restart()
        up, before = time.monotonic(), keyed.attempts()
        keyed.wait_for(before + 1, within=120)
        came.append(time.monotonic() - up)
        produced += [each for each, _ in events]
        system.settle(events=len(produced))
        said_of(system, "")
        assert child.alive
        system.stop()
    result = account(produced, keyed.arrived(), system.activity())
    seconds, slowest = time.monotonic() - began, round(max(came), 2)
    fault_report({**result.row(10, seed=seed, kills=starts, seconds=seconds), "slowest": slowest})
    assert result.settled, result.problems
    assert not result.problems
    assert result.delivered == len(produced)
    assert slowest <= 10

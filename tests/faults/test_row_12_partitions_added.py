"""Row 12: a topic that grows while it is read, and while the service is stopped."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from tests.conftest import Bar
from tests.faults.checker import Produced, account
from tests.faults.service import System, ToKafka, Trickle, on_kafka, setup, sign_ins, web_hook
from tests.faults.sinks import KeyedSink
from tests.servers.kafka import Kafka
from tests.servers.processes import wait_until

Report = Callable[[Mapping[str, Any]], None]
pytestmark = [pytest.mark.fault(12), pytest.mark.outside, pytest.mark.process, pytest.mark.slow]

SOON = {"topic.metadata.refresh.interval.ms": 1_000}
EACH = 20
"""Events that are put into each new partition, before anybody reads it."""


def test_partitions_that_are_added_are_read_from_their_first_event(
    kafka: Kafka,
    keyed: KeyedSink,
    system_of: Callable[..., System],
    seed: int,
    bar: Bar,
    fault_report: Report,
) -> None:
    settings: dict[str, int] = bar(quick=SOON, full={})
    topic = kafka.new_topic("row-12", partitions=4)
    wanted = setup(stream=on_kafka(kafka, topic, **settings), channels=[web_hook(keyed.url)])
    # What a new stream would skip, a new partition's events are not.
    wanted["streams"]["streams"][0]["start"] = "latest"
    system = system_of(wanted)
    child = system.start()
    wait_until(lambda: partitions(system) == 4, within=90, what="Four partitions")
    began, added = time.monotonic(), Added(kafka, topic)
    with Trickle(ToKafka(kafka, topic), sign_ins(itertools.count(), persons=5_000), rate=100) as trickle:
        keyed.wait_for(50)
        added.grow(total=8)
        grown = time.monotonic()
        wait_until(lambda: partitions(system) == 8, within=90, what="Eight partitions")
        took = round(time.monotonic() - grown, 1)
    system.settle(events=len(trickle.produced) + len(added.produced))
    assert child.alive
    system.stop()
    added.grow(total=10)
    system.start()
    produced = [*trickle.produced, *added.produced]
    system.settle(events=len(produced), within=90)
    seconds = time.monotonic() - began
    system.stop()
    result = account(produced, keyed.arrived(), system.activity())
    fault_report({**result.row(12, seed=seed, kills=0, seconds=seconds), "slowest": took})
    assert result.settled, result.problems
    assert not result.problems
    assert result.delivered == len(produced)
    assert took <= 60


def partitions(system: System) -> int:
    """How many partitions the journal knows a place of."""
    return system.count("SELECT COUNT(*) FROM position")


class Added:
    """Lets a topic grow, and puts events into its new partitions at once."""

    def __init__(self, kafka: Kafka, topic: str) -> None:
        self.produced: list[Produced] = []
        self._kafka, self._topic = kafka, topic

    def grow(self, *, total: int) -> None:
        """To so many partitions."""
        before = self._kafka.partitions(self._topic)
        self._kafka.add_partitions(self._topic, total=total)
        for partition in range(before, total):
            first = 1_000_000 + partition * EACH
            events = list(sign_ins(range(first, first + EACH)))
            self._kafka.produce(self._topic, [value for _, value in events], partition=partition)
            self.produced += [each for each, _ in events]

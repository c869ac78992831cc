"""Two real services over one PostgreSQL and one topic: limits hold across them, and one takes over from the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.faults.checker import account
from tests.faults.service import (
    DATABASE_SECRETS,
    System,
    on_kafka,
    on_postgresql,
    setup,
    sign_in,
    sign_ins,
    web_hook,
)
from tests.faults.sinks import KeyedSink
from tests.servers.kafka import Kafka
from tests.servers.postgresql import PostgreSQL
from tests.servers.processes import wait_until

pytestmark = [pytest.mark.process, pytest.mark.outside, pytest.mark.slow]

SESSION = {"session.timeout.ms": 6_000}
"""The least that a broker allows: so long Kafka waits for a service that was killed."""


class Pair:
    """Two services of one system, each in its folder; both have partitions when `start` returns."""

    def __init__(
        self, kafka: Kafka, postgresql: PostgreSQL, url: str, system_of: Callable[..., System], **more: Any
    ) -> None:
        self.topic = kafka.new_topic("pair", partitions=4)
        self.kafka = kafka
        databases = on_postgresql(postgresql, "pair")
        self.streams = databases["streams"].rpartition("/")[2].partition("?")[0]
        wanted = setup(
            stream=on_kafka(kafka, self.topic, **SESSION),
            channels=[web_hook(url, concurrency=2)],
            databases=databases,
            **more,
        )
        self.first, self.second = (
            system_of(wanted, name=name, secrets=DATABASE_SECRETS) for name in ("first", "second")
        )
        self.warm = 0

    def start(self) -> None:
        """Start both and send events until both have decided some."""
        self.first.start()
        self.second.start()
        wait_until(self._both, within=60, what="Work for both services")

    def _both(self) -> bool:
        some = [value for _, value in sign_ins(range(10_000 + self.warm, 10_008 + self.warm))]
        self.warm += 8
        self.produce(some)
        self.first.settle(events=self.warm)
        return self.first.count("SELECT COUNT(DISTINCT owner) FROM outcome WHERE event > 0") == 2

    def produce(self, values: Sequence[bytes]) -> None:
        """Put events on the topic, as many on each partition."""
        for partition in range(4):
            self.kafka.produce(self.topic, values[partition::4], partition=partition)

    @property
    def warmed(self) -> list[tuple[str, str]]:
        """Ids and persons of the events that warmed both up."""
        return [(each.id, each.person) for each, _ in sign_ins(range(10_000, 10_000 + self.warm))]


def test_a_hundred_events_of_one_person_over_two_services_and_four_partitions_send_three(
    kafka: Kafka, postgresql: PostgreSQL, keyed: KeyedSink, system_of: Callable[..., System]
) -> None:
    limits = [{"at_most": 3, "messages": "any", "within": "1 day"}]
    pair = Pair(kafka, postgresql, keyed.url, system_of, limits=limits)
    pair.start()
    events = [sign_in(each, person="ada") for each in range(100)]
    pair.produce([value for _, value in events])
    pair.first.settle(events=100 + pair.warm)
    pair.first.stop()
    pair.second.stop()
    activity = [line for line in pair.first.activity() if line["person"] == "ada"]
    arrived = keyed.arrived()
    result = account(
        [each for each, _ in events], {line["key"]: arrived[line["key"]] for line in activity}, activity
    )
    assert result.problems == []
    assert (result.delivered, sum(result.withheld.values())) == (3, 97)
    deciders = pair.first.count(
        "SELECT COUNT(DISTINCT o.owner) FROM outcome o JOIN event e ON e.id = o.event WHERE e.person = 'ada'"
    )
    assert deciders == 2


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[KeyedSink]:
    """The keyed sink, which takes its time."""
    sink = KeyedSink(tmp_path / "slow", delay=0.05)
    yield sink
    sink.stop()


def test_a_killed_service_is_taken_over_with_its_partitions_and_its_open_messages(
    kafka: Kafka, postgresql: PostgreSQL, slow: KeyedSink, system_of: Callable[..., System]
) -> None:
    pair = Pair(kafka, postgresql, slow.url, system_of)
    pair.start()
    events = list(sign_ins(range(400)))
    pair.produce([value for _, value in events])
    first = "(SELECT MIN(owner) FROM lease)"
    wait_until(
        lambda: (
            pair.first.count(
                f"SELECT COUNT(*) FROM outcome WHERE owner = {first} AND state IN ('queued', 'sending')"
            )
            > 20
        ),
        what="Open messages of the first service",
    )
    pair.first.service.kill()
    # What a minute's silence does to a lease, in a moment.
    postgresql.execute(pair.streams, f"UPDATE lease SET renewed = renewed - 60000 WHERE owner = {first}")
    later = list(sign_ins(range(400, 480)))
    pair.produce([value for _, value in later])
    pair.second.settle(events=480 + pair.warm, within=60)
    assert "taken over" in pair.second.service.last_words(10_000)
    pair.second.stop()
    activity = pair.second.activity()
    warm = {person for _, person in pair.warmed}
    mine = [line for line in activity if line["person"] not in warm]
    arrived = slow.arrived()
    result = account(
        [each for each, _ in events + later], {line["key"]: arrived[line["key"]] for line in mine}, mine
    )
    assert result.problems == []
    assert (result.delivered, result.unknown) == (480, 0)

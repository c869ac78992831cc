"""Row 11: events that Kafka deleted before they were read, and a topic that was deleted and made anew."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from confluent_kafka import TopicPartition

from tests.conftest import Bar
from tests.faults.checker import Produced, account
from tests.faults.service import System, on_kafka, setup, sign_ins, web_hook
from tests.faults.sinks import KeyedSink
from tests.faults.streams import said_of
from tests.servers.kafka import Kafka
from tests.servers.processes import wait_until

Report = Callable[[Mapping[str, Any]], None]
pytestmark = [pytest.mark.fault(11), pytest.mark.outside, pytest.mark.process, pytest.mark.slow]

SOON = {"topic.metadata.refresh.interval.ms": 1_000}
LOCKED = 5
"""How `go-on` ends while the service's last word still is that all is well."""
ASKS = 'whereupon go-on "SignIn" --from earliest (or latest)'


class Shop:
    """A system on a topic of one partition, what was produced, and what of it Kafka deleted too soon."""

    def __init__(
        self, kafka: Kafka, keyed: KeyedSink, system_of: Callable[..., System], **settings: Any
    ) -> None:
        self.kafka = kafka
        self.topic = kafka.new_topic("row-11", partitions=1)
        self.system = system_of(
            setup(stream=on_kafka(kafka, self.topic, **settings), channels=[web_hook(keyed.url)])
        )
        self.produced: list[Produced] = []
        self.gone: list[Produced] = []

    def produce(self, count: int) -> Sequence[Produced]:
        """Put so many more events on the topic."""
        first = len(self.produced)
        events = list(sign_ins(range(first, first + count)))
        self.kafka.produce(self.topic, [value for _, value in events])
        self.produced += [each for each, _ in events]
        return self.produced[first:]

    def expire(self, before: int) -> None:
        """Delete the partition's events before this offset, as retention does."""
        place = TopicPartition(self.topic, 0, before)
        for future in self.kafka.admin.delete_records([place]).values():
            future.result(20)

    def settle(self) -> None:
        """Wait until all that is still there has come to its end."""
        self.system.settle(events=len(self.produced) - len(self.gone), within=120)

    def go_on(self, place: str) -> None:
        """Say where the stream goes on, as soon as the service has told that it stands still."""
        words = ("go-on", "SignIn", "--from", place)
        wait_until(lambda: self.system.run(*words).returncode != LOCKED, within=90, what="The decision")

    def read(self) -> int:
        """How many events the journal knows."""
        return self.system.count("SELECT COUNT(*) FROM event")

    def expired(self) -> int:
        """How many events the product counts as expired before they were read."""
        told = [each["reason"] for each in self.system.activity() if each["outcome"] == "dead letter"]
        counts = [re.fullmatch(r"expired before read: ([0-9,]+) events", each) for each in told]
        return sum(int(each[1].replace(",", "")) for each in counts if each is not None)


def test_events_that_expired_before_they_were_read_stop_the_stream_until_a_person_decides(
    kafka: Kafka,
    keyed: KeyedSink,
    system_of: Callable[..., System],
    seed: int,
    bar: Bar,
    fault_report: Report,
) -> None:
    rounds, shop, began = bar(quick=1, full=5), Shop(kafka, keyed, system_of), time.monotonic()
    system = shop.system
    shop.produce(50)
    system.start()
    shop.settle()
    for _ in range(rounds):
        system.stop()
        # Of thirty events ten are left when the service comes back; what comes later has to wait, too.
        shop.gone += shop.produce(30)[:20]
        shop.expire(len(shop.produced) - 10)
        child, known = system.start(), shop.read()
        assert ASKS in said_of(system, "no longer has event")
        shop.produce(10)
        assert ASKS in said_of(system, "no longer has event")
        assert shop.read() == known
        shop.go_on("earliest")
        shop.settle()
        said_of(system, "")
        assert shop.expired() == len(shop.gone)
        assert child.alive
    system.stop()
    report(11, shop, keyed, seed, began, fault_report)


def test_a_topic_made_anew_stops_the_stream_until_a_person_decides(
    kafka: Kafka,
    keyed: KeyedSink,
    system_of: Callable[..., System],
    seed: int,
    bar: Bar,
    fault_report: Report,
) -> None:
    rounds, settings = bar(quick=(1, SOON), full=(3, {}))
    shop, began = Shop(kafka, keyed, system_of, **settings), time.monotonic()
    system = shop.system
    shop.produce(50)
    child = system.start()
    shop.settle()
    for _ in range(rounds):
        kafka.delete_topic(shop.topic)
        said_of(system, "Kafka has no topic called", within=120)
        kafka.create_topic(shop.topic, partitions=1)
        known = shop.read()
        shop.produce(60)
        assert ASKS in said_of(system, "was made anew", within=120)
        assert shop.read() == known
        shop.go_on("earliest")
        shop.settle()
        said_of(system, "")
    assert child.alive
    system.stop()
    told = [each["reason"] for each in system.activity() if each["outcome"] == "dead letter"]
    assert [("when it was deleted" in each) for each in told] == [True] * rounds
    report(11, shop, keyed, seed, began, fault_report)


def report(row: int, shop: Shop, keyed: KeyedSink, seed: int, began: float, fault_report: Report) -> None:
    """Account for every event: those that expired are known by name, and none but those is missing."""
    result = account(shop.produced, keyed.arrived(), shop.system.activity())
    expired = {f"{each.id} of {each.person}" for each in shop.gone}
    assert set(result.lost) == expired
    line = result.row(row, seed=seed, kills=0, seconds=time.monotonic() - began)
    fault_report({**line, "lost": 0, "withheld": line["withheld"] + len(expired)})
    assert (result.doubled, result.strays, result.pending) == ([], [], 0)
    assert result.delivered == len(shop.produced) - len(expired)

"""The Kafka stream against a real broker."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.servers.kafka import PASSWORD, USER, Kafka
from tests.servers.processes import free_port
from whereupon.components.streams.kafka import Kafka as KafkaStream
from whereupon.components.streams.kafka import KafkaConfig
from whereupon.host.clock import Clock
from whereupon.kit.kafka_settings import KafkaProvider
from whereupon.kit.roles import Context, Stage
from whereupon.model.errors import Away, SetupError
from whereupon.model.events import RawEvent

pytestmark = pytest.mark.outside


class HastyClock(Clock):
    """Twenty seconds pass in one: what is asked every 30 s is asked every 1.5 s."""

    def monotonic(self) -> float:
        """Seconds that run fast."""
        return super().monotonic() * 20


class Journal:
    """The positions that a line has decided, as the journal keeps them."""

    def __init__(self) -> None:
        self.positions: dict[tuple[str, int], int] = {}
        self.asked: list[tuple[str, tuple[int, ...]]] = []
        self.trouble: Exception | None = None

    def stored(self, topic: str, partitions: Sequence[int]) -> Mapping[int, int]:
        """What is known of these partitions."""
        if self.trouble is not None:
            raise self.trouble
        self.asked.append((topic, tuple(partitions)))
        return {each: self.positions[topic, each] for each in partitions if (topic, each) in self.positions}

    def note(self, topic: str, events: Sequence[RawEvent]) -> None:
        """Move the positions past these events."""
        for each in events:
            self.positions[topic, each.partition] = each.offset + 1


class Reader:
    """A stream and its journal, read as the polling thread reads."""

    def __init__(self, stream: KafkaStream, journal: Journal) -> None:
        self.stream, self.journal = stream, journal
        self.events: list[RawEvent] = []

    def open(self) -> Reader:
        """Join."""
        self.stream.open(self.journal.stored)
        return self

    def once(self, *, wait: float = 0.1) -> int:
        """One batch, noted in the journal; returns how many events."""
        batch = self.stream.batch(most=2000, size=4_000_000, wait=wait)
        self.journal.note(batch.topic, batch.events)
        self.events += batch.events
        if batch.events:
            self.stream.commit({p: o for (_, p), o in self.journal.positions.items()})
        return len(batch.events)

    def until(self, holds: Callable[[], object], *, within: float = 20) -> None:
        """Go on reading until it holds."""
        deadline = time.monotonic() + within
        while not holds():
            assert time.monotonic() < deadline, f"not within {within} s; {len(self.events)} events came"
            self.once()

    def read(self, count: int, *, within: float = 20) -> list[bytes | None]:
        """Go on until so many events came in all; their values, sorted."""
        self.until(lambda: len(self.events) >= count, within=within)
        return sorted((each.value for each in self.events), key=lambda value: value or b"")

    def raises(self, kind: type[Exception], words: str, *, within: float = 20) -> None:
        """Go on reading until it raises this error."""
        with pytest.raises(kind, match=words):
            self.until(lambda: False, within=within)


Readers = Callable[..., Reader]


@pytest.fixture
def reader(kafka: Kafka, tmp_path: Path) -> Iterator[Readers]:
    """Makes readers and closes them."""
    made: list[Reader] = []

    def make(
        topic: str,
        *,
        journal: Journal | None = None,
        settings: Mapping[str, Any] | None = None,
        folder: str = "folder-1",
        start: Any = "earliest",
        clock: Clock | None = None,
        group: str = "",
    ) -> Reader:
        provider = KafkaProvider.model_validate(settings or {"BootstrapServers": kafka.plain})
        context = Context(group or topic, "Teal Hols", tmp_path, folder, clock or Clock(), start=start)
        stream = KafkaStream(provider, KafkaConfig.model_validate({"Topic": topic}), context)
        made.append(Reader(stream, journal or Journal()))
        return made[-1]

    yield make
    for each in made:
        each.stream.close()


def values(first: int, last: int) -> list[bytes | None]:
    """Values that sort in the order they were made."""
    return [b"%05d" % number for number in range(first, last)]


def secure(kafka: Kafka, **others: object) -> dict[str, object]:
    """The provider's settings as the seed prints them, for the listener with TLS and password."""
    return {
        "BootstrapServers": kafka.secure,
        "SecurityProtocol": "SaslSsl",
        "SaslMechanism": "Plain",
        "SaslUsername": USER,
        "SaslPassword": PASSWORD,
        "SslCaLocation": str(kafka.ca),
        **others,
    }


def by_name(stages: Iterator[Stage]) -> dict[str, Stage]:
    """The stages of a test by their names."""
    return {each.name: each for each in stages}


# ------------------------------------------------------------------------------------------------ reading
def test_a_new_stream_begins_at_the_earliest_event_and_says_where(kafka: Kafka, reader: Readers) -> None:
    topic = kafka.new_topic()
    kafka.produce(topic, values(0, 100), keys=[b"k"] * 100, partition=2)
    one = reader(topic).open()
    assert one.read(100) == values(0, 100)
    assert one.stream.assigned() == {0: 0, 1: 0, 2: 0, 3: 0}
    assert [each.offset for each in one.events] == list(range(100))
    assert {(each.partition, each.key) for each in one.events} == {(2, b"k")}
    assert all(abs(each.at - time.time() * 1000) < 60_000 for each in one.events)


def test_a_stream_that_starts_at_the_latest_skips_what_was_there(kafka: Kafka, reader: Readers) -> None:
    topic = kafka.new_topic()
    kafka.produce(topic, values(0, 50), partition=1)
    one = reader(topic, start="latest").open()
    one.until(one.stream.assigned)
    assert one.stream.assigned() == {0: 0, 1: 50, 2: 0, 3: 0}
    kafka.produce(topic, values(50, 60), partition=1)
    assert one.read(10) == values(50, 60)


def test_the_journal_and_not_kafka_says_where_to_go_on(kafka: Kafka, reader: Readers) -> None:
    topic, journal = kafka.new_topic(partitions=1), Journal()
    kafka.produce(topic, values(0, 100))
    first = reader(topic, journal=journal).open()
    first.read(100)
    first.stream.close()
    (place,) = journal.positions
    journal.positions[place] = 40  # the last 60 were read, and told to Kafka, but never decided
    assert reader(topic, journal=journal).open().read(60) == values(40, 100)


def test_a_restart_goes_on_at_once_under_the_same_name(kafka: Kafka, reader: Readers) -> None:
    topic, journal = kafka.new_topic(), Journal()
    kafka.produce(topic, values(0, 10))
    first = reader(topic, journal=journal).open()
    first.read(10)
    started = time.monotonic()
    first.stream.close()
    assert time.monotonic() - started < 5
    kafka.produce(topic, values(10, 20))
    second = reader(topic, journal=journal).open()
    assert second.read(10) == values(10, 20)
    assert time.monotonic() - started < 15  # a new name would wait 45 s for the old one


def test_the_last_event_of_a_burst_comes_without_further_traffic(kafka: Kafka, reader: Readers) -> None:
    topic = kafka.new_topic()
    one = reader(topic).open()
    one.until(one.stream.assigned)
    for round_ in range(5):
        kafka.produce(topic, values(round_ * 501, round_ * 501 + 501))
        one.read((round_ + 1) * 501, within=5)


def test_a_batch_ends_at_its_size_and_the_rest_comes_next(kafka: Kafka, reader: Readers) -> None:
    topic = kafka.new_topic(partitions=1)
    kafka.produce(topic, [b"x" * 1000] * 50)
    one = reader(topic).open()
    sizes: list[int] = []
    offsets: list[int] = []
    while len(offsets) < 50:
        batch = one.stream.batch(most=20, size=7_500, wait=0.2)
        sizes.append(len(batch.events))
        offsets += [each.offset for each in batch.events]
    assert offsets == list(range(50))
    assert max(sizes) == 7


def test_null_values_and_large_ones_pass_as_they_are(kafka: Kafka, reader: Readers) -> None:
    topic = kafka.new_topic(partitions=1)
    odd: list[bytes | None] = [None, b"", b"\xff\xfe", b"x" * 990_000, b"last"]
    kafka.produce(topic, odd)
    one = reader(topic).open()
    one.read(5)
    assert [each.value for each in one.events] == odd


def test_the_lag_is_known_and_goes_to_nothing(kafka: Kafka, reader: Readers) -> None:
    topic = kafka.new_topic(partitions=2)
    kafka.produce(topic, values(0, 500))
    one = reader(topic).open()
    one.until(one.stream.assigned)
    one.read(500)
    one.until(lambda: sum(one.stream.lag().values()) == 0)
    one.stream.seek({0: 0, 1: 0})
    one.stream.batch(most=10, size=10_000, wait=2)
    assert sum(one.stream.lag().values()) == 490


def test_a_seek_goes_back_and_leaves_the_other_partitions_where_they_are(
    kafka: Kafka, reader: Readers
) -> None:
    topic = kafka.new_topic(partitions=2)
    kafka.produce(topic, values(0, 100), partition=0)
    kafka.produce(topic, values(100, 200), partition=1)
    one = reader(topic).open()
    one.read(200)
    one.stream.seek({0: 90})
    assert one.read(210)[-1] == b"00199"
    again = one.events[200:]
    assert [(each.partition, each.offset) for each in again] == [(0, number) for number in range(90, 100)]


def test_while_the_line_has_no_room_nothing_is_returned_and_nothing_lost(
    kafka: Kafka, reader: Readers
) -> None:
    topic = kafka.new_topic(partitions=2)
    one = reader(topic).open()
    one.until(one.stream.assigned)
    kafka.produce(topic, values(0, 300))
    assert one.stream.batch(most=100, size=10**6, wait=5).events
    for _ in range(3):
        assert not one.stream.batch(most=0, size=0, wait=0.1).events
    kafka.produce(topic, values(300, 400))
    one.stream.seek({0: 0, 1: 0})
    one.until(lambda: len({(e.partition, e.offset) for e in one.events}) == 400)
    assert len(one.events) == 400


def test_the_last_events_are_read_without_a_group(kafka: Kafka, reader: Readers) -> None:
    topic = kafka.new_topic(partitions=3)
    for number in range(30):
        kafka.produce(topic, values(number, number + 1), partition=number % 3)
    one = reader(topic)
    assert [each.value for each in one.stream.read(last=7)] == values(23, 30)
    assert len(list(one.stream.read(last=100))) == 30
    assert list(reader(kafka.new_topic()).stream.read(last=5)) == []


# --------------------------------------------------------------------------------------------- partitions
def test_two_services_share_the_partitions_and_each_asks_the_journal(kafka: Kafka, reader: Readers) -> None:
    topic, journal = kafka.new_topic(), Journal()
    kafka.produce(topic, values(0, 400))
    first = reader(topic, journal=journal, folder="folder-1").open()
    first.read(400)
    second = reader(topic, journal=journal, folder="folder-2").open()

    def both() -> bool:
        second.once(wait=0.02)
        return len(first.stream.assigned()) == len(second.stream.assigned()) == 2

    first.until(both)
    kafka.produce(topic, values(400, 800))

    def all_read() -> bool:
        second.once(wait=0.02)
        return len(first.events) + len(second.events) >= 800

    first.until(all_read)
    assert sorted(e.value or b"" for e in first.events + second.events) == values(0, 800)
    assert {each.partition for each in second.events} == set(second.stream.assigned())


def test_a_partition_that_appears_later_begins_at_its_earliest_event(kafka: Kafka, reader: Readers) -> None:
    topic = kafka.new_topic(partitions=1)
    kafka.produce(topic, values(0, 10))
    settings = {"BootstrapServers": kafka.plain, "TopicMetadataRefreshIntervalMs": 1000}
    one = reader(topic, start="latest", settings=settings).open()
    one.until(one.stream.assigned)
    kafka.produce(topic, values(10, 11))
    one.read(1)
    kafka.add_partitions(topic, total=2)
    kafka.produce(topic, values(11, 20), partition=1)
    assert one.read(10) == values(10, 20)


def test_while_the_journal_is_away_nothing_is_assigned_and_then_it_goes_on(
    kafka: Kafka, reader: Readers
) -> None:
    topic = kafka.new_topic()
    kafka.produce(topic, values(0, 10))
    one = reader(topic)
    one.journal.trouble = Away("The journal can't be reached.")
    one.open().raises(Away, "The journal can't be reached")
    assert one.stream.assigned() == {}
    one.journal.trouble = None
    assert one.read(10) == values(0, 10)


def test_a_client_that_stopped_giving_events_is_made_anew(kafka: Kafka, reader: Readers, logs: Any) -> None:
    topic = kafka.new_topic(partitions=1)
    one = reader(topic, clock=HastyClock()).open()
    one.until(one.stream.assigned)
    first = one.stream._consumer
    assert first is not None
    first.pause(first.assignment())  # as silent as a client that lost its broker without noticing
    kafka.produce(topic, values(0, 10))
    logs.expect("Kafka gives no events of")
    assert one.read(10) == values(0, 10)
    assert one.stream._consumer is not first


def test_a_second_copy_under_the_same_name_stops_the_first_with_a_plain_message(
    kafka: Kafka, reader: Readers
) -> None:
    topic = kafka.new_topic()
    first = reader(topic).open()
    first.until(first.stream.assigned)
    second = reader(topic).open()
    second.until(second.stream.assigned)
    first.raises(SetupError, "Another copy of this service reads the topic")


def test_another_topic_in_the_settings_of_a_running_stream_is_taken_up(kafka: Kafka, reader: Readers) -> None:
    group, old, new = (
        kafka.new_topic(partitions=4),
        kafka.new_topic(partitions=4),
        kafka.new_topic(partitions=1),
    )
    kafka.produce(old, values(0, 100))
    kafka.produce(new, values(100, 200))
    first = reader(old, group=group).open()
    first.read(100)
    first.stream.close()
    assert reader(new, group=group).open().read(100) == values(100, 200)


def test_a_topic_that_grew_while_the_service_was_stopped_is_read_in_full(
    kafka: Kafka, reader: Readers
) -> None:
    topic, journal = kafka.new_topic(partitions=1), Journal()
    kafka.produce(topic, values(0, 10))
    first = reader(topic, journal=journal).open()
    first.read(10)
    first.stream.close()
    kafka.add_partitions(topic, total=3)
    kafka.produce(topic, values(10, 20), partition=2)
    assert reader(topic, journal=journal, start="latest").open().read(10) == values(10, 20)


# ------------------------------------------------------------------------------------------- never a jump
def test_a_position_that_is_gone_stops_the_stream_and_says_what_is_left(
    kafka: Kafka, reader: Readers
) -> None:
    topic, journal = kafka.new_topic(partitions=1), Journal()
    kafka.produce(topic, values(0, 10))
    one = reader(topic, journal=journal).open()
    one.read(10)
    one.stream.close()
    (place,) = journal.positions
    journal.positions[place] = 5000
    two = reader(topic, journal=journal).open()
    two.raises(SetupError, r"no longer has event 5000, where this stream goes on\. It now holds 0 to 10\.")
    two.raises(SetupError, "no longer has event 5000")
    two.stream.seek({0: 8})
    assert two.read(2) == values(8, 10)


def test_a_topic_made_anew_stops_the_stream(kafka: Kafka, reader: Readers) -> None:
    topic = kafka.new_topic()
    kafka.produce(topic, values(0, 10))
    one = reader(topic, clock=HastyClock()).open()
    one.read(10)
    kafka.delete_topic(topic)
    kafka.create_topic(topic)
    kafka.produce(topic, values(0, 500))
    one.raises(SetupError, "was made anew")


def test_a_deleted_topic_stops_the_stream(kafka: Kafka, reader: Readers) -> None:
    topic = kafka.new_topic()
    one = reader(topic, clock=HastyClock()).open()
    one.until(one.stream.assigned)
    kafka.delete_topic(topic)
    one.raises(SetupError, "Kafka has no topic called")


def test_a_topic_that_does_not_exist_is_said_at_opening(kafka: Kafka, reader: Readers) -> None:
    with pytest.raises(SetupError, match="Kafka has no topic called sign-outs"):
        reader("sign-outs").open()


# ------------------------------------------------------------------------------------- away and back again
def test_a_port_where_nobody_listens_is_away_within_seconds(reader: Readers) -> None:
    one = reader("events", settings={"BootstrapServers": f"127.0.0.1:{free_port()}"})
    started = time.monotonic()
    with pytest.raises(Away, match="Kafka can't be reached"):
        one.open()
    one.raises(Away, "Kafka can't be reached")
    one.stream.close()
    one.stream.close()
    assert time.monotonic() - started < 25


@pytest.mark.req("RTT-10")
def test_it_reads_over_tls_with_a_password_given_as_the_seed_prints_it(kafka: Kafka, reader: Readers) -> None:
    topic = kafka.new_topic()
    kafka.produce(topic, values(0, 10))
    assert reader(topic, settings=secure(kafka)).open().read(10) == values(0, 10)


def test_a_wrong_password_is_said_and_not_tried_again_and_again(kafka: Kafka, reader: Readers) -> None:
    one = reader(kafka.new_topic(), settings=secure(kafka, SaslPassword="not this"))
    with pytest.raises(Away, match=r"refused the sign-in of app.*Check the user name, the password"):
        one.open()
    started = time.monotonic()
    one.raises(Away, "refused the sign-in of app")
    assert time.monotonic() - started < 3
    assert "not this" not in repr(one.stream.provider)


def test_an_unknown_authority_is_said_to_be_that(kafka: Kafka, reader: Readers) -> None:
    settings = secure(kafka)
    del settings["SslCaLocation"]
    with pytest.raises(Away, match="No secure connection to Kafka"):
        reader(kafka.new_topic(), settings=settings).open()


def test_a_setting_the_client_does_not_know_is_said_without_secrets(kafka: Kafka, reader: Readers) -> None:
    settings = {"BootstrapServers": kafka.plain, "some.new.setting": "1"}
    with pytest.raises(SetupError, match=r"No such configuration property: \"some\.new\.setting\""):
        reader("events", settings=settings).open()
    settings = {"BootstrapServers": kafka.plain, "ssl.key.pem": "hush", "SecurityProtocol": "Ssl"}
    with pytest.raises(SetupError) as error:
        reader("events", settings=settings).open()
    assert "hush" not in str(error.value)


@pytest.mark.fault(8)
def test_a_killed_broker_is_away_and_reading_goes_on_when_it_is_back(
    kafka: Kafka, reader: Readers, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    topic = kafka.new_topic()
    kafka.produce(topic, values(0, 10))
    one = reader(topic).open()
    one.read(10)
    kafka.kill()
    one.raises(Away, "Kafka can't be reached", within=15)
    back = threading.Thread(target=kafka.restart)
    back.start()
    while back.is_alive():
        with contextlib.suppress(Away):
            one.once()
    back.join()
    kafka.produce(topic, values(10, 20))
    produced = time.monotonic()
    while len(one.events) < 20:
        try:
            one.read(20, within=10)
        except Away:
            assert time.monotonic() - produced < 25
    assert one.read(20) == values(0, 20)
    assert len([each for each in caplog.records if "Connection refused" in each.getMessage()]) < 10


# --------------------------------------------------------------------------------------------------- test
def test_the_test_button_goes_through_all_stages(kafka: Kafka, reader: Readers) -> None:
    topic = kafka.new_topic()
    kafka.produce(topic, values(0, 1))
    found = by_name(reader(topic, settings=secure(kafka)).stream.check())
    names = ["Address", "Connection", "Encryption", "Sign-in", "Topics", "Topic", "Reading"]
    assert list(found) == names
    assert all(each.ok and each.message for each in found.values())
    assert "4 partitions" in found["Topic"].message
    assert "its last event was read" in found["Reading"].message


@pytest.mark.parametrize(
    ("change", "stage"),
    [
        ({"BootstrapServers": "no-such-host.invalid:9092"}, "Address"),
        ({"BootstrapServers": "127.0.0.1:1"}, "Connection"),
        ({"SslCaLocation": None}, "Encryption"),
        ({"SaslPassword": "not this"}, "Sign-in"),
    ],
)
def test_the_test_button_ends_at_the_stage_that_fails(
    kafka: Kafka, reader: Readers, change: dict[str, object], stage: str
) -> None:
    settings = {name: each for name, each in {**secure(kafka), **change}.items() if each is not None}
    *good, last = reader("events", settings=settings).stream.check()
    assert (last.name, last.ok) == (stage, False)
    assert last.message
    assert last.hint
    assert all(each.ok for each in good)


def test_the_test_button_finds_a_topic_of_another_case(kafka: Kafka, reader: Readers) -> None:
    topic = kafka.new_topic("Events")
    *_, last = reader(topic.lower()).stream.check()
    assert (last.name, last.ok, last.hint) == ("Topic", False, f"Did you mean {topic}?")

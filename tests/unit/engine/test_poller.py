from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from typing import Any, cast

import pytest

from tests.servers.processes import wait_until
from whereupon.components.streams.memory import Memory, MemoryConfig
from whereupon.engine.poller import Poller
from whereupon.host.clock import Clock
from whereupon.kit.roles import Context, Nothing
from whereupon.model.errors import Away, WhereuponError
from whereupon.model.events import RawEvent
from whereupon.storage.journal import Journal


class FakeJournal:
    """Positions of one stream; `away` makes it raise."""

    def __init__(self) -> None:
        self.kept: dict[str, dict[int, int]] = {}
        self.away = False

    def positions(self, stream: int) -> dict[str, dict[int, int]]:
        return {topic: dict(each) for topic, each in self.kept.items()}

    def begin(
        self, stream: int, topic: str, positions: Mapping[int, int], *, name: str, latest: bool
    ) -> None:
        if self.away:
            raise Away("The journal is away.")
        self.kept.setdefault(topic, {}).update(positions)


class Polling:
    """A poller at work on a stream in memory with two partitions."""

    def __init__(self, tmp_path: Any) -> None:
        context = Context("SignIn", "TealHols", tmp_path, "folder", Clock())
        self.stream = Memory(Nothing(), MemoryConfig(partitions=2), context)
        self.journal = FakeJournal()
        self.errors: list[str] = []
        self.stop = threading.Event()
        self.poller = Poller(
            "SignIn", 1, self.stream, cast(Journal, self.journal), pause=self._pause, stop=self.stop
        )
        self.thread = threading.Thread(target=self.poller.run, daemon=True)

    def _pause(self, error: WhereuponError) -> None:
        self.errors.append(error.message)
        self.stop.wait(0.02)

    def start(self) -> None:
        self.thread.start()
        wait_until(lambda: self.poller.known or self.errors)

    def take(self) -> list[tuple[int, int]]:
        """The next batch as (partition, offset), decided at once."""
        events = self.wanted()
        moved = {each.partition: each.offset + 1 for each in events}
        self.journal.kept[self.stream.topic.id].update(moved)
        self.poller.moved(self.stream.topic.id, moved, frozenset())
        return [(each.partition, each.offset) for each in events]

    def wanted(self) -> list[RawEvent]:
        """The next batch, without what is of no use."""
        polled = self.poller.next(5)
        assert polled is not None
        wanted = self.poller.wanted(polled.epoch)
        return [each for each in polled.batch.events if each.offset >= wanted.get(each.partition, 0)]

    def end(self) -> None:
        self.stop.set()
        if self.thread.ident:
            self.thread.join(5)
        self.poller.leave()


@pytest.fixture
def polling(tmp_path: Any) -> Iterator[Polling]:
    made = Polling(tmp_path)
    yield made
    made.end()


def test_new_partitions_are_noted_where_they_begin_and_events_come_in_order(polling: Polling) -> None:
    polling.start()
    assert polling.journal.kept == {polling.stream.topic.id: {0: 0, 1: 0}}
    for number in range(3):
        polling.stream.put(b"%d" % number, partition=1)
    got: list[tuple[int, int]] = []
    while len(got) < 3:
        got += polling.take()
    assert got == [(1, 0), (1, 1), (1, 2)]
    wait_until(lambda: polling.stream.committed.get(1) == 3)


def test_it_goes_on_where_the_journal_says(polling: Polling) -> None:
    for number in range(5):
        polling.stream.put(b"%d" % number, partition=0)
    polling.journal.kept = {polling.stream.topic.id: {0: 3, 1: 0}}
    polling.start()
    assert polling.take() == [(0, 3), (0, 4)]


def test_what_was_decided_already_is_left_out(polling: Polling) -> None:
    polling.start()
    polling.stream.put(b"a", partition=0)
    polling.poller.known[0] = 1
    assert polling.wanted() == []


def test_a_lost_partition_is_read_anew_from_the_stored_offset_without_a_gap(polling: Polling) -> None:
    for number in range(6):
        polling.stream.put(b"%d" % number, partition=0)
    polling.start()
    assert [each.offset for each in polling.wanted()] == [0, 1, 2, 3, 4, 5]
    polling.journal.kept[polling.stream.topic.id][0] = 2
    polling.poller.moved(polling.stream.topic.id, {}, frozenset({0}))
    polling.stream.put(b"6", partition=0)
    got: list[int] = []
    while 6 not in got:
        got += [each.offset for each in polling.wanted()]
    assert got == [2, 3, 4, 5, 6]


def test_a_journal_that_is_away_at_the_beginning_is_asked_again(polling: Polling) -> None:
    polling.journal.away = True
    polling.start()
    wait_until(lambda: polling.errors)
    polling.stream.put(b"a")
    polling.journal.away = False
    assert polling.take() == [(0, 0)]
    assert set(polling.errors) == {"The journal is away."}


def test_a_topic_made_anew_stops_and_asks(polling: Polling) -> None:
    polling.journal.kept = {"another topic": {0: 7}}
    polling.start()
    wait_until(lambda: polling.errors)
    assert "was made anew" in polling.errors[0]
    assert polling.poller.next(0.01) is None


def test_while_the_line_has_no_room_it_rests_and_still_tells_how_far_it_is(polling: Polling) -> None:
    rests: list[int] = []
    polling.stream.rest = lambda: rests.append(1)  # type: ignore[method-assign]
    polling.start()
    for number in range(4):
        polling.stream.put(b"%d" % number)
        if number < 3:
            wait_until(lambda number=number: sum(polling.stream.lag().values()) == 0)  # type: ignore[misc]
    wait_until(lambda: rests)
    polling.poller.moved(polling.stream.topic.id, {0: 1}, frozenset())
    wait_until(lambda: polling.stream.committed.get(0) == 1)


def test_an_error_while_it_rests_is_a_pause(polling: Polling) -> None:
    def gone() -> None:
        raise Away("Kafka went away.")

    polling.stream.rest = gone  # type: ignore[method-assign]
    polling.start()
    for number in range(4):
        polling.stream.put(b"%d" % number)
        if number < 3:
            wait_until(lambda: sum(polling.stream.lag().values()) == 0)
    wait_until(lambda: "Kafka went away." in polling.errors)


def test_a_stream_that_is_gone_at_the_end_is_no_matter(polling: Polling) -> None:
    polling.start()

    def gone(positions: object) -> None:
        raise Away("Kafka went away.")

    polling.stream.commit = gone  # type: ignore[method-assign]
    polling.stop.set()
    polling.thread.join(5)
    polling.poller.moved(polling.stream.topic.id, {0: 0}, frozenset())
    polling.poller.leave()


def test_a_stream_that_asked_begins_anew_as_soon_as_a_person_has_let_it_leave_its_places(
    polling: Polling,
) -> None:
    polling.start()
    polling.stream.make_anew()
    wait_until(lambda: polling.poller.trouble)
    polling.stream.put(b"new", partition=1)
    wait_until(lambda: len(polling.errors) > 3)
    assert polling.poller.trouble == "The topic was made anew. Decide where to begin in the new one."
    polling.journal.kept.clear()
    wait_until(lambda: polling.journal.kept)
    assert polling.take() == [(1, 0)]
    assert polling.poller.trouble == ""

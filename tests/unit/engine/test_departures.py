"""Departures: what leaves the journal fits its lane, and what doesn't leave stays where it is."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.journals import CHANNEL, NOW, Book, journal_file
from whereupon.components.channels.memory import MemoryChannel, MemoryConfig
from whereupon.engine.departures import Departures
from whereupon.engine.lane import Lane
from whereupon.engine.outlet import Outlet
from whereupon.host.clock import Clock
from whereupon.kit.roles import Context, Nothing
from whereupon.model.decided import QUEUED, WAITING
from whereupon.model.errors import Away


class Gate:
    """Departures to a lane whose thread doesn't run: what leaves is held there."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.book = Book(journal_file(folder))
        clock = Clock()
        context = Context("ESP", "TealHols", Path(), "id", clock)
        channel = MemoryChannel(Nothing(), MemoryConfig.model_validate(settings), context)
        self.lane = Lane(CHANNEL, "ESP", channel, clock=clock, done=lambda channel, receipts: None)
        self.outlet = Outlet(self.lane, queued=1)
        self.paused: set[int] = set()
        self.departures = Departures(
            self.book.deliveries, clock=clock, steady=lambda: NOW, paused=lambda: self.paused,
            lock=threading.RLock(),
        )  # fmt: skip

    def feed(self) -> list[str]:
        """Let leave what may; the states of all."""
        for each in self.departures.next(self.outlet):
            leaving = {each.before: each.pairs}
            sending = self.book.deliveries.finish(each.over, leaving=leaving, now=NOW)
            self.departures.go(each, sending)
        return self.book.states()


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Callable[..., Gate]]:
    """Makes a gate; it is closed at the end."""
    gates: list[Gate] = []

    def make(**settings: Any) -> Gate:
        gates.append(Gate(tmp_path, **settings))
        return gates[-1]

    yield make
    for each in gates:
        each.book.close()
        each.book.database.close()


def test_as_many_leave_as_the_lane_has_room_for(gate: Callable[..., Gate]) -> None:
    one = gate(deduplicates=False, concurrency=2)
    one.book.decide("ada", "bob", "eve", state=QUEUED)
    assert one.feed() == ["sending", "sending", "queued"]
    assert (one.lane.held, one.outlet.queued) == (2, 1)
    assert one.feed() == ["sending", "sending", "queued"]


def test_when_the_journal_has_no_more_the_queue_is_known_to_be_empty(gate: Callable[..., Gate]) -> None:
    one = gate()
    one.book.decide("ada", state=QUEUED)
    assert one.feed() == ["sending"]
    assert one.outlet.queued == 0


def test_due_messages_go_before_queued_ones(gate: Callable[..., Gate]) -> None:
    one = gate(deduplicates=False, concurrency=1)
    one.book.decide("ada", state=QUEUED)
    one.book.decide("bob", state=WAITING, behind=NOW - 5)
    one.outlet.waiting = 1
    assert one.feed() == ["queued", "sending"]
    assert one.outlet.waiting == 0


def test_nothing_leaves_and_no_place_is_kept_where_the_journal_cannot_be_read(
    gate: Callable[..., Gate], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = gate()
    one.book.decide("ada", state=QUEUED)

    def away(pairs: Any) -> Any:
        raise Away("gone")

    monkeypatch.setattr(one.book.deliveries.bodies, "messages", away)
    with pytest.raises(Away):
        one.feed()
    assert (one.book.states(), one.lane.held) == (["queued"], 0)
    assert one.outlet.queued > 0


def test_a_message_that_another_service_took_over_gives_its_place_back(
    gate: Callable[..., Gate], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = gate()
    one.book.decide("ada", "bob", state=QUEUED)
    messages = one.book.deliveries.bodies.messages

    def take_over(pairs: Any) -> Any:
        with one.book.turns.transaction() as session:
            session.run("UPDATE outcome SET owner = 2 WHERE event = 1")
        return messages(pairs)

    monkeypatch.setattr(one.book.deliveries.bodies, "messages", take_over)
    assert one.feed() == ["queued", "sending"]
    assert one.lane.held == 1


def test_a_paused_campaigns_messages_end_where_they_queue(gate: Callable[..., Gate]) -> None:
    one = gate()
    decision = one.book.decide("ada", state=QUEUED)
    one.paused.add(decision.record.events[0].traces[0].campaign)
    assert one.feed() == ["withheld: paused"]
    assert one.lane.held == 0
    assert one.book.figures() == one.book.recount()


def test_what_was_tried_before_is_remembered_until_its_receipt(gate: Callable[..., Gate]) -> None:
    one = gate()
    one.book.ends(
        one.book.decide("ada"), WAITING, reason="unavailable", tries=2, first_try=NOW - 9, next_at=NOW - 5
    )
    one.outlet.waiting = 1
    one.feed()
    (tried,) = one.departures.tried.values()
    assert (tried.tries, tried.first_try, tried.reason) == (2, NOW - 9, "unavailable")


def test_the_next_look_is_when_the_first_waiting_message_is_due(gate: Callable[..., Gate]) -> None:
    one = gate()
    one.book.decide("ada", state=WAITING, behind=NOW + 300)
    one.outlet.waiting = 1
    one.outlet.queued = 0
    assert one.feed() == ["waiting"]
    assert one.outlet.next_due == NOW + 300
    one.book.deliveries.due = lambda *_, **__: pytest.fail("it isn't due")  # type: ignore[method-assign]
    assert one.feed() == ["waiting"]


def test_with_nothing_waiting_that_it_knows_of_it_looks_again_in_a_second(gate: Callable[..., Gate]) -> None:
    one = gate()
    one.outlet.waiting = 1
    one.outlet.queued = 0
    one.feed()
    assert one.outlet.next_due == NOW + 1000

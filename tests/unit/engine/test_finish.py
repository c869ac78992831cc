"""Finish: every receipt becomes one ending, and the next messages leave."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.journals import CAMPAIGN, CHANNEL, Book, journal_file
from tests.servers.processes import wait_until
from whereupon.components.channels.memory import MemoryChannel, MemoryConfig
from whereupon.connect.servers import SqliteSession
from whereupon.engine import departures
from whereupon.engine.finish import Finisher
from whereupon.engine.lane import Lane
from whereupon.engine.pulse import Pulse
from whereupon.host.clock import Clock, FakeClock
from whereupon.host.files import AppendFile
from whereupon.kit.roles import Context, Nothing
from whereupon.model.decided import QUEUED, WAITING
from whereupon.model.errors import Away, Unavailable
from whereupon.model.events import Message, Receipt, Result
from whereupon.storage.recovery import Found, reopen
from whereupon.storage.stash import Line, Page, Stash, read


class Desk:
    """A finisher at work, with a journal, a stash and one lane through a channel in memory."""

    def __init__(
        self, folder: Path, *, clock: Clock | None = None, communicates: bool = True, **settings: Any
    ) -> None:
        self.clock = clock or Clock()
        self.book = Book(journal_file(folder))
        self.stash = Stash(folder / "Stash", clock=self.clock)
        self.paused: set[int] = set()
        self.held: dict[int, str] = {}
        self.pulse = Pulse()
        self.finisher = Finisher(
            self.book.deliveries, self.stash, clock=self.clock, paused=lambda: self.paused,
            hold=self.held.__setitem__, pulse=self.pulse,
        )  # fmt: skip
        self.communicates, self.settings = communicates, settings
        self.open()
        self.finisher.start()

    def open(self) -> None:
        """Open a lane, with what the journal holds for it."""
        config = MemoryConfig.model_validate(self.settings)
        self.channel = MemoryChannel(Nothing(), config, Context("ESP", "TealHols", Path(), "id", self.clock))
        self.lane = Lane(CHANNEL, "ESP", self.channel, clock=self.clock, done=self.finisher.done)
        found = reopen(
            self.book.turns, CHANNEL, owner=1, by=1, window=10**9, now=self.clock.now(), dead=self.book.dead
        )
        self.finisher.open(self.lane, found, communicates=self.communicates)
        self.lane.start()

    def sends(self, *persons: str, queued: bool = False) -> list[Message]:
        """Decide an event of each, and hand the messages over as a line does."""
        decision = self.book.decide(*persons, at=self.clock.now(), state=QUEUED if queued else "sending")
        messages = [self.book.message(each) for each in decision.record.events]
        if queued:
            self.finisher.decided(CHANNEL, leaving=(), queued=len(messages), waiting=0, first=decision.first)
        else:
            self.finisher.decided(CHANNEL, leaving=messages, queued=0, waiting=0, first=decision.first)
        return messages

    def states(self, *wanted: str) -> None:
        """Wait until the outcomes are these."""
        wait_until(lambda: self.book.states() == list(wanted), what=f"{wanted}")

    def close(self) -> None:
        """Stop everything."""
        self.channel.release()
        self.lane.stop(2.0)
        self.finisher.stop(2.0)
        self.book.close()
        self.book.database.close()


@pytest.fixture
def desk(tmp_path: Path, logs: Any) -> Iterator[Callable[..., Desk]]:
    """Makes a desk; it is closed at the end."""
    desks: list[Desk] = []
    logs.allow("channel is away")

    def make(**given: Any) -> Desk:
        desks.append(Desk(tmp_path, **given))
        return desks[-1]

    yield make
    for each in desks:
        each.close()


def test_a_sent_message_is_in_the_stash_before_the_journal_says_so(desk: Callable[..., Desk]) -> None:
    one = desk()
    one.sends("ada", "bob")
    one.states("sent", "sent")
    (path,) = one.stash.folder.glob("*.open")
    assert [(each.person, each.channel, each.campaign) for each in read(path).lines] == [
        ("ada", "ESP", "Hello"), ("bob", "ESP", "Hello"),
    ]  # fmt: skip
    assert one.pulse.counts()["sent"] == 2


def test_what_was_sent_stands_in_the_stash_as_soon_as_its_lane_says_so(tmp_path: Path) -> None:
    book, stash = Book(journal_file(tmp_path)), Stash(tmp_path / "Stash", clock=Clock())
    finisher = Finisher(
        book.deliveries,
        stash,
        clock=Clock(),
        paused=frozenset,
        hold=lambda campaign, why: None,
        pulse=Pulse(),
    )
    channel = MemoryChannel(Nothing(), MemoryConfig(), Context("ESP", "TealHols", Path(), "id", Clock()))
    lane = Lane(CHANNEL, "ESP", channel, clock=Clock(), done=finisher.done)
    finisher.open(lane, Found(), communicates=True)
    message = book.message(book.decide("ada").record.events[0])
    finisher.done(CHANNEL, [Receipt(message, Result.ACCEPTED, started=1, ended=2)])
    (path,) = stash.folder.glob("*.open")
    assert [each.person for each in read(path).lines] == ["ada"]
    assert book.states() == ["sending"]
    stash.close()
    book.close()
    book.database.close()


@pytest.mark.parametrize("broken", ["_write", "_sync"])
def test_a_disk_that_fails_for_a_while_loses_no_receipt(
    desk: Callable[..., Desk], logs: Any, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    logs.allow("receipts can't be noted")
    one, falls, works = desk(), [2], getattr(AppendFile, broken)

    def fail(file: AppendFile, *data: bytes) -> None:
        falls[0] -= 1
        if falls[0] >= 0:
            raise OSError(28, "No space left on device")
        works(file, *data)

    monkeypatch.setattr(AppendFile, broken, fail)
    one.sends("ada", "bob")
    one.states("sent", "sent")
    lines = [each.person for path in one.stash.folder.iterdir() for each in read(path).lines]
    assert {"ada", "bob"} == set(lines)


def test_filling_a_store_is_no_communication(desk: Callable[..., Desk]) -> None:
    one = desk(communicates=False)
    one.sends("ada")
    one.states("sent")
    assert list(one.stash.folder.glob("*")) == []


def test_only_what_was_sent_is_in_the_stash(desk: Callable[..., Desk]) -> None:
    one = desk()
    one.channel.answer(Result.REFUSED)
    one.sends("ada")
    one.states("failed: refused")
    assert list(one.stash.folder.glob("*")) == []


def test_queued_messages_leave_in_order_as_the_lane_has_room(desk: Callable[..., Desk]) -> None:
    one = desk(deduplicates=False, concurrency=2)
    one.sends(*[f"person {number}" for number in range(30)], queued=True)
    one.states(*["sent"] * 30)
    assert [each.person for each in one.channel.sent] == [f"person {number}" for number in range(30)]
    assert one.finisher.open_messages(CHANNEL) == 0


def test_while_messages_queue_new_ones_have_to_queue_too(desk: Callable[..., Desk]) -> None:
    one = desk()
    wait_until(lambda: one.finisher.open_messages(CHANNEL) == 0)
    message = Message("new", 9, CAMPAIGN, "Hello", "eve", {})
    assert one.finisher.claim(CHANNEL, [message]) == 1
    one.finisher.free(CHANNEL, [message])
    one.channel.hold()
    with one.finisher._lock:
        one.finisher._outlets[CHANNEL].add(1, 1)
        assert one.finisher.claim(CHANNEL, [message]) == 0
    assert one.finisher.claim(99, [message]) == 0
    one.finisher.free(99, [message])


def test_what_waits_leaves_when_it_is_due(desk: Callable[..., Desk]) -> None:
    one = desk(clock=FakeClock())
    one.channel.answer(Result.UNAVAILABLE)
    one.sends("ada")
    one.states("waiting: unavailable")
    wait_until(lambda: one.finisher.waiting_channels() == {CHANNEL})
    assert isinstance(one.clock, FakeClock)
    one.clock.advance(1.1)
    one.states("sent")
    assert one.finisher.waiting_channels() == frozenset()


@pytest.mark.parametrize("step", [-7_200_000, 7_200_000])
def test_setting_the_clock_by_two_hours_changes_no_back_off(desk: Callable[..., Desk], step: int) -> None:
    clock = FakeClock()
    one = desk(clock=clock)
    one.channel.answer(Result.UNAVAILABLE, retry_after=20.0)
    one.sends("ada")
    one.states("waiting: unavailable")
    clock.set(clock.now() + step)
    clock.advance(19.0)
    one.sends("bob")
    one.states("waiting: unavailable", "sent")
    clock.advance(2.1)
    one.states("sent", "sent")


def test_a_message_that_is_paused_or_expired_by_then_does_not_leave(desk: Callable[..., Desk]) -> None:
    one = desk(clock=FakeClock())
    one.channel.answer(Result.UNAVAILABLE)
    one.sends("ada")
    one.states("waiting: unavailable")
    one.paused.add(CAMPAIGN)
    assert isinstance(one.clock, FakeClock)
    one.clock.advance(1.1)
    one.states("withheld: paused")
    assert one.book.rows("SELECT COUNT(*) FROM waiting") == [(0,)]
    assert len(one.channel.tried) == 1


def test_a_message_whose_body_is_gone_is_a_dead_letter(desk: Callable[..., Desk]) -> None:
    one = desk(clock=FakeClock())
    one.channel.answer(Result.UNAVAILABLE)
    one.sends("ada")
    one.states("waiting: unavailable")
    with one.book.turns.transaction() as session:
        session.run("DELETE FROM batch")
    one.book.deliveries.bodies.forget()
    assert isinstance(one.clock, FakeClock)
    one.clock.advance(1.1)
    one.states("failed: body gone")
    assert one.book.rows("SELECT reason FROM dead") == [("the message's body is no longer kept",)]


def test_a_message_that_needs_a_person_holds_its_campaign(desk: Callable[..., Desk]) -> None:
    one = desk()
    one.channel.answer(Result.SETUP)
    one.sends("ada")
    one.states("failed: setup")
    assert one.held == {CAMPAIGN: "as asked: setup"}


def test_a_closed_lane_leaves_its_messages_to_the_next(desk: Callable[..., Desk]) -> None:
    one = desk()
    one.channel.hold()
    one.sends("ada")
    wait_until(lambda: len(one.channel.tried) == 1)
    one.finisher.shut(CHANNEL)
    one.lane.stop(2.0)
    one.finisher.settle(2.0)
    assert one.book.states() == ["queued"]
    one.sends("bob")
    one.states("queued", "queued")
    one.open()
    one.states("sent", "sent")


def test_receipts_of_a_channel_that_nobody_opened_queue_their_messages(desk: Callable[..., Desk]) -> None:
    one = desk()
    wait_until(lambda: one.finisher.open_messages(CHANNEL) == 0)
    decision = one.book.decide("ada")
    message = one.book.message(decision.record.events[0])
    one.finisher.done(99, [Receipt(message, Result.NOT_OFFERED)])
    one.states("queued")


def test_messages_of_a_lost_service_leave_through_our_lane(desk: Callable[..., Desk]) -> None:
    one = desk()
    lost = Book(one.book.database, owner=2)
    lost.decide("ada", "bob", state=QUEUED)
    lost.decide("eve", state=WAITING, behind=one.clock.now() - 5)
    found = reopen(one.book.turns, CHANNEL, owner=2, by=1, window=0, now=one.clock.now(), dead=one.book.dead)
    one.finisher.adopt(CHANNEL, found)
    one.finisher.adopt(99, Found(queued=1))
    one.states("sent", "sent", "sent")
    lost.close()


def test_a_message_that_is_queued_once_more_by_hand_leaves(desk: Callable[..., Desk]) -> None:
    one = desk()
    one.channel.answer(Result.REFUSED)
    one.sends("ada")
    one.states("failed: refused")
    with one.book.turns.transaction() as session:
        session.run("UPDATE outcome SET state = 'queued'")
    one.finisher.requeued(CHANNEL, 1, CAMPAIGN)
    one.finisher.requeued(99, 1, CAMPAIGN)
    one.states("sent")


def test_queued_messages_that_cannot_be_read_are_tried_again(
    desk: Callable[..., Desk], logs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    logs.expect("queued messages can't be read")
    one = desk()
    messages, falls = one.book.deliveries.bodies.messages, [2]

    def away(pairs: Any) -> Any:
        falls[0] -= 1
        if falls[0] >= 0:
            raise Away("gone")
        return messages(pairs)

    monkeypatch.setattr(one.book.deliveries.bodies, "messages", away)
    one.sends("ada", queued=True)
    one.states("sent")
    wait_until(lambda: one.lane.held == 0)


def test_a_lane_that_fills_up_in_the_middle_takes_the_front_and_the_rest_later(
    desk: Callable[..., Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(departures, "PIECE", 2)
    monkeypatch.setattr("whereupon.engine.lane.SIZE", 700)
    one = desk()
    one.sends(*[f"person {number}" for number in range(9)], queued=True)
    one.states(*["sent"] * 9)
    assert [each.person for each in one.channel.sent] == [f"person {number}" for number in range(9)]


def test_a_finisher_that_can_note_nothing_ends_all_the_same_when_it_is_stopped(
    tmp_path: Path, logs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    logs.expect("receipts can't be noted")
    one = Desk(tmp_path)
    commit = SqliteSession._commit

    def fail(session: SqliteSession) -> None:
        if threading.current_thread().name == "finish":
            raise Unavailable("the disk is full")
        commit(session)

    wait_until(lambda: one.finisher.open_messages(CHANNEL) == 0)
    monkeypatch.setattr(SqliteSession, "_commit", fail)
    one.sends("ada")
    wait_until(lambda: one.finisher.stuck == "the disk is full")
    message = Message("new", 9, CAMPAIGN, "Hello", "eve", {})
    assert one.finisher.claim(CHANNEL, [message]) == 0
    one.lane.stop(1.0)
    one.finisher.stop(0.1)
    wait_until(lambda: not one.finisher.alive)
    assert one.book.states() == ["sending"]
    monkeypatch.undo()
    one.close()


def test_however_long_nothing_could_be_noted_it_is_tried_every_two_seconds(
    tmp_path: Path, logs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Free space is noticed every two seconds as well: a full disk that was freed delays nothing for long."""
    logs.expect("receipts can't be noted")
    clock = Paces()
    one, write, tries = Desk(tmp_path, clock=clock), Stash.write, itertools.count()

    def fail(stash: Stash, lines: Sequence[Line]) -> Page:
        if next(tries) < 12:
            raise Unavailable("the disk is full")
        return write(stash, lines)

    monkeypatch.setattr(Stash, "write", fail)
    one.sends("ada")
    one.states("sent")
    assert (clock.paces[0], max(clock.paces)) == (0.1, 2.0)
    one.close()


class Paces(Clock):
    """A clock that lets the finisher's pauses take no time, and knows how long they would have been."""

    def __init__(self) -> None:
        self.paces: list[float] = []

    def wait(self, event: threading.Event, seconds: float) -> bool:
        if threading.current_thread().name != "finish":
            return super().wait(event, seconds)
        self.paces.append(seconds)
        return event.is_set()


def test_a_finisher_that_never_began_can_be_stopped(tmp_path: Path) -> None:
    book = Book(journal_file(tmp_path))
    finisher = Finisher(
        book.deliveries, Stash(tmp_path / "Stash", clock=Clock()), clock=Clock(), paused=frozenset,
        hold=lambda campaign, reason: None, pulse=Pulse(),
    )  # fmt: skip
    finisher.stop(1.0)
    assert not finisher.alive
    book.close()
    book.database.close()


def test_a_finisher_without_work_does_not_spin(desk: Callable[..., Desk]) -> None:
    one = desk()
    one.sends("ada")
    one.states("sent")
    me = psutil.Process()
    before = me.cpu_times().user + me.cpu_times().system
    threading.Event().wait(0.6)
    assert me.cpu_times().user + me.cpu_times().system - before < 0.12

"""The journal's second half: messages end once, however often it is said, and leave once more."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.journals import CAMPAIGN, CHANNEL, NOW, Book, journal_file
from whereupon.connect.servers import SqliteSession
from whereupon.model.decided import (
    FAILED,
    QUEUED,
    SENDING,
    SENT,
    UNKNOWN,
    WAITING,
    WITHHELD,
    DeadLetter,
    Trace,
)
from whereupon.model.errors import Away
from whereupon.model.events import Receipt, Result
from whereupon.storage.deliveries import Ending, Open, ranges

TRY = (NOW, NOW + 5, "unavailable: 503")


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    """A journal in a file."""
    one = Book(journal_file(tmp_path))
    yield one
    one.close()
    one.database.close()


def test_a_sent_message_has_its_end(book: Book) -> None:
    book.ends(book.decide("ada"), SENT, tries=1, first_try=NOW, finished=NOW + 9)
    assert book.rows("SELECT state, tries, first_try, finished FROM outcome") == [("sent", 1, NOW, NOW + 9)]
    assert book.figures() == book.recount() == {("sent", ""): 1}


def test_a_message_that_waits_stands_in_the_queue_with_its_try(book: Book) -> None:
    book.ends(
        book.decide("ada"),
        WAITING,
        reason="unavailable",
        tries=1,
        first_try=NOW,
        next_at=NOW + 700,
        attempt=TRY,
    )
    assert book.rows("SELECT event, campaign, owner, channel, person, next_at, tries FROM waiting") == [
        (1, CAMPAIGN, 1, CHANNEL, "ada", NOW + 700, 1)
    ]
    assert book.rows("SELECT event, campaign, n, started, ended, answer FROM attempt") == [
        (1, CAMPAIGN, 1, *TRY)
    ]
    assert book.figures() == {("open", ""): 1}


def test_an_end_that_a_person_has_to_judge_is_a_dead_letter(book: Book) -> None:
    dead = DeadLetter("send", "Hello to ada " * 40, "503\0", None, 1, CAMPAIGN)
    book.ends(book.decide("ada"), FAILED, reason="unavailable", tries=6, dead=dead)
    ((stage, event, place, reason),) = book.rows("SELECT stage, event, place, reason FROM dead")
    assert (stage, event, len(place), reason) == ("send", 1, 200, "503")


def test_no_answer_of_a_channel_can_stop_the_journal(book: Book) -> None:
    odd = "\ud800 \0 " + "x" * 5000
    book.ends(book.decide("ada"), WAITING, tries=1, attempt=(NOW, NOW, odd))
    ((answer,),) = book.rows("SELECT answer FROM attempt")
    assert len(answer) == 1000


def test_the_same_ends_noted_twice_count_once(book: Book) -> None:
    decision = book.decide("ada", "bob")
    dead = DeadLetter("send", "Hello", "lost", None, 1, CAMPAIGN)
    for _ in range(2):
        book.ends(decision, UNKNOWN, reason="answer lost", tries=1, attempt=TRY, dead=dead)
    assert book.states() == ["unknown: answer lost"] * 2
    assert book.figures() == book.recount()
    assert book.rows("SELECT COUNT(*) FROM dead") == [(2,)]


@pytest.mark.parametrize("stands", [True, False])
def test_ends_whose_answer_was_lost_are_just_noted_again(
    book: Book, monkeypatch: pytest.MonkeyPatch, stands: bool
) -> None:
    decision = book.decide("ada")
    book.ends(book.decide("zoe"), SENT)
    commit = SqliteSession._commit

    def lose(session: SqliteSession) -> None:
        monkeypatch.setattr(SqliteSession, "_commit", commit)
        if stands:
            commit(session)
        raise Away("gone")

    dead = DeadLetter("send", "Hello", "lost", None, 1, CAMPAIGN)
    monkeypatch.setattr(SqliteSession, "_commit", lose)
    with pytest.raises(Away):
        book.ends(decision, UNKNOWN, dead=dead)
    book.ends(decision, UNKNOWN, dead=dead)
    book.ends(book.decide("bob"), UNKNOWN, dead=dead)
    assert book.states() == ["unknown", "sent", "unknown"]
    assert book.rows("SELECT COUNT(*) FROM dead") == [(2,)]
    assert book.figures() == book.recount()


def test_some_of_the_ends_may_stand_already(book: Book) -> None:
    decision = book.decide("ada", "bob")
    first, second = (Ending(book.message(each), CHANNEL, SENT, tries=1) for each in decision.record.events)
    book.deliveries.finish([first], now=NOW)
    book.deliveries.finish([first, second, second], now=NOW)
    assert book.states() == ["sent", "sent"]
    assert book.figures() == {("sent", ""): 2}


def test_no_ends_are_nothing_to_note(book: Book) -> None:
    book.deliveries.finish([], now=NOW)
    assert book.states() == []


def test_rows_that_another_service_took_over_are_left_to_it(book: Book) -> None:
    decision = book.decide("ada")
    with book.turns.transaction() as session:
        session.run("UPDATE outcome SET owner = 2")
    book.ends(decision, SENT)
    assert book.states() == ["sending"]
    assert book.figures() == {("open", ""): 1}


# ------------------------------------------------------------------------------------------------ leaving again
def test_queued_messages_are_found_oldest_first(book: Book) -> None:
    book.decide("ada", "bob", state=QUEUED)
    book.decide("eve")
    assert book.deliveries.queued(CHANNEL, after=0, most=9) == [
        Open(1, CAMPAIGN, 0, None, ""), Open(2, CAMPAIGN, 0, None, ""),
    ]  # fmt: skip
    assert [each.event for each in book.deliveries.queued(CHANNEL, after=2, most=9)] == [2]
    assert [each.event for each in book.deliveries.queued(CHANNEL, after=0, most=1)] == [1]
    assert book.deliveries.queued(99, after=0, most=9) == []


def test_queued_messages_leave_once(book: Book) -> None:
    book.decide("ada", "bob", state=QUEUED)
    pairs = [(1, CAMPAIGN), (2, CAMPAIGN)]
    assert book.deliveries.finish([], now=NOW, leaving={QUEUED: pairs[:1]}) == {pairs[0]}
    assert book.states() == ["sending", "queued"]


def test_after_a_lost_answer_leaving_says_the_same_again(book: Book) -> None:
    book.decide("ada", "bob", state=QUEUED)
    pairs = [(1, CAMPAIGN), (2, CAMPAIGN)]
    assert book.deliveries.finish([], now=NOW, leaving={QUEUED: pairs}) == set(pairs)
    assert book.deliveries.finish([], now=NOW, leaving={QUEUED: pairs}) == set(pairs)


def test_what_another_service_took_over_does_not_leave_here(book: Book) -> None:
    book.decide("ada", "bob", state=QUEUED)
    with book.turns.transaction() as session:
        session.run("UPDATE outcome SET owner = 2 WHERE event = 1")
    assert book.deliveries.finish([], now=NOW, leaving={QUEUED: [(1, CAMPAIGN), (2, CAMPAIGN)]}) == {
        (2, CAMPAIGN)
    }
    assert book.states() == ["queued", "sending"]


def test_due_messages_are_found_the_longest_due_first(book: Book) -> None:
    for person, due in (("ada", 300), ("bob", 100), ("eve", 900)):
        book.ends(
            book.decide(person), WAITING, reason="unavailable", tries=2, first_try=NOW - 7, next_at=NOW + due
        )
    assert book.deliveries.due(CHANNEL, now=NOW + 300, most=9) == [
        Open(2, CAMPAIGN, 2, NOW - 7, "unavailable"), Open(1, CAMPAIGN, 2, NOW - 7, "unavailable"),
    ]  # fmt: skip
    assert len(book.deliveries.due(CHANNEL, now=NOW + 900, most=2)) == 2
    assert book.deliveries.due(CHANNEL, now=NOW, most=9) == []


def test_a_due_message_that_leaves_waits_no_longer(book: Book) -> None:
    book.ends(book.decide("ada", "bob"), WAITING, next_at=NOW)
    assert book.deliveries.finish([], now=NOW, leaving={WAITING: [(1, CAMPAIGN)]}) == {(1, CAMPAIGN)}
    assert book.rows("SELECT event FROM waiting") == [(2,)]
    assert book.states() == ["sending", "waiting"]


def test_a_waiting_message_that_ends_without_leaving_waits_no_longer(book: Book) -> None:
    decision = book.decide("ada")
    book.ends(decision, WAITING, next_at=NOW)
    book.ends(decision, WITHHELD, reason="expired", before=WAITING)
    assert book.states() == ["withheld: expired"]
    assert book.rows("SELECT COUNT(*) FROM waiting") == [(0,)]
    assert book.figures() == book.recount()


def test_a_message_that_waits_again_has_its_new_time(book: Book) -> None:
    decision = book.decide("ada")
    book.ends(decision, WAITING, next_at=NOW, tries=1)
    book.deliveries.finish([], now=NOW, leaving={WAITING: [(1, CAMPAIGN)]})
    book.ends(decision, WAITING, next_at=NOW + 50, tries=2)
    assert book.rows("SELECT next_at, tries FROM waiting") == [(NOW + 50, 2)]


# ---------------------------------------------------------------------------------------------- for a person
def test_state_channel_and_time_of_a_message_can_be_asked(book: Book) -> None:
    book.decide("ada")
    assert book.deliveries.state(1, CAMPAIGN) == ("sending", CHANNEL, NOW)
    assert book.deliveries.state(9, CAMPAIGN) is None


def test_a_message_that_a_person_sends_again_moves_the_figures_of_its_old_reason(book: Book) -> None:
    decision = book.decide("ada", "bob")
    book.ends(decision, FAILED, reason="unavailable")
    ada = Ending(book.message(decision.record.events[0]), CHANNEL, QUEUED, before=FAILED)
    bob = Ending(book.message(decision.record.events[1]), CHANNEL, WITHHELD, "expired", before=FAILED)
    book.deliveries.finish([ada, bob], now=NOW)
    assert book.states() == ["queued", "withheld: expired"]
    assert book.figures() == book.recount()


def test_a_campaign_that_is_decided_anew_takes_its_old_traces_place(book: Book) -> None:
    decision = book.decide("ada", "bob", state=FAILED, reason="held")
    assert book.deliveries.bodies.record(1) == decision.record
    trace = Trace(CAMPAIGN, 9, CHANNEL, QUEUED, key="new", fields={"subject": "Now"})
    book.deliveries.rewrite(1, trace, before=FAILED, now=NOW)
    assert book.states() == ["queued", "failed: held"]
    assert book.rows("SELECT version FROM outcome WHERE event = 1") == [(9,)]
    (message,) = book.deliveries.bodies.messages([(1, CAMPAIGN)])
    assert (message.key, message.fields, message.campaign_name) == ("new", {"subject": "Now"}, "Hello")
    assert book.figures() == book.recount()


def test_what_a_person_has_had_can_be_asked(book: Book) -> None:
    book.decide("ada")
    assert book.deliveries.had("ada", since=NOW - 1, fills=()).messages == {"ada": [(CAMPAIGN, CHANNEL, NOW)]}
    assert book.deliveries.had("ada", since=NOW - 1, fills={CHANNEL}).messages == {}


STEPS = st.lists(
    st.tuples(st.sampled_from(["decide", "queue", "leave", "due", "sent", "fail", "wait", "away", "lose", "again"]),
              st.integers(0, 9)), max_size=40)  # fmt: skip


@given(STEPS)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_after_any_history_the_figures_equal_a_recount(
    tmp_path_factory: pytest.TempPathFactory, steps: Any
) -> None:
    book = Book(journal_file(tmp_path_factory.mktemp("book")))
    events: dict[int, Any] = {}
    ends = {
        "sent": (SENT, SENDING, ""),
        "fail": (FAILED, SENDING, "unavailable"),
        "wait": (WAITING, SENDING, "unavailable"),
        "away": (QUEUED, SENDING, ""),
        "lose": (UNKNOWN, SENDING, "answer lost"),
        "again": (QUEUED, FAILED, ""),
    }
    for verb, number in steps:
        if verb in ("decide", "queue"):
            decision = book.decide("ada", "bob", state=SENDING if verb == "decide" else QUEUED)
            events |= {each.id: book.message(each) for each in decision.record.events}
        elif verb == "leave":
            pairs = [each[:2] for each in book.deliveries.queued(CHANNEL, after=0, most=number + 1)]
            book.deliveries.finish([], now=NOW, leaving={QUEUED: pairs})
        elif verb == "due":
            pairs = [each[:2] for each in book.deliveries.due(CHANNEL, now=NOW, most=number + 1)]
            book.deliveries.finish([], now=NOW, leaving={WAITING: pairs})
        elif number + 1 in events:
            state, before, reason = ends[verb]
            book.deliveries.finish(
                [Ending(events[number + 1], CHANNEL, state, reason, next_at=NOW, before=before)], now=NOW
            )
    assert book.figures() == book.recount()
    waiting = [event for (event,) in book.rows("SELECT event FROM waiting ORDER BY event")]
    assert waiting == [
        each for (each,) in book.rows("SELECT event FROM outcome WHERE state = 'waiting' ORDER BY event")
    ]
    book.close()
    book.database.close()


@pytest.mark.parametrize("short", [0, 100])
def test_what_was_sent_at_its_first_try_is_noted_by_ranges_or_one_by_one(
    book: Book, monkeypatch: pytest.MonkeyPatch, short: int
) -> None:
    monkeypatch.setattr("whereupon.storage.deliveries.SHORT", short)
    decision = book.decide(*[f"person {number}" for number in range(6)])
    messages = [book.message(each) for each in decision.record.events]
    times = [(NOW, NOW + 5), (NOW + 9, NOW + 9), (NOW + 90, NOW + 95), (NOW, NOW + 5), (NOW, NOW + 60)]
    sent = [
        Receipt(message, Result.ACCEPTED, started=started, ended=ended)
        for message, (started, ended) in zip(messages, times, strict=False)
    ]
    for _ in range(2):
        book.deliveries.finish([], sent=sent[::-1], now=NOW)
    assert book.states() == ["sent"] * 5 + ["sending"]
    noted = book.rows("SELECT tries, first_try, finished FROM outcome WHERE event IN (3, 5) ORDER BY event")
    assert noted == [(1, NOW + 90, NOW + 95), (1, NOW, NOW + 60)]
    assert book.figures() == book.recount()


def test_events_in_a_row_are_a_range_while_their_times_hardly_differ() -> None:
    tried = [(1, 7, 0, 5), (1, 6, 9, 9), (1, 9, 0, 5), (1, 10, 90, 95), (2, 11, 90, 95)]
    assert ranges(tried) == [(6, 7, 1, 9, 9), (9, 9, 1, 0, 5), (10, 10, 1, 90, 95), (11, 11, 2, 90, 95)]
    assert ranges([]) == []


def test_a_sent_message_that_somebody_else_has_by_now_stays_as_it_is_and_the_others_are_noted(
    book: Book,
) -> None:
    decision = book.decide("ada", "bob", "eve")
    with book.turns.transaction() as session:
        session.run("UPDATE outcome SET owner = 2 WHERE event = 2")
    messages = [book.message(each) for each in decision.record.events]
    sent = [Receipt(each, Result.ACCEPTED, started=NOW, ended=NOW + 1) for each in messages]
    book.deliveries.finish([], sent=sent, now=NOW)
    assert book.states() == ["sent", "sending", "sent"]

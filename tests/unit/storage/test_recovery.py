"""What a start, or a take-over, makes of the rows it finds open."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journals import CAMPAIGN, CHANNEL, HOUR, NOW, Book, journal_file
from whereupon.model.decided import QUEUED, SENT, WAITING, DeadLetter
from whereupon.storage.recovery import Found, note_open, oldest_open, opened_from, reopen, settle

DAY = 24 * HOUR


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    """A journal in a file."""
    one = Book(journal_file(tmp_path))
    yield one
    one.close()
    one.database.close()


def reopened(book: Book, *, owner: int = 1, by: int = 1, window: int = DAY, now: int = NOW) -> Found:
    return reopen(book.turns, CHANNEL, owner=owner, by=by, window=window, now=now, dead=book.dead)


def test_what_was_queued_and_waiting_is_found(book: Book) -> None:
    book.decide("ada", "bob", state=QUEUED)
    book.decide("eve", state=WAITING, behind=NOW + 5)
    book.ends(book.decide("zoe"), SENT)
    assert reopened(book) == Found(queued=2, waiting=1)


def test_another_channels_messages_are_left_alone(book: Book) -> None:
    book.decide("ada")
    assert reopen(book.turns, 99, owner=1, by=1, window=0, now=NOW, dead=book.dead) == Found()
    assert book.states() == ["sending"]


def test_what_was_under_way_goes_again_while_its_key_is_known(book: Book) -> None:
    book.decide("ada", at=NOW - DAY + 1)
    book.decide("bob", at=NOW - DAY)
    assert reopened(book) == Found(queued=1, unknown=1)
    assert book.states() == ["queued", "unknown: interrupted"]


def test_the_first_try_begins_the_time_for_which_a_key_is_known(book: Book) -> None:
    decision = book.decide("ada", at=NOW - 2 * DAY)
    book.ends(decision, WAITING, first_try=NOW - HOUR, next_at=NOW)
    book.deliveries.finish([], now=NOW, leaving={WAITING: [(1, CAMPAIGN)]})
    assert reopened(book) == Found(queued=1)


@pytest.mark.parametrize("now", [NOW, NOW - 2 * HOUR])
def test_where_no_key_is_known_what_was_under_way_is_unknown_whatever_the_clock_says(
    book: Book, now: int
) -> None:
    book.decide("ada")
    assert reopened(book, window=0, now=now) == Found(unknown=1)
    assert book.rows("SELECT stage, event, campaign FROM dead") == [("send", 1, CAMPAIGN)]
    assert book.figures() == book.recount() == {("unknown", "interrupted"): 1}


def test_opening_twice_finds_the_same(book: Book) -> None:
    book.decide("ada", "bob")
    assert reopened(book) == Found(queued=2)
    assert reopened(book) == Found(queued=2)


def test_a_resend_is_believed_for_an_hour_ahead_at_most(book: Book) -> None:
    book.decide("ada", state=WAITING, behind=NOW + 5 * HOUR)
    book.decide("bob", state=WAITING, behind=NOW + 5)
    reopened(book)
    assert book.rows("SELECT next_at FROM waiting ORDER BY event") == [(NOW + HOUR,), (NOW + 5,)]


def test_a_lost_owners_rows_go_over_with_all_that_waits(book: Book) -> None:
    other = Book(book.database, owner=2)
    other.decide("ada", state=QUEUED)
    other.decide("bob")
    other.decide("eve", state=WAITING, behind=NOW + 5)
    book.decide("zoe", state=QUEUED)
    note_open(book.turns, CHANNEL, 1, 200_000)
    assert reopened(book, owner=2, by=1) == Found(queued=2, waiting=1, first=0)
    assert book.rows("SELECT DISTINCT owner FROM outcome") == [(1,)]
    assert book.rows("SELECT owner FROM waiting") == [(1,)]
    assert len(book.deliveries.queued(CHANNEL, after=0, most=9)) == 3
    with book.turns.session() as session:
        assert opened_from(session, CHANNEL, 1) == 0
    assert book.figures() == book.recount()
    other.close()


def test_a_start_reads_from_the_oldest_open_message_on(book: Book) -> None:
    assert oldest_open(book.turns, CHANNEL, 1) is None
    book.ends(book.decide("ada"), SENT)
    book.decide("bob", state=QUEUED)
    assert oldest_open(book.turns, CHANNEL, 1) == 2
    note_open(book.turns, CHANNEL, 1, 2)
    note_open(book.turns, CHANNEL, 1, 2)
    assert reopened(book) == Found(queued=1, first=2)


# ---------------------------------------------------------------------------------------------------- the stash
def test_what_stands_in_a_stash_was_sent_whoever_owns_it_and_whatever_was_believed(book: Book) -> None:
    decision = book.decide("ada", "bob", "eve")
    book.decide("zoe", state=WAITING, behind=NOW)
    reopened(book, window=0)
    book.ends(decision, QUEUED, before="unknown", reason="")
    book.decide("ida")
    reopened(book, window=0)
    assert book.rows("SELECT COUNT(*) FROM dead") == [(4,)]
    sent = [(event, CAMPAIGN, NOW + event) for event in range(1, 6)]
    assert settle(book.turns, [*sent, (99, CAMPAIGN, NOW)], now=NOW) == 5
    assert book.states() == ["sent"] * 5
    assert book.rows("SELECT event, finished FROM outcome ORDER BY event") == [
        (n, NOW + n) for n in range(1, 6)
    ]
    assert book.rows("SELECT COUNT(*) FROM dead") == book.rows("SELECT COUNT(*) FROM waiting") == [(0,)]
    assert book.figures() == book.recount()


def test_settling_twice_changes_nothing(book: Book) -> None:
    book.decide("ada")
    assert [settle(book.turns, [(1, CAMPAIGN, NOW)], now=NOW) for _ in range(2)] == [1, 0]
    assert book.rows("SELECT tries FROM outcome") == [(1,)]
    assert settle(book.turns, [], now=NOW) == 0


def test_a_dead_letter_of_another_message_stays(book: Book) -> None:
    book.ends(book.decide("ada", "bob"), "unknown", dead=DeadLetter("send", "", "lost", None, 2, CAMPAIGN))
    settle(book.turns, [(1, CAMPAIGN, NOW)], now=NOW)
    assert book.rows("SELECT COUNT(*) FROM dead") == [(2,)]


def test_a_take_over_of_nothing_finds_nothing(book: Book) -> None:
    assert reopened(book, owner=9, by=1) == Found()

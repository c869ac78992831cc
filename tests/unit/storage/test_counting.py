"""Counting: repeats, and what the persons of a batch have had."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journals import CAMPAIGN, CHANNEL, HOUR, NOW, STREAM, Book, journal_file
from whereupon.model.decided import FAILED, QUEUED, SENT, UNKNOWN, WAITING, WITHHELD
from whereupon.storage import counting
from whereupon.storage.counting import Had, first_since, had, repeats


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    """A journal in a file."""
    one = Book(journal_file(tmp_path))
    yield one
    one.close()
    one.database.close()


def asked(book: Book, *persons: str, since: int = NOW - 1, fills: tuple[int, ...] = ()) -> Had:
    with book.turns.session() as session:
        return had(session, persons, since=since, fills=fills)


def test_only_known_events_of_the_stream_are_repeats(book: Book) -> None:
    events = book.events("ada", "bob")
    book.decide(events=events)
    with book.turns.session() as session:
        assert repeats(session, STREAM, [*events, ("eve", "new"), ("ada", events[1][1])]) == set(events)
        assert repeats(session, 99, events) == frozenset()


def test_names_that_differ_in_case_or_blanks_are_others(book: Book) -> None:
    book.decide(events=[("Ada", "x")])
    with book.turns.session() as session:
        assert repeats(session, STREAM, [("ada", "x"), ("Ada ", "x"), ("Ada", "X")]) == frozenset()


@pytest.mark.parametrize("state", [SENT, UNKNOWN, QUEUED, WAITING])
def test_open_sent_and_unknown_messages_count(book: Book, state: str) -> None:
    book.ends(book.decide("ada"), state, next_at=NOW)
    assert asked(book, "ada").messages == {"ada": [(CAMPAIGN, CHANNEL, NOW)]}


@pytest.mark.parametrize("state", [WITHHELD, FAILED])
def test_withheld_and_failed_ones_do_not(book: Book, state: str) -> None:
    book.decide("ada", state=state)
    assert asked(book, "ada").messages == {}


def test_a_failed_message_gives_its_place_back(book: Book) -> None:
    decision = book.decide("ada")
    assert asked(book, "ada").messages == {"ada": [(CAMPAIGN, CHANNEL, NOW)]}
    book.ends(decision, FAILED)
    assert asked(book, "ada").messages == {}


def test_only_the_persons_asked_for_are_counted(book: Book) -> None:
    book.decide("ada", "ada", "bob", "eve")
    assert {person: len(each) for person, each in asked(book, "ada", "eve", "ida").messages.items()} == {
        "ada": 2,
        "eve": 1,
    }


def test_channels_that_fill_a_store_never_count(book: Book) -> None:
    book.decide("ada")
    assert asked(book, "ada", fills=(CHANNEL,)).messages == {}


def test_what_was_decided_before_the_windows_hour_is_not_read(book: Book) -> None:
    book.decide("ada", at=NOW - 2 * HOUR)
    book.decide("ada", at=NOW)
    assert len(asked(book, "ada", since=NOW - HOUR).messages["ada"]) == 1
    assert len(asked(book, "ada", since=NOW - 2 * HOUR + 5).messages["ada"]) == 2


def test_where_nothing_was_decided_since_nothing_is_read(book: Book) -> None:
    book.decide("ada", at=NOW - 2 * HOUR)
    assert asked(book, "ada").messages == {}
    with book.turns.session() as session:
        assert first_since(session, NOW) > 10**15


def test_the_lowest_number_of_all_owners_bounds_the_window(book: Book) -> None:
    other = Book(book.database, owner=2)
    book.decide("ada")
    other.decide("ada")
    assert len(asked(book, "ada").messages["ada"]) == 2
    other.close()


def test_a_person_with_more_events_than_are_looked_at_is_crowded(
    book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "MOST", 3)
    book.decide(*["ada"] * 3, *["bob"] * 4)
    book.decide("bob", state=WITHHELD)
    found = asked(book, "ada", "bob")
    assert found.crowded == {"bob"}
    assert len(found.messages["ada"]) == 3


def test_an_event_that_no_campaign_matched_makes_a_person_crowded_too(
    book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "MOST", 2)
    book.decide(*["ada"] * 3)
    with book.turns.transaction() as session:
        session.run("DELETE FROM outcome")
    assert asked(book, "ada") == Had({}, frozenset({"ada"}))


def test_the_index_on_person_answers_and_no_table_is_scanned(book: Book) -> None:
    book.decide("ada")
    with book.turns.session() as session:
        sql = counting.statement(session)
        plan = session.all(f"EXPLAIN QUERY PLAN {sql}", (*session.bind(counting.PERSON, [("ada",)]), 1))
    said = " ".join(str(each[-1]) for each in plan)
    assert "SEARCH x USING" in said
    assert "SCAN e" not in said
    assert "SCAN o" not in said

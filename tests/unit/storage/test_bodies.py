"""Bodies: messages as they were decided, read back from the journal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journals import CAMPAIGN, Book, journal_file
from whereupon.storage import bodies as module
from whereupon.storage.bodies import Bodies


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    """A journal in a file."""
    one = Book(journal_file(tmp_path))
    yield one
    one.close()
    one.database.close()


@pytest.fixture
def bodies(book: Book) -> Iterator[Bodies]:
    """Its bodies."""
    one = Bodies(book.database)
    yield one
    one.close()


def test_messages_come_in_the_order_they_were_asked_for(book: Book, bodies: Bodies) -> None:
    book.decide("ada", "bob")
    book.decide("eve")
    found = bodies.messages([(3, CAMPAIGN), (1, CAMPAIGN)])
    assert [(each.event, each.person, each.campaign_name, each.stream) for each in found] == [
        (3, "eve", "Hello", "SignIn"), (1, "ada", "Hello", "SignIn"),
    ]  # fmt: skip


def test_what_is_not_there_is_left_out(book: Book, bodies: Bodies) -> None:
    book.decide("ada")
    assert bodies.messages([(1, 99), (2, CAMPAIGN), (0, CAMPAIGN)]) == []
    assert bodies.record(2) is None


def test_a_record_at_hand_needs_no_question(book: Book, bodies: Bodies) -> None:
    decision = book.decide("ada")
    bodies.remember(decision.record)
    with book.turns.transaction() as session:
        session.run("DELETE FROM batch")
    assert bodies.record(1) is decision.record
    bodies.forget()
    assert bodies.record(1) is None


def test_only_the_latest_few_are_kept_at_hand(
    book: Book, bodies: Bodies, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "KEPT", 2)
    records = [book.decide("ada").record for _ in range(3)]
    for each in records:
        bodies.remember(each)
    with book.turns.transaction() as session:
        session.run("DELETE FROM batch")
    assert [bodies.record(number) is not None for number in (1, 2, 3)] == [False, True, True]


def test_a_batch_of_repeats_alone_is_not_remembered(book: Book, bodies: Bodies) -> None:
    events = book.events("ada")
    book.decide(events=events)
    repeated = book.decide(events=events)
    bodies.remember(repeated.record)
    assert bodies.record(1) is not None

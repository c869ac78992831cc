"""Letters: dead ones that a person wants to be resent."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journals import STREAM, Book, journal_file
from whereupon.storage.letters import Letter, Letters


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    """A journal in a file."""
    one = Book(journal_file(tmp_path))
    yield one
    one.close()
    one.database.close()


def mark(book: Book, *numbers: int) -> None:
    """A person wants these to be resent."""
    with book.turns.transaction() as session:
        for each in numbers:
            session.run("UPDATE dead SET resend = 1 WHERE id = ?", (each,))


def test_only_marked_letters_are_found_oldest_first(book: Book) -> None:
    book.decide(dead=3)
    mark(book, 3, 1)
    letters = Letters(book.turns)
    assert letters.marked(1, most=9) == [
        Letter(number, "decode", None, None, STREAM, b"{") for number in (1, 3)
    ]  # fmt: skip
    assert [each.id for each in letters.marked(1, most=1)] == [1]


def test_another_owners_letters_are_its_own(book: Book) -> None:
    book.decide(dead=1)
    mark(book, 1)
    assert Letters(book.turns).marked(2, most=9) == []


def test_a_judged_letter_is_done_with(book: Book) -> None:
    book.decide(dead=1)
    mark(book, 1)
    letters = Letters(book.turns)
    letters.judged(1, "resent" * 100)
    assert letters.marked(1, most=9) == []
    ((judged,),) = book.rows("SELECT judged FROM dead")
    assert len(judged) == 200


def test_a_letter_that_came_to_the_same_end_waits_for_a_person_again(book: Book) -> None:
    book.decide(dead=1)
    mark(book, 1)
    letters = Letters(book.turns)
    letters.kept(1, "still no JSON")
    assert letters.marked(1, most=9) == []
    assert book.rows("SELECT resend, reason, judged FROM dead") == [(0, "still no JSON", None)]

"""The journal's statements as SQL Server would get them: parsed as T-SQL, and held to its rules."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from tests.journals import CAMPAIGN, CHANNEL, HOUR, NOW, STREAM, Book
from tests.tsql import RecordingDatabase, nothing, problems
from whereupon.model.decided import QUEUED, SENT, UNKNOWN, WAITING, DeadLetter, Trace
from whereupon.storage.letters import Letters
from whereupon.storage.operations import Hold, Operations
from whereupon.storage.recovery import note_open, oldest_open, reopen, settle


class Answers:
    """Rows for the questions that a statement's begin tells apart; everything else has none."""

    def __init__(self) -> None:
        self.known: list[tuple[str, Sequence[tuple[Any, ...]]]] = [
            ("SELECT next FROM numbering", [(100_001,)]),
            ("SELECT MIN(first)", [(1,)]),
            ("SELECT COUNT", [(2,)]),
            ("SELECT DATEDIFF_BIG", [(NOW,)]),
        ]

    def __call__(self, sql: str, parameters: Sequence[Any]) -> Sequence[tuple[Any, ...]]:
        found = next((rows for begin, rows in self.known if sql.startswith(begin)), None)
        if found is not None:
            return found
        # What is written touches as many rows as it was given.
        if sql.startswith("UPDATE outcome"):
            return [()] * (str(parameters[0]).count("],[") + 1) if parameters else [()]
        return nothing(sql, parameters)


@pytest.fixture
def database() -> Iterator[RecordingDatabase]:
    """A SQL Server that only listens; all that it was told is held to the rules at the end."""
    one = RecordingDatabase(Answers())
    yield one
    assert one.statements
    assert problems(one.statements) == []


@pytest.fixture
def book(database: RecordingDatabase) -> Iterator[Book]:
    """A journal on it."""
    one = Book(database)
    yield one
    one.close()


def said(database: RecordingDatabase, *words: str) -> bool:
    """Whether some statement has all these words."""
    return any(all(word in each.sql for word in words) for each in database.statements)


def test_a_batch_is_decided(book: Book, database: RecordingDatabase) -> None:
    book.journal.begin(STREAM, "topic", {0: 5})
    book.journal.positions(STREAM)
    book.decide(
        "ada", "bob", moves={0: (5, 7)}, dead=2, since=NOW - HOUR, ordered=frozenset({CHANNEL}), behind=NOW + 5,
        state=WAITING,
    )  # fmt: skip
    assert said(database, "sp_getapplock")
    assert said(database, "CROSS APPLY", "TOP 10001")
    assert said(database, "OPENJSON", "JOIN event")
    assert said(database, "INSERT INTO waiting")


def test_a_large_batch_keeps_to_the_parameters_of_a_statement(book: Book) -> None:
    book.decide(*[f"person {number}" for number in range(2_000)])


def test_messages_end(book: Book, database: RecordingDatabase) -> None:
    decision = book.decide("ada", "bob")
    dead = DeadLetter("send", "Hello", "503", None, 1, CAMPAIGN)
    book.ends(decision, WAITING, tries=1, first_try=NOW, next_at=NOW, attempt=(NOW, NOW, "503"))
    book.ends(decision, UNKNOWN, reason="answer lost", dead=dead, before=WAITING)
    book.ends(decision, SENT, before=UNKNOWN)
    assert said(database, "UPDATE outcome SET", "OPENJSON")
    assert said(database, "INSERT INTO attempt")


def test_ends_that_stand_already_are_asked_for(book: Book, database: RecordingDatabase) -> None:
    decision = book.decide("ada")
    database._answer.known.insert(0, ("UPDATE outcome", []))  # type: ignore[attr-defined]
    book.ends(decision, SENT)
    assert said(database, "SELECT o.event, o.campaign, o.state", "OPENJSON")


def test_messages_leave_once_more(book: Book, database: RecordingDatabase) -> None:
    book.deliveries.queued(CHANNEL, after=0, most=9)
    book.deliveries.queued(CHANNEL, after=0, most=9, only=CAMPAIGN)
    book.deliveries.queued(CHANNEL, after=0, most=9, without=(CAMPAIGN, 5))
    book.deliveries.due(CHANNEL, now=NOW, most=9)
    book.deliveries.finish([], now=NOW, leaving={WAITING: [(1, CAMPAIGN), (2, CAMPAIGN)]})
    book.deliveries.state(1, CAMPAIGN)
    book.deliveries.had("ada", since=NOW, fills=())
    book.deliveries.bodies.record(5)
    assert said(database, "FETCH NEXT 9 ROWS ONLY")


def test_a_campaign_is_decided_anew(book: Book, database: RecordingDatabase) -> None:
    decision = book.decide("ada")
    (kept,) = [each for each in database.statements if each.sql.startswith("INSERT INTO batch")]
    body = next(each for each in kept.parameters if isinstance(each, bytes))
    database._answer.known.insert(0, ("SELECT id, body FROM batch", [(decision.first, body)]))  # type: ignore[attr-defined]
    book.deliveries.rewrite(decision.first, Trace(CAMPAIGN, 9, CHANNEL, QUEUED), before="failed", now=NOW)
    assert said(database, "UPDATE batch SET body")


def test_a_start_settles_and_opens(book: Book, database: RecordingDatabase) -> None:
    answers: Answers = database._answer  # type: ignore[assignment]
    answers.known += [
        ("SELECT o.event, o.campaign, o.owner", [(1, CAMPAIGN, 1, "unknown", "interrupted", NOW)]),
        (
            "SELECT event, campaign, tries",
            [(1, CAMPAIGN, 0, NOW, None), (2, CAMPAIGN, 0, NOW - 48 * HOUR, None)],
        ),
    ]
    settle(book.turns, [(1, CAMPAIGN, NOW)], now=NOW)
    reopen(book.turns, CHANNEL, owner=2, by=1, window=24 * HOUR, now=NOW, dead=book.dead)
    oldest_open(book.turns, CHANNEL, 1)
    note_open(book.turns, CHANNEL, 1, 5)
    assert said(database, "UPDATE outcome SET owner")
    assert said(database, "DELETE", "dead")


def test_operations_and_letters_are_asked(database: RecordingDatabase) -> None:
    operations = Operations(database)
    owner = operations.enrol("folder", "here")
    operations.renew(owner, status={"sent": 3})
    operations.leases()
    operations.lost(owner)
    operations.hold(Hold("campaign", 3, "paused", "why", "ann", 5))
    operations.holds()
    operations.release("campaign", 3)
    operations.ask("load", {}, author="ann", owner=None, at=5)
    operations.requests(owner)
    operations.answer(1, "done", at=6)
    operations.answered(1)
    letters = Letters(operations._turns)
    letters.marked(owner, most=5)
    letters.kept(1, "still")
    letters.judged(1, "resent")
    operations.close()

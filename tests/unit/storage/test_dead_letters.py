"""Dead letters as a person judges them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.lived import NO_JSON, lived
from tests.tsql import RecordingDatabase, problems
from whereupon.connect.databases import Database, database
from whereupon.host.clock import Clock
from whereupon.model.errors import SetupError
from whereupon.storage.dead_letters import DeadLetters


@pytest.fixture
def journal(tmp_path: Path, home: Path) -> Iterator[Database]:
    """The journal of a system that has lived; its message of `e1` may have arrived, or not."""
    made = database("sqlite:///SD_TealHols.db", folder=lived(tmp_path / "TealHols"))
    with closing(made.session()) as session:
        row = session.one(
            "SELECT o.event, o.campaign FROM outcome o JOIN event e ON e.id = o.event WHERE e.event_id = 'e1'"
        )
        assert row is not None
        session.run("UPDATE outcome SET state = 'unknown', reason = 'answer lost' WHERE event = ?", row[:1])
        columns = "(id, stage, event, campaign, stream, place, reason, at, owner, resend)"
        session.run(f"INSERT INTO dead {columns} VALUES (9000, 'send', ?, ?, 0, 'p', 'r', 1, 1, 0)", row)
    yield made
    made.close()


@pytest.fixture
def letters(journal: Database) -> Iterator[DeadLetters]:
    """Its dead letters: one of an event that is no JSON, and 9000."""
    with closing(DeadLetters(journal, clock=Clock())) as made:
        yield made


def state_of(journal: Database) -> str:
    with closing(journal.session()) as session:
        row = session.one(
            "SELECT o.state FROM outcome o JOIN event e ON e.id = o.event WHERE e.event_id = 'e1'"
        )
    assert row is not None
    return str(row[0])


def test_they_are_listed_with_what_they_held_and_how_their_message_stands(letters: DeadLetters) -> None:
    event, message = letters.listed()
    assert (event.stage, event.raw, event.state) == ("decode", NO_JSON.decode(), "")
    assert (message.id, message.state, message.raw) == (9000, "unknown", "")
    assert letters.count() == 2
    assert [each.id for each in letters.listed(after=event.id)] == [9000]


def test_a_message_that_went_is_sent_and_the_tally_moves_with_it(
    journal: Database, letters: DeadLetters
) -> None:
    assert letters.it_went([9000], author="ann") == 1
    assert state_of(journal) == "sent"
    assert letters.count() == 1
    assert letters.listed(judged=True)[-1].said == "it went, says ann"
    with closing(journal.session()) as session:
        rows = session.all(
            "SELECT state, SUM(n) FROM tally WHERE state IN ('unknown', 'sent') GROUP BY state"
        )
    assert dict(rows) == {"unknown": -1, "sent": 3}  # as unknown it was never tallied here


def test_only_an_unknown_message_can_have_gone_and_nothing_is_changed_by_halves(
    journal: Database, letters: DeadLetters
) -> None:
    event = letters.listed()[0]
    with pytest.raises(SetupError, match="no message whose end is unknown"):
        letters.it_went([9000, event.id], author="ann")
    assert state_of(journal) == "unknown"
    assert letters.count() == 2


def test_a_discarded_one_keeps_its_judge_and_cannot_be_judged_again(
    journal: Database, letters: DeadLetters
) -> None:
    letters.discard([9000], author="ann")
    assert state_of(journal) == "unknown"
    with pytest.raises(SetupError, match="judged already: discarded by ann"):
        letters.resend([9000])


def test_a_marked_one_waits_for_the_keeper(letters: DeadLetters) -> None:
    letters.resend([9000])
    assert letters.listed()[-1].said == "to be resent"
    assert letters.listed()[-1].resend


def test_one_that_is_not_there_is_said(letters: DeadLetters) -> None:
    with pytest.raises(SetupError, match="no dead letter 7777"):
        letters.discard([7777], author="ann")


def answered(sql: str, parameters: Sequence[Any]) -> Sequence[tuple[Any, ...]]:
    """A journal of SQL Server's with one unknown message."""
    if "SELECT judged" in sql:
        return [(None,)]
    return [(1, 2, 3, "answer lost")] if " JOIN outcome" in sql and "o.state = ?" in sql else []


def test_sql_server_could_be_asked_the_same() -> None:
    recording = RecordingDatabase(answered)
    with closing(DeadLetters(recording, clock=Clock())) as letters:
        assert letters.listed() == letters.listed(judged=True, after=3) == []
        assert letters.count() == 0
        assert letters.resend([1, 2]) == 2
        assert letters.discard([1], author="ann") == letters.it_went([2], author="ann") == 1
    assert any("UPDATE outcome" in each.sql for each in recording.statements)
    assert problems(recording.statements) == []

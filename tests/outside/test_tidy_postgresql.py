"""Retention, runs and contacts on a real PostgreSQL, and as SQL Server would be asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.servers.postgresql import PostgreSQL
from tests.tsql import RecordingDatabase, nothing, problems
from tests.world import made
from whereupon.connect.databases import Database, database
from whereupon.host.clock import FakeClock
from whereupon.storage.contacts import Contacts
from whereupon.storage.journal_tables import JOURNAL
from whereupon.storage.retention import Keep, Retention
from whereupon.storage.runs import Runs
from whereupon.storage.system_tables import SYSTEM
from whereupon.storage.turns import Turns

pytestmark = pytest.mark.outside
DAY = 86_400_000
NOW = 1_767_225_600_000


@pytest.fixture
def streams(postgresql: PostgreSQL, tmp_path: Path) -> Iterator[Database]:
    """A Streams database."""
    found = made(database(postgresql.url(postgresql.create_database()), folder=tmp_path), JOURNAL)
    yield found
    found.close()


def history(where: Database, *, days: int, first: int) -> None:
    """200 events of that age, sent, with their batch."""
    at = NOW - days * DAY
    numbers = range(first, first + 200)
    with closing(where.session()) as session, session.transaction():
        session.insert(
            "event",
            {"id": "id", "person": "text", "event_id": "text", "stream": "id", "partition": "id", "at_offset": "id",
             "at": "id", "seen": "id"},
            [(each, "ada", f"e{each}", 1, 0, each, at, at) for each in numbers],
        )  # fmt: skip
        session.insert(
            "outcome",
            {"event": "id", "campaign": "id", "version": "id", "channel": "id", "owner": "id", "state": "text",
             "reason": "text", "tries": "id", "decided": "id", "finished": "id"},
            [(each, 1, 1, 1, 1, "sent", "", 1, at, at) for each in numbers],
        )  # fmt: skip
        session.insert(
            "batch",
            {"id": "id", "last": "id", "stream": "id", "decided": "id", "owner": "id", "body": "blob"},
            [(first, first + 199, 1, at, 1, b"body")],
        )


def tidied(where: Database, folder: Path, clock: FakeClock) -> None:
    """A whole pass of retention."""
    turns = Turns(where)
    retention = Retention(turns, folder, clock=clock)
    for _ in range(60):
        retention.turn(Keep())
    turns.close()


def counted(where: Database, table: str) -> int:
    with closing(where.session()) as session:
        row = session.one(f"SELECT COUNT(*) FROM {table}")
    return int(row[0]) if row else 0


def test_what_is_old_goes_and_what_is_young_stays(streams: Database, tmp_path: Path) -> None:
    history(streams, days=120, first=1)
    history(streams, days=10, first=1001)
    history(streams, days=1, first=2001)
    tidied(streams, tmp_path, FakeClock(NOW))
    assert (counted(streams, "event"), counted(streams, "outcome"), counted(streams, "batch")) == (
        400,
        400,
        1,
    )


def test_a_run_is_kept_with_its_place(streams: Database) -> None:
    with closing(Runs(streams)) as runs, closing(Runs(streams)) as other:
        run = runs.keep(runs.begin(7, 1, now=NOW).after(40, rows=20, inserted=20))
        assert other.unfinished(7) == run
        other.end(run, state="done", now=NOW)
        assert runs.unfinished(7) is None


def test_a_contact_that_comes_again_has_its_number(postgresql: PostgreSQL, tmp_path: Path) -> None:
    system = made(database(postgresql.url(postgresql.create_database()), folder=tmp_path), SYSTEM)
    with closing(Contacts(system, 3)) as contacts:
        first = contacts.of(["ada", "bob"])
        assert contacts.of(["bob", "eve", "ada"]) == {**first, "eve": 3}
        assert contacts.person(first["bob"]) == "bob"
    system.close()


def test_sql_server_would_take_the_same(tmp_path: Path) -> None:
    def answer(sql: str, parameters: Sequence[Any]) -> Sequence[tuple[Any, ...]]:
        return [(1,)] if sql.startswith("SELECT COALESCE") else nothing(sql, parameters)

    recording = RecordingDatabase(answer)
    tidied(recording, tmp_path, FakeClock(NOW))
    with closing(Contacts(recording, 3)) as contacts:
        contacts.of(["ada"])
    assert len(recording.statements) > 10
    assert problems(recording.statements) == []

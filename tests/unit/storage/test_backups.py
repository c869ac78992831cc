"""Copies of SQLite databases."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from whereupon.connect.databases import Database, database
from whereupon.host.clock import FakeClock
from whereupon.model.errors import SetupError
from whereupon.storage.backups import KEPT, backup, copies


@pytest.fixture
def filled(tmp_path: Path) -> Database:
    found = database("sqlite:///A.db", folder=tmp_path)
    with closing(found.session()) as session:
        session.run("CREATE TABLE t (x)")
        session.run("INSERT INTO t VALUES (1)")
    return found


def test_a_copy_holds_what_stood_in_the_log_too(filled: Database) -> None:
    with closing(filled.session()) as session:
        session.run("INSERT INTO t VALUES (2)")
        copy = backup(filled, "test")
    assert copy is not None
    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("SELECT x FROM t").fetchall() == [(1,), (2,)]


def test_the_newest_fourteen_are_kept(filled: Database) -> None:
    clock = FakeClock()
    made = []
    for _ in range(KEPT + 3):
        clock.advance(1)
        made.append(backup(filled, "test", clock=clock))
    assert copies(filled) == made[:2:-1]


def test_copies_of_another_database_are_left_alone(filled: Database, tmp_path: Path) -> None:
    other = database("sqlite:///A-B.db", folder=tmp_path)
    with closing(other.session()) as session:
        session.run("CREATE TABLE t (x)")
    backup(other, "test")
    backup(filled, "test")
    assert len(copies(filled)) == len(copies(other)) == 1


def test_without_a_file_there_is_nothing_to_copy(tmp_path: Path) -> None:
    assert backup(database("sqlite:///none.db", folder=tmp_path), "test") is None
    server = database("postgresql://ann@host.invalid/db", folder=tmp_path)
    assert backup(server, "test") is None
    assert copies(server) == []


def test_a_database_that_cannot_be_copied_leaves_nothing_behind(filled: Database, tmp_path: Path) -> None:
    (tmp_path / "A.db").write_bytes(b"no database" * 1000)
    with pytest.raises(SetupError, match="damaged"):
        backup(filled, "test")
    assert list((tmp_path / "Backups").iterdir()) == []

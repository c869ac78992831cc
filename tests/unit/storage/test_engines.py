"""Built statements over an engine."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text

from whereupon.connect.databases import Database, database
from whereupon.model.errors import Refused, SetupError
from whereupon.storage.engines import reading, writing


@pytest.fixture
def filled(tmp_path: Path) -> Database:
    found = database("sqlite:///A.db", folder=tmp_path)
    with writing(found) as connection:
        connection.execute(text("CREATE TABLE t (x INTEGER PRIMARY KEY)"))
        connection.execute(text("INSERT INTO t VALUES (1)"))
    return found


def test_what_is_written_is_committed_together(filled: Database) -> None:
    def write() -> None:
        with writing(filled) as connection:
            connection.execute(text("INSERT INTO t VALUES (2)"))
            connection.execute(text("INSERT INTO t VALUES (1)"))

    with pytest.raises(Refused):
        write()
    with reading(filled) as connection:
        assert connection.execute(text("SELECT x FROM t")).all() == [(1,)]


def test_a_reader_waits_for_no_writer_and_sees_what_was_committed(filled: Database) -> None:
    with writing(filled) as writer:
        writer.execute(text("INSERT INTO t VALUES (2)"))
        with reading(filled) as connection:
            assert connection.execute(text("SELECT COUNT(*) FROM t")).scalar() == 1


def test_a_reader_writes_nothing(filled: Database) -> None:
    with pytest.raises(SetupError), reading(filled) as connection:
        connection.execute(text("INSERT INTO t VALUES (3)"))


def test_another_error_stays_what_it_is(filled: Database) -> None:
    with pytest.raises(KeyError), reading(filled):
        raise KeyError("mine")

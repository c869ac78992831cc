"""What is a kind of session's own: SQLite's files, and SQL Server's locks and commits."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.tsql import Recorder
from whereupon.connect.databases import Database, database
from whereupon.connect.failures import CommitUnknown
from whereupon.connect.servers import SqlServerSession
from whereupon.connect.session import Session
from whereupon.model.errors import Away, Refused, SetupError, Unavailable

pytest.importorskip("pyodbc", reason="pyodbc needs unixodbc", exc_type=ImportError)
import pyodbc


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Database]:
    made = database("sqlite:///a #1?%41.db", folder=tmp_path)
    yield made
    made.close()


@pytest.fixture
def opened(file: Database) -> Iterator[Session]:
    session = file.session()
    yield session
    session.close()


def test_what_sqlite_promised_is_on_the_disk(opened: Session) -> None:
    asked = ("journal_mode", "synchronous", "foreign_keys", "temp_store", "busy_timeout")
    assert [(opened.one(f"PRAGMA {each}") or ("",))[0] for each in asked] == ["wal", 2, 1, 2, 10_000]


def test_a_session_that_reads_makes_no_file(file: Database) -> None:
    with pytest.raises(SetupError, match="can't be opened"):
        file.session(write=False)
    assert file.path is not None
    assert not file.path.exists()


def test_a_session_that_reads_finds_a_file_with_an_odd_name(file: Database, opened: Session) -> None:
    opened.run("CREATE TABLE t (a)")
    reading = file.session(write=False)
    assert reading.all("SELECT a FROM t") == []
    reading.close()


def test_a_folder_that_isnt_there_is_for_a_person(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="can't be opened"):
        database("sqlite:///nowhere/a.db", folder=tmp_path).session()


def test_a_file_that_is_no_database_is_for_a_person(file: Database) -> None:
    assert file.path is not None
    file.path.write_bytes(b"not a database at all " * 100)
    with pytest.raises(SetupError, match="damaged, or is no database"):
        file.session()


def test_a_disk_that_is_full_is_told_and_passes(opened: Session) -> None:
    opened.run("CREATE TABLE t (a)")
    pages = opened.one("PRAGMA page_count") or (0,)
    opened.one(f"PRAGMA max_page_count = {pages[0] + 1}")
    with pytest.raises(Unavailable, match="no space left"), opened.transaction():
        opened.run("INSERT INTO t VALUES (zeroblob(100000))")
    opened.one("PRAGMA max_page_count = 100000")
    with opened.transaction():
        opened.run("INSERT INTO t VALUES (zeroblob(100000))")
    assert opened.one("SELECT COUNT(*) FROM t") == (1,)


def test_a_lock_ends_with_its_session(file: Database, opened: Session) -> None:
    other = file.session()
    assert other.try_lock("load")
    assert not opened.try_lock("load")
    other.close()
    assert opened.try_lock("load")


def test_a_lock_that_isnt_held_is_given_back_without_a_word(opened: Session) -> None:
    opened.release("load")


def test_sqlites_time_is_exact_to_the_millisecond(opened: Session) -> None:
    before = int(sqlite3.connect(":memory:").execute("SELECT unixepoch() * 1000").fetchone()[0])
    assert before - 1 <= opened.now() <= before + 60_000


class Fails:
    """A connection of pyodbc's that fails when one statement is sent."""

    def __init__(self, words: str, state: str) -> None:
        self.words, self.state, self.sent = words, state, list[str]()

    def execute(self, sql: str, *_: Any) -> Any:
        self.sent.append(sql)
        if sql.startswith(self.words):
            raise pyodbc.OperationalError(self.state, f"[{self.state}] [Microsoft]x (0) (SQLExecDirectW)")

    def close(self) -> None: ...


def committed(state: str) -> list[str]:
    session = Recorder()
    connection = Fails("COMMIT", state)
    session._connection = connection
    with session.transaction():
        pass
    return connection.sent


@pytest.mark.parametrize("state", ["HYT00", "08S01"])
def test_a_commit_that_sql_server_didnt_answer_is_unknown(state: str) -> None:
    with pytest.raises(CommitUnknown):
        committed(state)


def test_a_commit_that_sql_server_refused_is_none() -> None:
    with pytest.raises(Refused):
        committed("23000")


def test_a_lock_that_sql_server_doesnt_give_can_be_tried_again() -> None:
    def late(sql: str, _: Sequence[Any]) -> list[tuple[int]]:
        return [(-1,)]

    with pytest.raises(Unavailable, match="locks"):
        Recorder(answer=late).lock_rows([1])
    assert Recorder(answer=late).try_lock("load") is False


def test_sql_server_is_opened_late_and_by_odbc_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}

    class Opened(Fails):
        timeout = 0

    def connect(string: str, **words: Any) -> Opened:
        given.update(words, string=string)
        return Opened("nothing", "")

    monkeypatch.setattr(pyodbc, "connect", connect)
    session = SqlServerSession("Driver={x}", timeout=2.5, what="The database x")
    assert given == {"string": "Driver={x}", "autocommit": True, "timeout": 3}
    assert session._connection.timeout == 3
    session.interrupt()
    session.close()


def test_without_a_driver_a_person_is_told_what_to_install() -> None:
    with pytest.raises(SetupError, match="driver"):
        SqlServerSession(
            f"Driver={{/nowhere/{os.getpid()}.so}};Server={{x}}", timeout=1, what="The database x"
        )


def test_rows_of_odbc_are_plain_tuples() -> None:
    class Row(list[int]):
        """pyodbc's rows are no tuples."""

    rows: Any = [Row([1, 2])]
    assert Recorder(answer=lambda *_: rows).all("SELECT a, b FROM t") == [(1, 2)]


def test_a_server_that_is_gone_while_it_is_opened_is_away() -> None:
    def connect() -> None:
        database("postgresql://u@127.0.0.1:1/d", folder=Path(), password="x").session(timeout=2)

    with pytest.raises(Away):
        connect()

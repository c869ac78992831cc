"""Sessions, on SQLite; on PostgreSQL the same in tests/outside, and what SQL Server would be asked."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from tests.tsql import Recorder, problems
from tests.unit.connect.behaviours import ALL, KEYED, PAIR, ROWS, TALLY, Behaviours, session
from whereupon.connect import session as sessions
from whereupon.connect.databases import Database, database
from whereupon.connect.dialects.sqlite import SqliteDialect
from whereupon.connect.session import CommitUnknown, Session, number_of
from whereupon.model.errors import Away, Refused

__all__ = ["session"]


@pytest.fixture(name="database")
def _database(tmp_path: Path) -> Database:
    return database("sqlite:///things.db", folder=tmp_path)


@pytest.mark.req("DAT-01")
class TestSqlite(Behaviours):
    """A file."""


class Gone(SqliteDialect):
    """SQLite, as if it were a server that can go away."""

    def failure(self, error: Exception, what: str, *, opening: bool = False) -> Away:
        return Away(f"{what} went away.")


def test_a_lost_answer_to_a_commit_is_told(session: Session) -> None:
    session.dialect = Gone()

    def ends_in_the_commit() -> None:
        with session.transaction():
            session.insert("thing", KEYED, ROWS)
            session.run("COMMIT")

    with pytest.raises(CommitUnknown, match="went away"):
        ends_in_the_commit()


def test_a_test_can_let_the_process_die_around_each_commit_by_the_first_table_that_it_changes(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    passed: list[str] = []
    monkeypatch.setattr(sessions, "point", passed.append)
    with session.transaction():
        session.all("SELECT 1")
        session.insert("thing", KEYED, ROWS)
        session.run("DELETE FROM tally")
    with session.transaction():
        session.run("DELETE FROM tally")
    with pytest.raises(Refused), session.transaction():
        raise Refused("no")
    assert passed == [
        "before-commit-thing",
        "after-commit-thing",
        "before-commit-tally",
        "after-commit-tally",
    ]


def test_a_connection_lost_before_the_commit_is_no_unknown_commit(session: Session) -> None:
    session.dialect = Gone()

    def ends_before() -> None:
        with session.transaction():
            session.run("SELECT nonsense")

    with pytest.raises(Away) as caught:
        ends_before()
    assert not isinstance(caught.value, CommitUnknown)


def test_bytes_are_inserted_but_never_given(session: Session) -> None:
    with pytest.raises(TypeError, match="bytes"):
        session.bind({"body": "blob"}, [(b"x",)])


def test_a_text_about_a_character_is_not_the_character(session: Session) -> None:
    assert session.bind({"key": "text"}, [("\\u0000",)])
    with pytest.raises(Refused, match=r"U\+0000"):
        session.bind({"key": "text"}, [("\\\x00",)])


def test_sqlite_waits_for_another_writer(database: Database, session: Session) -> None:
    other = sqlite3.connect(str(database.path), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    impatient = database.session(timeout=0.05)
    with pytest.raises(Exception, match="in use by another program"), impatient.transaction():
        pass
    other.execute("ROLLBACK")
    with impatient.transaction():
        impatient.insert("thing", KEYED, ROWS)
    impatient.close()
    other.close()


def test_a_number_of_a_name_is_the_same_everywhere() -> None:
    assert number_of("load communications") == number_of("load communications")
    assert -(2**63) <= number_of("x") < 2**63


def test_sql_server_is_asked_only_what_it_knows() -> None:
    recorder = Recorder()
    many = [(n, f"key {n}", n, 0.5, True, None, b"x") for n in range(1_500)]
    with recorder.transaction():
        recorder.lock_rows([5, -3, *range(250)])
        recorder.insert("thing", ALL, many)
        recorder.insert_new("thing", ALL, many, key=("id",))
        recorder.upsert("thing", KEYED, ROWS, key=("id", "key"))
        recorder.update("thing", "n = thing.n + k.n", "k", KEYED, ROWS, on="thing.id = k.id")
        recorder.delete("thing", PAIR, [(1, "one")])
        recorder.add("tally", TALLY, [(1, "sent", 2)], key=("day", "state"), amount="n")
        given = f"SELECT k.id FROM {recorder.given('k', KEYED)} JOIN thing t ON t.id = k.id ORDER BY k.id"
        recorder.all(recorder.dialect.limited(given, 5), recorder.bind(KEYED, ROWS))
    assert recorder.try_lock("load")
    recorder.release("load")
    recorder.now()
    assert len(recorder.statements) > 20
    assert problems(recorder.statements) == []


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN DELETE", "MERGE"),
        ("SELECT a FROM t LIMIT 5", "LIMIT"),
        ("SELECT a || b FROM t", "||"),
        ("INSERT INTO t (a) VALUES (1) RETURNING a", "RETURNING"),
        ("INSERT INTO t (a) VALUES (1) ON CONFLICT (a) DO NOTHING", "ON CONFLICT"),
        ("SELECT key FROM t", "reserved word key"),
        ("SELECT a FROM t WHERE b = TRUE", "TRUE"),
        ("SELECT (a FROM t", "can't be parsed"),
        ("SELECT a FROM t WHERE a = ?", "1 marks and 0 parameters"),
        ("VACUUM", "doesn't know"),
    ],
)
def test_a_statement_that_sql_server_would_refuse_is_found(sql: str, said: str) -> None:
    recorder = Recorder()
    recorder.all(sql)
    assert [said in each for each in problems(recorder.statements)] == [True]

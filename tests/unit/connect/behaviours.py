"""What a session does, whichever database is behind it; the tests of each database inherit this."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from sqlalchemy import Column, MetaData, Table, UniqueConstraint, select

from tests.servers.processes import wait_until
from whereupon.connect.databases import Database
from whereupon.connect.session import Columns, Session
from whereupon.connect.types import Blob, Body, Flag, Id, Key, Number
from whereupon.model.errors import Refused, SetupError, Unavailable

TABLES = MetaData()
THING = Table(
    "thing",
    TABLES,
    Column("id", Id(), primary_key=True, autoincrement=False),
    Column("key", Key(), nullable=False),
    Column("n", Id()),
    Column("ratio", Number()),
    Column("flag", Flag()),
    Column("text", Body()),
    Column("body", Blob()),
    UniqueConstraint("key", name="thing_key"),
)
Table(
    "tally",
    TABLES,
    Column("day", Id(), primary_key=True, autoincrement=False),
    Column("state", Key(), primary_key=True),
    Column("n", Id(), nullable=False),
)
Table(
    "pair",
    TABLES,
    Column("a", Id(), primary_key=True, autoincrement=False),
    Column("b", Key(), primary_key=True),
)
ALL: Columns = {
    "id": "id",
    "key": "text",
    "n": "int",
    "ratio": "float",
    "flag": "bool",
    "text": "text",
    "body": "blob",
}
KEYED: Columns = {"id": "id", "key": "text", "n": "int"}
PAIR: Columns = {"id": "id", "key": "text"}
TALLY: Columns = {"day": "id", "state": "text", "n": "int"}
ROWS = [(1, "one", 10), (2, "two", 20), (3, "three", 30)]
CONTENTS = "SELECT id, key, n FROM thing ORDER BY id"
# Texts that end, begin or change something where they aren't treated as values.
ODD = (
    "",
    "'",
    '"',
    "?",
    "%s",
    "$1",
    "\\",
    "a\nb",
    "Ünïcødé 🎈",
    "{}",
    "NULL",
    "[1]",
    "x" * 200,
    "\\u0000",
    "--",
    "A",
)


@pytest.fixture
def session(database: Database) -> Iterator[Session]:
    """A session of a database with the tables, empty."""
    with database.engine.begin() as connection:
        TABLES.create_all(connection)
    opened = database.session(timeout=5.0)
    yield opened
    opened.close()
    database.close()


class Behaviours:
    """Each database's tests inherit these, and bring a fixture `database`."""

    def test_values_come_back_as_they_went(self, session: Session) -> None:
        row = (2**63 - 1, "Ünï 'q\" 🎈", -(2**63), 0.1, True, "x" * 100_000, b"\x00\xff'")
        nulls = (2, "nulls", None, None, None, None, None)
        session.insert("thing", ALL, [row, nulls])
        got = session.all("SELECT id, key, n, ratio, flag, text, body FROM thing ORDER BY id")
        assert got == [nulls, row]
        assert all(type(each) is tuple for each in got)

    @pytest.mark.parametrize("text", ODD)
    def test_a_text_is_never_read_as_anything_else(self, session: Session, text: str) -> None:
        session.insert("thing", PAIR, [(1, text)])
        given = f"SELECT t.id FROM {session.given('k', {'key': 'text'})} JOIN thing t ON t.key = k.key"
        assert session.all(given, session.bind({"key": "text"}, [(text,)])) == [(1,)]
        assert session.one("SELECT id FROM thing WHERE key = ? AND key <> '?'", (text,)) == (
            (1,) if text != "?" else None
        )

    def test_keys_are_compared_code_point_by_code_point(self, session: Session) -> None:
        words = ["b", "B", "a", "Ä", "a ", "é", "e\u0301", "_", "1"]
        session.insert("thing", PAIR, list(enumerate(words)))
        assert [row[0] for row in session.all("SELECT key FROM thing ORDER BY key")] == sorted(words)

    def test_more_rows_than_one_statement_takes_are_inserted(self, session: Session) -> None:
        rows = [(n, f"key {n}", n, n / 2, n % 2 == 0, None, b"%d" % n) for n in range(7_001)]
        session.insert("thing", ALL, rows)
        assert session.one("SELECT COUNT(*), SUM(n) FROM thing") == (7_001, sum(range(7_001)))

    def test_no_rows_are_no_statement(self, session: Session) -> None:
        session.insert("thing", KEYED, [])
        session.add("tally", TALLY, [], key=("day", "state"), amount="n")
        assert session.insert_new("thing", KEYED, [], key=("id",)) == 0
        assert session.upsert("thing", KEYED, [], key=("id",)) == (0, 0)
        assert session.update("thing", "n = k.n", "k", KEYED, [], on="thing.id = k.id") == 0
        assert session.delete("thing", PAIR, []) == 0
        assert session.all(f"SELECT id FROM {session.given('k', PAIR)}", session.bind(PAIR, [])) == []

    def test_new_rows_are_told_from_those_that_are_there(self, session: Session) -> None:
        assert session.insert_new("thing", KEYED, ROWS, key=("id",)) == 3
        assert session.insert_new("thing", KEYED, [(3, "other", 0), (4, "four", 40)], key=("id",)) == 1
        assert session.all(CONTENTS) == [*ROWS, (4, "four", 40)]

    def test_of_new_rows_with_equal_keys_the_first_counts(self, session: Session) -> None:
        assert session.insert_new("thing", KEYED, [(1, "first", 1), (1, "second", 2)], key=("id",)) == 1
        assert session.all(CONTENTS) == [(1, "first", 1)]

    def test_an_upsert_says_what_it_inserted_and_what_it_updated(self, session: Session) -> None:
        session.insert("thing", KEYED, ROWS)
        assert session.upsert("thing", KEYED, [(3, "drei", 33), (4, "vier", 44)], key=("id",)) == (1, 1)
        assert session.all(CONTENTS) == [*ROWS[:2], (3, "drei", 33), (4, "vier", 44)]

    def test_of_upserted_rows_with_equal_keys_the_last_counts(self, session: Session) -> None:
        assert session.upsert("thing", KEYED, [(1, "a", 1), (1, "b", 2)], key=("id",)) == (1, 0)
        assert session.upsert("thing", KEYED, [(1, "c", 3), (1, "d", 4)], key=("id",)) == (0, 1)
        assert session.all(CONTENTS) == [(1, "d", 4)]

    def test_an_upsert_of_keys_alone_inserts_what_is_missing(self, session: Session) -> None:
        columns: Columns = {"a": "id", "b": "text"}
        session.insert("pair", columns, [(1, "one")])
        assert session.upsert("pair", columns, [(1, "one"), (9, "nine")], key=("a", "b")) == (1, 0)

    def test_rows_are_updated_from_given_ones(self, session: Session) -> None:
        session.insert("thing", KEYED, ROWS)
        given = [(1, "one", 5), (2, "not two", 5), (7, "seven", 5)]
        on = "thing.id = k.id AND thing.key = k.key"
        assert session.update("thing", "n = thing.n + k.n", "k", KEYED, given, on=on) == 1
        assert session.all(CONTENTS) == [(1, "one", 15), *ROWS[1:]]

    def test_given_values_keep_their_kinds(self, session: Session) -> None:
        columns: Columns = {"id": "id", "ratio": "float", "flag": "bool", "text": "text"}
        session.insert("thing", PAIR, [(1, "a"), (2, "b")])
        rows = [(1, 0.25, True, "17"), (2, None, False, None)]
        assign = "ratio = k.ratio, flag = k.flag, text = k.text"
        session.update("thing", assign, "k", columns, rows, on="thing.id = k.id")
        assert session.all("SELECT id, ratio, flag, text FROM thing ORDER BY id") == rows

    def test_rows_are_deleted_by_what_they_hold(self, session: Session) -> None:
        session.insert("thing", KEYED, ROWS)
        assert session.delete("thing", PAIR, [(1, "one"), (2, "not two"), (9, "nine")]) == 1
        assert session.all(CONTENTS) == ROWS[1:]

    def test_counters_are_increased_or_begun(self, session: Session) -> None:
        rows = [(1, "sent", 2), (1, "failed", 1), (1, "sent", 3)]
        session.add("tally", TALLY, rows, key=("day", "state"), amount="n")
        session.add("tally", TALLY, [(1, "sent", -1), (2, "sent", 7)], key=("day", "state"), amount="n")
        got = session.all("SELECT day, state, n FROM tally ORDER BY day, state")
        assert got == [(1, "failed", 1), (1, "sent", 4), (2, "sent", 7)]

    def test_a_statement_says_how_many_rows_it_touched(self, session: Session) -> None:
        session.insert("thing", KEYED, ROWS)
        assert session.run("UPDATE thing SET n = n + ? WHERE id >= ?", (1, 2)) == 2
        assert session.run("UPDATE thing SET n = 0 WHERE id = ?", (99,)) == 0

    def test_a_query_is_cut(self, session: Session) -> None:
        session.insert("thing", KEYED, ROWS)
        assert session.all(session.dialect.limited("SELECT id FROM thing ORDER BY id", 2)) == [(1,), (2,)]
        assert session.one("SELECT id FROM thing WHERE id > ?", (50,)) is None

    def test_a_transaction_stands_when_it_ends(self, database: Database, session: Session) -> None:
        other = database.session()
        with session.transaction():
            session.insert("thing", KEYED, ROWS)
            assert other.one("SELECT COUNT(*) FROM thing") == (0,)
        assert other.one("SELECT COUNT(*) FROM thing") == (3,)
        other.close()

    def test_an_error_undoes_the_transaction(self, session: Session) -> None:
        def broken() -> None:
            with session.transaction():
                session.insert("thing", KEYED, ROWS)
                raise KeyError

        with pytest.raises(KeyError):
            broken()
        assert session.all(CONTENTS) == []
        with session.transaction():
            session.insert("thing", KEYED, ROWS[:1])
        assert session.all(CONTENTS) == ROWS[:1]

    def test_a_row_that_is_refused_undoes_the_transaction(self, session: Session) -> None:
        session.insert("thing", KEYED, ROWS)

        def doubled() -> None:
            with session.transaction():
                session.insert("thing", PAIR, [(8, "eight")])
                session.insert("thing", PAIR, [(9, "one")])

        with pytest.raises(Refused):
            doubled()
        assert session.all(CONTENTS) == ROWS

    @pytest.mark.parametrize("text", ["\ud800", "a\x00b"])
    def test_a_text_that_no_database_takes_is_refused(self, session: Session, text: str) -> None:
        session.insert("thing", PAIR, [(1, "one")])
        on = "thing.id = k.id"
        with pytest.raises(Refused):
            session.update("thing", "key = k.key", "k", PAIR, [(1, text)], on=on)
        given = f"SELECT id FROM {session.given('k', PAIR)}"
        with pytest.raises(Refused):
            session.all(given, session.bind(PAIR, [(1, text)]))
        assert session.all("SELECT id, key FROM thing") == [(1, "one")]

    def test_a_table_that_is_missing_is_for_a_person(self, session: Session) -> None:
        with pytest.raises(SetupError, match="schema"):
            session.all("SELECT x FROM nowhere")

    def test_a_mistake_of_the_program_is_not_hidden(self, session: Session) -> None:
        with pytest.raises(TypeError):
            session.add("tally", TALLY, [(1, "sent", None)], key=("day", "state"), amount="n")

    def test_a_named_lock_is_had_once(self, database: Database, session: Session) -> None:
        other = database.session()
        assert session.try_lock("load") is True
        assert other.try_lock("load") is False
        assert other.try_lock("something else") is True
        session.release("load")
        assert other.try_lock("load") is True
        other.close()
        # A server gives a lock free when it has noticed that the connection is gone.
        wait_until(lambda: session.try_lock("load"), within=5, what="the lock")

    def test_locks_of_rows_end_with_the_transaction(self, database: Database, session: Session) -> None:
        other, order, inside, ahead = database.session(timeout=20.0), [], threading.Event(), threading.Event()

        def second() -> None:
            ahead.set()
            with other.transaction():
                other.lock_rows([2**63 - 1, -(2**63)])
                order.append("second")

        thread = threading.Thread(target=second)
        with session.transaction():
            session.lock_rows([5, 2**63 - 1])
            thread.start()
            assert ahead.wait(5)
            inside.wait(0.15)
            order.append("first")
        thread.join(10)
        other.close()
        assert order == ["first", "second"]

    def test_the_time_is_told_in_milliseconds(self, session: Session) -> None:
        assert abs(session.now() - time.time() * 1000) < 2_000

    def test_a_statement_can_be_interrupted(self, session: Session) -> None:
        done = threading.Event()

        def until_it_ends() -> None:
            while not done.wait(0.05):
                session.interrupt()

        thread = threading.Thread(target=until_it_ends)
        thread.start()
        try:
            with pytest.raises(Unavailable):
                session.all(ENDLESS)
        finally:
            done.set()
            thread.join()
        assert session.one("SELECT 1") == (1,)

    def test_a_session_that_reads_writes_nothing(self, database: Database, session: Session) -> None:
        session.insert("thing", KEYED, ROWS)
        reading = database.session(write=False)
        assert reading.all(CONTENTS) == ROWS
        with pytest.raises((SetupError, Unavailable)):
            reading.run("DELETE FROM thing")
        reading.close()
        assert session.all(CONTENTS) == ROWS

    def test_closing_twice_is_fine(self, database: Database, session: Session) -> None:
        session.close()
        session.close()
        database.close()
        database.close()

    def test_the_engine_sees_the_same_tables(self, database: Database, session: Session) -> None:
        session.insert("thing", KEYED, ROWS)
        with database.engine.connect() as connection:
            assert connection.execute(select(THING.c.key).order_by(THING.c.id)).scalars().all() == [
                "one",
                "two",
                "three",
            ]


ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000000000) SELECT COUNT(*) FROM n"

"""SQL Server: its statements as T-SQL, and what its codes mean."""

from __future__ import annotations

import pytest

from tests.tsql import Recorded, problems
from whereupon.connect.dialects.dialect import Columns
from whereupon.connect.dialects.sqlserver import LOCKS, PARAMETERS, SqlServerDialect
from whereupon.connect.failures import DiskFull
from whereupon.model.errors import Away, Refused, SetupError, Unavailable, WhereuponError

pytest.importorskip("pyodbc", reason="pyodbc needs unixodbc", exc_type=ImportError)
import pyodbc

SQL_SERVER = SqlServerDialect()
COLUMNS: Columns = {"key": "text", "user": "id", "n": "int"}
ROWS = [("a", 1, 2), ("b", 3, 4)]


def said(state: str, message: str, number: int) -> pyodbc.Error:
    text = f"[{state}] [Microsoft][ODBC Driver 18 for SQL Server][SQL Server]{message} ({number}) (SQLExecDirectW)"
    return pyodbc.Error(state, f"{text}; [{state}] And another. (3621)")


@pytest.mark.parametrize(
    ("state", "number", "kind"),
    [
        ("28000", 18456, SetupError), ("42000", 4060, SetupError), ("08004", 911, SetupError),
        ("42000", 229, SetupError), ("42S02", 208, SetupError), ("42S22", 207, SetupError),
        ("23000", 2627, Refused), ("23000", 547, Refused), ("22001", 2628, Refused), ("22003", 8115, Refused),
        ("40001", 1205, Unavailable), ("42000", 1222, Unavailable), ("HYT00", 0, Unavailable),
        ("42000", 40501, Unavailable),
        ("42000", 1105, DiskFull), ("42000", 9002, DiskFull),
        ("08S01", 10054, Away), ("08003", 0, Away), ("08001", 10061, Away), ("42000", 40613, Away),
    ],
)  # fmt: skip
def test_a_code_says_who_acts(state: str, number: int, kind: type[WhereuponError]) -> None:
    found = SQL_SERVER.failure(said(state, "ada@example.org (18456) has (208)", number), "The database x")
    assert type(found) is kind
    assert found.message.startswith("The database x ")
    assert found.hint
    assert "ada" not in str(found)


@pytest.mark.parametrize(
    ("state", "number", "kind", "words"),
    [
        ("HYT00", 0, Away, "can't be reached"),
        ("IM002", 0, SetupError, "driver that isn't installed"),
        ("01000", 0, SetupError, "driver that isn't installed"),
        ("08001", -1, SetupError, "certificate"),
        ("08001", -2146893019, SetupError, "certificate"),
    ],
)
def test_while_connecting_codes_mean_something_else(
    state: str, number: int, kind: type[WhereuponError], words: str
) -> None:
    found = SQL_SERVER.failure(said(state, "x", number), "The database x", opening=True)
    assert type(found) is kind
    assert words in found.message


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (ImportError("libodbc.so.2"), SetupError, "ODBC isn't installed"),
        (UnicodeEncodeError("utf-16", "x", 0, 1, "surrogate"), Refused, "refuses"),
        (pyodbc.Error(), SetupError, "can't do"),
    ],
)
def test_what_comes_from_this_side_has_a_meaning_too(
    error: Exception, kind: type[WhereuponError], words: str
) -> None:
    found = SQL_SERVER.failure(error, "The database x")
    assert type(found) is kind
    assert words in found.message


def test_names_that_sql_server_reserves_stand_in_brackets() -> None:
    statements = [
        *SQL_SERVER.insert("user", COLUMNS, ROWS),
        *SQL_SERVER.insert_new("user", COLUMNS, ROWS, ("key",)),
        *SQL_SERVER.add("user", COLUMNS, ROWS, ("key", "user"), "n"),
        SQL_SERVER.delete("user", COLUMNS, ROWS),
        *(each for kind in SQL_SERVER.upsert("user", COLUMNS, ROWS, ("key",)) for each in kind),
    ]
    assert problems(Recorded(*each) for each in statements) == []
    assert all("[user]" in sql and "[key]" in sql for sql, _ in statements)


@pytest.mark.parametrize("width", [1, 2, 7, 300])
def test_a_statement_has_no_more_rows_and_parameters_than_the_server_takes(width: int) -> None:
    columns: Columns = {f"c{n}": "int" for n in range(width)}
    rows = [(row, *range(1, width)) for row in range(2_500)]
    for statements in (
        SQL_SERVER.insert("t", columns, rows),
        SQL_SERVER.insert_new("t", columns, rows, ("c0",)),
    ):
        sizes = [len(parameters) for _, parameters in statements]
        assert sum(sizes) == 2_500 * width
        assert max(sizes) <= min(PARAMETERS, 1_000 * width)


def test_texts_are_compared_as_our_columns_compare_them() -> None:
    assert SQL_SERVER.given("k", {"a": "id"}) == "OPENJSON(?) WITH (a bigint '$[0]') AS k"
    assert SQL_SERVER.given("k", {"a": "id", "b": "text"}) == (
        "(SELECT a, b COLLATE Latin1_General_100_BIN2 AS b FROM"
        " OPENJSON(?) WITH (a bigint '$[0]', b nvarchar(max) '$[1]')) AS k"
    )


def test_locks_are_asked_for_in_their_order_many_at_once() -> None:
    names = [f"person {n}" for n in range(LOCKS + 1)]
    statements = list(SQL_SERVER.locking(names))
    assert [name for _, parameters in statements for name in parameters] == names
    assert [sql.count("sp_getapplock") for sql, _ in statements] == [LOCKS, 1]
    assert problems(Recorded(*each) for each in statements) == []

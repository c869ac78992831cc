"""PostgreSQL: its statements, and what its codes mean."""

from __future__ import annotations

import psycopg
import pytest

from whereupon.connect.dialects.postgresql import PostgresqlDialect
from whereupon.connect.failures import DiskFull
from whereupon.model.errors import Away, Refused, SetupError, Unavailable, WhereuponError

POSTGRESQL = PostgresqlDialect()


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        ("08006", Away), ("57P01", Away), ("57P02", Away), ("57P03", Away), ("57P05", Away), ("25P03", Away),
        ("40001", Unavailable), ("40P01", Unavailable), ("55P03", Unavailable), ("57014", Unavailable),
        ("53300", Unavailable), ("53200", Unavailable), ("58030", Unavailable), ("25006", Unavailable),
        ("53100", DiskFull),
        ("28P01", SetupError), ("28000", SetupError), ("3D000", SetupError), ("42501", SetupError),
        ("42P01", SetupError), ("42703", SetupError), ("XX001", SetupError),
        ("23505", Refused), ("23503", Refused), ("22001", Refused), ("22021", Refused), ("22P05", Refused),
        ("54000", Refused),
    ],
)  # fmt: skip
def test_a_code_says_who_acts(state: str, kind: type[WhereuponError]) -> None:
    error = psycopg.Error("ERROR:  first line\nDETAIL:  ada@example.org")
    error.sqlstate = state
    found = POSTGRESQL.failure(error, "The database x")
    assert type(found) is kind
    assert found.message.startswith("The database x ")
    assert found.hint
    assert "ada" not in str(found)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (psycopg.OperationalError("server closed the connection"), Away),
        (psycopg.InterfaceError("the connection is closed"), Away),
        (psycopg.DataError("text fields cannot contain NUL"), Refused),
        (UnicodeEncodeError("utf-8", "x", 0, 1, "surrogate"), Refused),
        (OverflowError("too large"), Refused),
        (psycopg.ProgrammingError("cannot adapt type"), SetupError),
    ],
)
def test_without_a_code_the_kind_of_error_says_it(error: Exception, kind: type[WhereuponError]) -> None:
    assert type(POSTGRESQL.failure(error, "The database x")) is kind


def test_marks_are_numbered_but_not_within_texts() -> None:
    sql = "SELECT ?, '?', 'it''s ?' FROM t WHERE a = ? AND b LIKE '%'"
    assert POSTGRESQL.prepared(sql) == "SELECT $1, '?', 'it''s ?' FROM t WHERE a = $2 AND b LIKE '%'"


def test_rows_travel_as_one_array_a_column() -> None:
    assert POSTGRESQL.bind({"a": "id", "b": "text"}, [(1, "x"), (None, None)]) == ("{1,NULL}", '{"x",NULL}')
    assert POSTGRESQL.bind({"a": "id", "b": "text"}, []) == ("{}", "{}")
    assert POSTGRESQL.bind({"a": "text"}, [('"\\',), ("None",)]) == ('{"\\"\\\\","None"}',)
    assert POSTGRESQL.bind({"a": "float", "b": "bool", "c": "blob"}, [(0.5, True, b"x")]) == (
        "{0.5}",
        "{True}",
        [b"x"],
    )
    assert POSTGRESQL.given("k", {"a": "id", "b": "text"}) == "unnest(?::bigint[], ?::text[]) AS k(a, b)"

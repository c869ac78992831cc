"""SQLite: its statements, and what its result codes mean."""

from __future__ import annotations

import sqlite3

import pytest

from whereupon.connect.dialects.sqlite import VARIABLES, SqliteDialect
from whereupon.connect.failures import DiskFull
from whereupon.model.errors import Away, Refused, SetupError, Unavailable, WhereuponError

SQLITE = SqliteDialect()


def failure(code: int | None, kind: type[Exception] = sqlite3.OperationalError) -> WhereuponError:
    error = kind("what SQLite says")
    if code is not None:
        error.sqlite_errorcode = code  # type: ignore[attr-defined]
    return SQLITE.failure(error, "The database x")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("SQLITE_BUSY", Unavailable),
        ("SQLITE_BUSY_SNAPSHOT", Unavailable),
        ("SQLITE_LOCKED", Unavailable),
        ("SQLITE_INTERRUPT", Unavailable),
        ("SQLITE_IOERR_FSYNC", Unavailable),
        ("SQLITE_FULL", DiskFull),
        ("SQLITE_CORRUPT", SetupError),
        ("SQLITE_NOTADB", SetupError),
        ("SQLITE_CANTOPEN", SetupError),
        ("SQLITE_READONLY", SetupError),
        ("SQLITE_ERROR", SetupError),
        ("SQLITE_CONSTRAINT_UNIQUE", Refused),
        ("SQLITE_CONSTRAINT_FOREIGNKEY", Refused),
        ("SQLITE_TOOBIG", Refused),
        ("SQLITE_MISMATCH", Refused),
    ],
)
def test_a_result_code_says_who_acts(name: str, kind: type[WhereuponError]) -> None:
    found = failure(getattr(sqlite3, name))
    assert type(found) is kind
    assert not isinstance(found, Away)
    assert found.message.startswith("The database x ")
    assert found.hint


@pytest.mark.parametrize(
    "error", [OverflowError("too large"), UnicodeEncodeError("utf-8", "x", 0, 1, "surrogate")]
)
def test_a_value_that_python_cant_hand_over_is_refused(error: Exception) -> None:
    assert type(SQLITE.failure(error, "The database x")) is Refused


def test_an_error_without_a_code_is_for_a_person() -> None:
    assert type(failure(None)) is SetupError


@pytest.mark.parametrize("width", [1, 8, 64, 65, 2_000])
def test_a_statement_has_no_more_parameters_than_sqlite_takes(width: int) -> None:
    columns = {f"c{n}": "int" for n in range(width)}
    statements = list(SQLITE.insert("t", columns, [tuple(range(width))] * 1_100))  # type: ignore[arg-type]
    assert max(len(parameters) for _, parameters in statements) <= VARIABLES
    assert max(sql.count("), (") for sql, _ in statements) < 500
    assert sum(len(parameters) for _, parameters in statements) == width * 1_100


def test_this_sqlite_knows_what_the_statements_use() -> None:
    assert sqlite3.sqlite_version_info >= (3, 38)

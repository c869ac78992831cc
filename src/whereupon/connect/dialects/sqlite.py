"""SQLite: one writer, JSON as parameter, multi-row VALUES."""

# Only names of tables and columns, which code wrote, stand in these statements; values are parameters.
# ruff: noqa: S608

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

from whereupon.connect.dialects.dialect import (
    Columns,
    Dialect,
    Row,
    Statement,
    as_json,
    chunks,
    summed,
    values,
)  # fmt: skip
from whereupon.connect.failures import DiskFull
from whereupon.model.errors import Refused, SetupError, Unavailable, WhereuponError

VARIABLES = 32_000
"""Parameters of one statement (SQLite's default limit is 32,766)."""
ROWS = 500
# Primary result codes (sqlite.org/rescode.html). TOOBIG and MISMATCH are about the data, PROTOCOL and NOMEM pass.
BUSY, LOCKED, NO_MEMORY, READ_ONLY, INTERRUPTED, IO, CORRUPT = 5, 6, 7, 8, 9, 10, 11
FULL, CANT_OPEN, PROTOCOL, TOO_BIG, CONSTRAINT, MISMATCH, NOT_A_DATABASE = 13, 14, 15, 18, 19, 20, 26


class SqliteDialect(Dialect):
    """SQLite 3.38 or later."""

    name = "sqlite"

    def given(self, alias: str, columns: Columns) -> str:
        """Rows of a JSON array of arrays."""
        return _given(alias, tuple(columns))

    def bind(self, columns: Columns, rows: Sequence[Row]) -> tuple[Any, ...]:
        """One JSON text."""
        return (as_json(columns, rows),)

    def prepared(self, sql: str) -> str:
        """SQLite's own mark is `?`."""
        return sql

    def limited(self, sql: str, most: int) -> str:
        """LIMIT."""
        return f"{sql} LIMIT {int(most)}"

    def insert(self, table: str, columns: Columns, rows: Sequence[Row], end: str = "") -> Iterator[Statement]:
        """Up to 500 rows a statement."""
        begin = f"INSERT INTO {table} ({', '.join(columns)}) VALUES "
        for piece in chunks(rows, min(ROWS, VARIABLES // len(columns))):
            marks, parameters = values(piece)
            yield begin + marks + end, parameters

    def insert_new(
        self, table: str, columns: Columns, rows: Sequence[Row], key: Sequence[str]
    ) -> Iterator[Statement]:
        """ON CONFLICT DO NOTHING."""
        yield from self.insert(table, columns, rows, f" ON CONFLICT ({', '.join(key)}) DO NOTHING")

    def update(
        self, table: str, assign: str, alias: str, columns: Columns, rows: Sequence[Row], on: str
    ) -> Statement:
        """UPDATE … FROM."""
        sql = f"UPDATE {table} SET {assign} FROM {self.given(alias, columns)} WHERE {on}"
        return sql, self.bind(columns, rows)

    def delete(self, table: str, columns: Columns, rows: Sequence[Row]) -> Statement:
        """By row values, so that the index answers."""
        chosen = ", ".join(f"value ->> {place}" for place in range(len(columns)))
        sql = f"DELETE FROM {table} WHERE ({', '.join(columns)}) IN (SELECT {chosen} FROM json_each(?))"
        return sql, self.bind(columns, rows)

    def add(
        self, table: str, columns: Columns, rows: Sequence[Row], key: Sequence[str], amount: str
    ) -> Iterator[Statement]:
        """ON CONFLICT DO UPDATE."""
        end = f" ON CONFLICT ({', '.join(key)}) DO UPDATE SET {amount} = {table}.{amount} + excluded.{amount}"
        yield from self.insert(table, columns, summed(columns, rows, key, amount), end)

    def failure(self, error: Exception, what: str, *, opening: bool = False) -> WhereuponError:
        """By SQLite's result codes."""
        code = getattr(error, "sqlite_errorcode", None)
        primary = code & 0xFF if isinstance(code, int) else None
        if primary == FULL:
            return DiskFull(f"{what} has no space left on its disk.", hint="Free some; it goes on by itself.")
        if primary in (BUSY, LOCKED, PROTOCOL, INTERRUPTED):
            return Unavailable(f"{what} is in use by another program.", hint="It is tried again.")
        if primary in (IO, NO_MEMORY):
            said = f"{what} can't be read or written as it should: {error}."
            return Unavailable(said, hint="Look at the disk and the memory.")
        if primary in (CORRUPT, NOT_A_DATABASE):
            said = f"{what} is damaged, or is no database."
            return SetupError(said, hint="Restore its last good copy (folder Backups).")
        if primary in (CANT_OPEN, READ_ONLY):
            said = f"{what} can't be opened or written: {error}."
            return SetupError(
                said, hint="Check that the file and its folder exist and that you may write there."
            )
        if primary in (TOO_BIG, CONSTRAINT, MISMATCH) or isinstance(error, _DATA):
            return Refused(f"{what} refuses the data: {error}.", hint="Look at the values.")
        said = f"{what} can't do what it was asked: {error}."
        return SetupError(said, hint="Check the version of its schema.")


# Python's own, before SQLite sees the value: a lone surrogate, a number above 64 bits.
_DATA = (sqlite3.DataError, UnicodeError, OverflowError)


@lru_cache(256)
def _given(alias: str, columns: tuple[str, ...]) -> str:
    chosen = ", ".join(f"value ->> {place} AS {name}" for place, name in enumerate(columns))
    return f"(SELECT {chosen} FROM json_each(?)) AS {alias}"

"""PostgreSQL: arrays as parameters, unnest, ON CONFLICT."""

# Only names of tables and columns, which code wrote, stand in these statements; values are parameters.
# ruff: noqa: S608

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import count
from typing import Any

from whereupon.connect.dialects.dialect import Columns, Dialect, Kind, Row, Statement, keyed, summed
from whereupon.connect.failures import DiskFull
from whereupon.model.errors import Away, Refused, SetupError, Unavailable, WhereuponError

TYPES = {
    "id": "bigint",
    "int": "bigint",
    "float": "float8",
    "text": "text",
    "blob": "bytea",
    "bool": "boolean",
}
# SQLSTATE classes and codes (PostgreSQL manual, Appendix A).
GONE = ("08", "57P", "25P03")
DISK_FULL = "53100"
LATER = ("40", "53", "55P03", "57014", "58", "25006")
DATA = ("22", "23", "54")
LOGIN = ("28P01", "28000")
NO_DATABASE = "3D000"
RIGHTS = "42501"


class PostgresqlDialect(Dialect):
    """PostgreSQL 12 or later, by psycopg 3."""

    name = "postgresql"

    def given(self, alias: str, columns: Columns) -> str:
        """Rows of one array a column."""
        return _given(alias, tuple(columns.items()))

    def bind(self, columns: Columns, rows: Sequence[Row]) -> tuple[Any, ...]:
        """One array a column, written as PostgreSQL reads them: psycopg takes three times as long for a list."""
        given: Iterable[Sequence[Any]] = zip(*rows, strict=True) if rows else [() for _ in columns]
        return tuple(_array(kind, each) for kind, each in zip(columns.values(), given, strict=True))

    def prepared(self, sql: str) -> str:
        """`$1`, `$2`, …"""
        return _numbered(sql)

    def limited(self, sql: str, most: int) -> str:
        """LIMIT."""
        return f"{sql} LIMIT {int(most)}"

    def insert(self, table: str, columns: Columns, rows: Sequence[Row], end: str = "") -> Iterator[Statement]:
        """All rows in one statement."""
        names = ", ".join(columns)
        if rows:
            yield (
                f"INSERT INTO {table} ({names}) SELECT {names} FROM {self.given('k', columns)}{end}",
                self.bind(columns, rows),
            )

    def insert_new(
        self, table: str, columns: Columns, rows: Sequence[Row], key: Sequence[str]
    ) -> Iterator[Statement]:
        """ON CONFLICT DO NOTHING, in the order of keys."""
        end = f" ON CONFLICT ({', '.join(key)}) DO NOTHING"
        yield from self.insert(table, columns, keyed(columns, rows, key, first=True), end)

    def update(
        self, table: str, assign: str, alias: str, columns: Columns, rows: Sequence[Row], on: str
    ) -> Statement:
        """UPDATE … FROM."""
        sql = f"UPDATE {table} SET {assign} FROM {self.given(alias, columns)} WHERE {on}"
        return sql, self.bind(columns, rows)

    def delete(self, table: str, columns: Columns, rows: Sequence[Row]) -> Statement:
        """DELETE … USING."""
        sql = f"DELETE FROM {table} USING {self.given('k', columns)} WHERE {self.equal(table, columns)}"
        return sql, self.bind(columns, rows)

    def add(
        self, table: str, columns: Columns, rows: Sequence[Row], key: Sequence[str], amount: str
    ) -> Iterator[Statement]:
        """ON CONFLICT DO UPDATE, in the order of keys."""
        end = f" ON CONFLICT ({', '.join(key)}) DO UPDATE SET {amount} = {table}.{amount} + EXCLUDED.{amount}"
        yield from self.insert(table, columns, summed(columns, rows, key, amount), end)

    def upsert(
        self, table: str, columns: Columns, rows: Sequence[Row], key: Sequence[str]
    ) -> tuple[list[Statement], list[Statement]]:
        """Rows that are there are locked in the order of their keys first: an UPDATE … FROM alone locks in the
        planner's order, and two that write the same rows would deadlock."""
        rows = keyed(columns, rows, key)
        others = [each for each in columns if each not in key]
        updates = []
        if others:
            held = " AND ".join(f"held.{each} = k.{each}" for each in key)
            ordered = ", ".join(f"held.{each}" for each in key)
            locked = (
                f"(SELECT k.* FROM {self.given('k', columns)} JOIN {table} AS held ON {held}"
                f" ORDER BY {ordered} FOR UPDATE OF held) AS k"
            )
            assign = ", ".join(f"{each} = k.{each}" for each in others)
            sql = f"UPDATE {table} SET {assign} FROM {locked} WHERE {self.equal(table, key)}"
            updates = [(sql, self.bind(columns, rows))]
        return updates, list(self.insert_new(table, columns, rows, key))

    def failure(self, error: Exception, what: str, *, opening: bool = False) -> WhereuponError:
        """By SQLSTATE. An error without one is no answer of the server's: the connection is gone, or psycopg can't
        send these values."""
        import psycopg

        state = getattr(error, "sqlstate", None)
        if state is not None:
            return _by_state(state, _first_line(error), what)
        if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
            said = f"{what} can't be reached: {_first_line(error)}."
            return Away(said, hint="Check host, port and network.")
        if isinstance(error, psycopg.DataError | UnicodeError | OverflowError):
            return Refused(f"{what} refuses the data: {_first_line(error)}.", hint="Look at the values.")
        return SetupError(f"{what} can't be asked this: {_first_line(error)}.")


def _by_state(state: str, said: str, what: str) -> WhereuponError:
    if state.startswith(GONE):
        return Away(f"{what} went away: {said}.", hint="It is tried again as soon as the server answers.")
    if state == DISK_FULL:
        return DiskFull(f"{what} has no space left on its disk.", hint="Free some; it goes on by itself.")
    if state.startswith(LATER):
        return Unavailable(f"{what} can't do this now: {said}.", hint="It is tried again.")
    if state.startswith(DATA):
        return Refused(f"{what} refuses the data: {said}.", hint="Look at the values.")
    if state in LOGIN:
        return SetupError(
            f"{what} doesn't accept the login: {said}.", hint="Check the user and the password."
        )
    if state == NO_DATABASE:
        return SetupError(f"{what} doesn't exist.", hint="Create the database, or correct its name.")
    if state == RIGHTS:
        return SetupError(f"{what} refuses for lack of rights: {said}.", hint="Ask its owner to GRANT them.")
    return SetupError(f"{what} can't do what it was asked: {said}.", hint="Check the version of its schema.")


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0].rstrip(".")


def _array(kind: Kind, values: Sequence[Any]) -> str | list[bytes]:
    """An array's text (PostgreSQL manual, 8.15.6); bytes are left to psycopg."""
    if kind == "blob":
        return list(values)
    if kind == "text":
        return "{" + ",".join([_element(each) for each in values]) + "}"
    return "{" + ",".join(map(str, values)).replace("None", "NULL") + "}"


def _element(text: str | None) -> str:
    if text is None:
        return "NULL"
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


@lru_cache(256)
def _given(alias: str, columns: tuple[tuple[str, str], ...]) -> str:
    arrays = ", ".join(f"?::{TYPES[kind]}[]" for _, kind in columns)
    return f"unnest({arrays}) AS {alias}({', '.join(name for name, _ in columns)})"


@lru_cache(1024)
def _numbered(sql: str) -> str:
    numbers = count(1)
    return _MARKS.sub(lambda found: f"${next(numbers)}" if found[0] == "?" else found[0], sql)


# A `?` within a text is none of ours.
_MARKS = re.compile(r"'[^']*'|\?")

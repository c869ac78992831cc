"""SQL Server: OPENJSON as parameter, no MERGE, application locks."""

# Only names of tables and columns, which code wrote, stand in these statements; values are parameters.
# ruff: noqa: S608

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy.dialects.mssql.base import RESERVED_WORDS

from whereupon.connect.dialects.dialect import (
    Columns,
    Dialect,
    Kind,
    Row,
    Statement,
    as_json,
    chunks,
    keyed,
    summed,
    values,
)  # fmt: skip
from whereupon.connect.failures import DiskFull
from whereupon.model.errors import Away, Refused, SetupError, Unavailable, WhereuponError

PARAMETERS = 2_000
"""Parameters of one statement (the server's limit is 2,100)."""
COLLATION = "Latin1_General_100_BIN2"
TYPES = {
    "id": "bigint", "int": "bigint", "float": "float", "text": "nvarchar(max)", "bool": "bit",
}  # fmt: skip
# The server's error numbers (sys.messages), and what Windows (SChannel: SEC_E_…, CERT_E_…) and Linux (OpenSSL: -1) say
# about a certificate or an encryption that can't be had.
LOGIN, NO_DATABASE, RIGHTS = (18456, 18452, 18486, 18487, 18488), (4060, 911), (229, 230, 262)
LATER = (1205, 1222, 3960, 10928, 40501, 49918)
GONE = (233, 6005, 40197, 40613)
DISK_FULL = (1105, 9002, 1101)
TIMED_OUT = ("HYT00", "HYT01")
CERTIFICATE = range(-2_146_900_000, -2_146_700_000)


class SqlServerDialect(Dialect):
    """SQL Server 2016 or later, by pyodbc."""

    name = "sqlserver"

    def given(self, alias: str, columns: Columns) -> str:
        """Rows of a JSON array of arrays."""
        return _given(alias, tuple(columns.items()))

    def bind(self, columns: Columns, rows: Sequence[Row]) -> tuple[Any, ...]:
        """One JSON text."""
        return (as_json(columns, rows),)

    def named(self, name: str) -> str:
        """Reserved words in brackets."""
        return f"[{name}]" if name.lower() in RESERVED_WORDS else name

    def prepared(self, sql: str) -> str:
        """ODBC's own mark is `?`."""
        return sql

    def limited(self, sql: str, most: int) -> str:
        """OFFSET … FETCH."""
        return f"{sql} OFFSET 0 ROWS FETCH NEXT {int(most)} ROWS ONLY"

    def insert(self, table: str, columns: Columns, rows: Sequence[Row]) -> Iterator[Statement]:
        """As many rows a statement as the parameters allow, at most 1,000."""
        begin = f"INSERT INTO {self.named(table)} ({self.listed(columns)}) VALUES "
        for piece in chunks(rows, _rows(columns)):
            marks, parameters = values(piece)
            yield begin + marks, parameters

    def insert_new(
        self, table: str, columns: Columns, rows: Sequence[Row], key: Sequence[str]
    ) -> Iterator[Statement]:
        """WHERE NOT EXISTS under a range lock."""
        for piece in chunks(keyed(columns, rows, key, first=True), _rows(columns)):
            marks, parameters = values(piece)
            yield (
                self._new(table, columns, key, f"(VALUES {marks}) AS k ({self.listed(columns)})"),
                parameters,
            )

    def _new(self, table: str, columns: Columns, key: Sequence[str], rows: str) -> str:
        there, names = self.named(table), self.listed(columns)
        same = " AND ".join(f"x.{self.named(each)} = k.{self.named(each)}" for each in key)
        return (
            f"INSERT INTO {there} ({names}) SELECT {names} FROM {rows}"
            f" WHERE NOT EXISTS (SELECT 1 FROM {there} AS x WITH (UPDLOCK, HOLDLOCK) WHERE {same})"
        )

    def update(
        self, table: str, assign: str, alias: str, columns: Columns, rows: Sequence[Row], on: str
    ) -> Statement:
        """UPDATE … FROM … JOIN."""
        there = self.named(table)
        sql = (
            f"UPDATE {there} SET {assign} FROM {there} WITH (UPDLOCK, HOLDLOCK)"
            f" JOIN {self.given(alias, columns)} ON {on}"
        )
        return sql, self.bind(columns, rows)

    def delete(self, table: str, columns: Columns, rows: Sequence[Row]) -> Statement:
        """DELETE … FROM … JOIN."""
        there = self.named(table)
        on = self.equal(table, columns)
        sql = f"DELETE {there} FROM {there} JOIN {self.given('k', columns)} ON {on}"
        return sql, self.bind(columns, rows)

    def add(
        self, table: str, columns: Columns, rows: Sequence[Row], key: Sequence[str], amount: str
    ) -> Iterator[Statement]:
        """Update what is there, insert what is not."""
        added = summed(columns, rows, key, amount)
        n = self.named(amount)
        assign = f"{n} = {self.named(table)}.{n} + k.{n}"
        yield self.update(table, assign, "k", columns, added, self.equal(table, key))
        yield self._new(table, columns, key, self.given("k", columns)), self.bind(columns, added)

    @staticmethod
    def locking(names: Sequence[str]) -> Iterator[Statement]:
        """Application locks of the transaction, in this order, many in a statement. Each gives one row: the worst of
        what `sp_getapplock` returned, below 0 if one wasn't had."""
        for piece in chunks([(each,) for each in names], LOCKS):
            yield _LOCK_BEGIN + _LOCK * len(piece) + "; SELECT @worst", tuple(name for (name,) in piece)

    def failure(self, error: Exception, what: str, *, opening: bool = False) -> WhereuponError:
        """By the SQLSTATE, which pyodbc puts first, and the server's own number, which it puts behind the message."""
        if isinstance(error, ImportError):
            return SetupError(
                "ODBC isn't installed on this machine.", hint="Install unixODBC and its libodbc."
            )
        if isinstance(error, UnicodeError | OverflowError):
            return Refused(f"{what} refuses the data: {error}.", hint="Look at the values.")
        state, number = str(error.args[0] if error.args else ""), _number(error)
        if opening and (state.startswith("IM") or state == "01000"):
            said = f"{what} needs an ODBC driver that isn't installed."
            return SetupError(said, hint="Install Microsoft's ODBC Driver 18, or name another: ?Driver=….")
        if state == "08001" and (number == -1 or number in CERTIFICATE):
            said = f"{what} shows a certificate that can't be trusted."
            return SetupError(
                said, hint="Use the name that stands in it, or have its authority trusted here."
            )
        if state in TIMED_OUT and not opening:
            return Unavailable(f"{what} didn't answer in time.", hint="It is tried again.")
        for numbers, states, kind, meant, hint in _MEANT:
            if number in numbers or state.startswith(states):
                return kind(f"{what} {meant}.", hint=hint)
        said = f"{what} can't do what it was asked (error {number}, state {state})."
        return SetupError(said, hint="Check the version of its schema.")


LOCKS = 100
_LOCK_BEGIN = "SET NOCOUNT ON; DECLARE @got int; DECLARE @worst int = 0"
_LOCK = (
    "; EXEC @got = sp_getapplock @Resource = ?, @LockMode = 'Exclusive', @LockOwner = 'Transaction'"
    "; SET @worst = CASE WHEN @got < @worst THEN @got ELSE @worst END"
)

_AGAIN = "It is tried again."
_MEANT: tuple[tuple[tuple[int, ...], tuple[str, ...], type[WhereuponError], str, str], ...] = (
    (LOGIN, ("28000",), SetupError, "doesn't accept the login", "Check the user and the password."),
    (NO_DATABASE, ("08004",), SetupError, "doesn't exist", "Create the database, or correct its name."),
    (DISK_FULL, (), DiskFull, "has no space left on its disk", "Free some; it goes on by itself."),
    (LATER, (), Unavailable, "can't do this now", _AGAIN),
    (GONE, ("08", *TIMED_OUT), Away, "can't be reached", "Check host, port, instance and network."),
    (RIGHTS, (), SetupError, "refuses for lack of rights", "Ask its owner to GRANT them."),
    ((), ("22", "23"), Refused, "refuses the data", "Look at the values."),
)


def _number(error: Exception) -> int:
    """The server's error number: `[state] message (number) (function)`."""
    found = re.search(r"\((-?\d+)\) \(SQL\w+\)", str(error.args[1]) if len(error.args) > 1 else "")
    return int(found[1]) if found else 0


def _rows(columns: Columns) -> int:
    return min(1_000, PARAMETERS // len(columns))


@lru_cache(256)
def _given(alias: str, columns: tuple[tuple[str, Kind], ...]) -> str:
    """The columns' collation is set behind the WITH clause, which takes none: without it every comparison with a
    column of ours would be a conflict of collations."""
    named = SqlServerDialect().named
    typed = ", ".join(
        f"{named(name)} {TYPES[kind]} '$[{place}]'" for place, (name, kind) in enumerate(columns)
    )
    if "text" not in {kind for _, kind in columns}:
        return f"OPENJSON(?) WITH ({typed}) AS {alias}"
    chosen = ", ".join(
        f"{named(name)} COLLATE {COLLATION} AS {named(name)}" if kind == "text" else named(name)
        for name, kind in columns
    )
    return f"(SELECT {chosen} FROM OPENJSON(?) WITH ({typed})) AS {alias}"

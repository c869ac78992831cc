"""People in a table of any database with an ODBC driver: read where they are, and never written."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from whereupon.kit.people import Found, Pages, as_person, key_like, plain
from whereupon.model.conditions import Known, Names, compiled
from whereupon.model.errors import Away, SetupError, Unavailable, WhereuponError
from whereupon.model.findings import near
from whereupon.model.setup import DataTable
from whereupon.model.tree import Condition

if TYPE_CHECKING:
    import pyodbc

TIMEOUT = 600
"""Seconds that one query may take."""
TOP = ("Microsoft SQL Server", "ACCESS")
LIMIT = ("MySQL", "MariaDB", "SQLite")
GONE = ("08", "HYT00", "HYT01", "57P")
"""SQLSTATEs, or their beginnings, that say that the other side is away."""


class OdbcPeople:
    """A table or view behind an ODBC driver; see kit.people.Source. `at` (UTC ms) is what *today* means.

    Conditions are asked here, row by row, because no two servers write them alike. All names in statements are quoted
    and stand in the server's own catalogue.
    """

    def __init__(self, table: DataTable, connection: str, *, zone: ZoneInfo, at: int) -> None:
        self._table = table
        self._string = connection
        self._zone, self._at = zone, at
        self._open: pyodbc.Connection | None = None
        self._compiled: tuple[Condition, Callable[[Known], bool]] | None = None
        # Who ended the last page, and how far the table was read for it.
        self._further = ("", "")
        self._pages = Pages(self._key_of)

    def page(self, where: Condition | None, *, after: str, most: int) -> list[Found]:
        """See kit.people.Source."""
        place = self._further[1] if self._further[0] == after else after
        while read := self._pages.next(self._read, place, most):
            place = read[-1].person
            found = [each for each in read if where is None or self._holds(where, each)]
            if found:
                self._further = (found[-1].person, place)
                return found
        return []

    def count(self, where: Condition | None) -> int:
        """See kit.people.Source."""
        if where is None:
            return int(self._asked(f"SELECT COUNT(*) FROM {self._place} WHERE {self._key} IS NOT NULL")[0][0])  # noqa: S608
        asked = f"SELECT {self._listed} FROM {self._place} WHERE {self._key} IS NOT NULL"  # noqa: S608
        with self._meaning():
            rows = self._connection.execute(asked)
            return sum(self._holds(where, self._found(row)) for row in rows)

    def close(self) -> None:
        """See kit.people.Source."""
        connection, self._open = self._open, None
        if connection is not None:
            with self._meaning():
                connection.close()

    # -- inside ------------------------------------------------------------------------------------------------

    def _read(self, key: object | None, most: int) -> list[Found]:
        begin = f"{self._key} IS NOT NULL" if key is None else f"{self._key} >= ?"
        rest = f"{self._listed} FROM {self._place} WHERE {begin} ORDER BY {self._key}"
        if self._server in TOP:
            sql = f"SELECT TOP {int(most)} {rest}"
        elif self._server in LIMIT:
            sql = f"SELECT {rest} LIMIT {int(most)}"
        else:
            sql = f"SELECT {rest} FETCH FIRST {int(most)} ROWS ONLY"
        return [self._found(row) for row in self._asked(sql, *(() if key is None else (key,)))]

    def _found(self, row: Sequence[Any]) -> Found:
        names = (each.name for each in self._table.variables)
        return Found(as_person(row[0]), row[0], dict(zip(names, map(plain, row[1:]), strict=True)))

    def _holds(self, where: Condition, found: Found) -> bool:
        return self._condition(where)(Known({}, {}, found.values, self._at, self._zone))

    def _condition(self, where: Condition) -> Callable[[Known], bool]:
        if self._compiled is None or self._compiled[0] is not where:
            self._compiled = (where, compiled(where, Names(table=self._table)))
        return self._compiled[1]

    def _key_of(self, person: str) -> object | None:
        key = key_like(person, self._described(self._key)[0][1])
        if key is None:
            return None
        found = self._asked(f"SELECT {self._key} FROM {self._place} WHERE {self._key} = ?", key)  # noqa: S608
        return found[0][0] if found else None

    def _described(self, columns: str) -> Sequence[Any]:
        """Name and Python type of columns, without a row."""
        nothing = f"SELECT {columns} FROM {self._place} WHERE 1 = 0"  # noqa: S608
        with self._meaning():
            return list(self._connection.execute(nothing).description)

    def _asked(self, sql: str, *parameters: object) -> list[Any]:
        with self._meaning():
            return list(self._connection.execute(sql, *parameters).fetchall())

    # -- names, as the server knows them -----------------------------------------------------------------------

    @cached_property
    def _place(self) -> str:
        written = self._table.table
        schema, _, name = written.rpartition(".")
        with self._meaning():
            there = [(row[1] or "", row[2]) for row in self._connection.cursor().tables()]
        for place, called in there:
            if (called == name and schema in ("", place)) or called == written:
                return self._quoted(*((place, called) if schema and place else (called,)))
        meant = near(name, [called for _, called in there])
        raise SetupError(
            f"The ODBC source has no table {written}.",
            hint=f"Did you mean {meant}?"
            if meant
            else "Check its name, its schema, and the right to read it.",
        )

    @cached_property
    def _columns(self) -> dict[str, str]:
        """Variable → quoted column, of the table as the server describes it."""
        there = [each[0] for each in self._described("*")]
        for each in self._table.variables:
            if each.column not in there:
                meant = near(each.column, there)
                raise SetupError(
                    f"{self._table.table} has no column {each.column} (variable {each.name}).",
                    hint=f"Did you mean {meant}?" if meant else f"It has {', '.join(there)}.",
                )
        return {each.name: self._quoted(each.column) for each in self._table.variables}

    @cached_property
    def _key(self) -> str:
        return self._columns[self._table.key]

    @cached_property
    def _listed(self) -> str:
        return ", ".join([self._key, *self._columns.values()])

    @cached_property
    def _server(self) -> str:
        import pyodbc

        with self._meaning():
            return str(self._connection.getinfo(pyodbc.SQL_DBMS_NAME))

    def _quoted(self, *names: str) -> str:
        import pyodbc

        with self._meaning():
            mark = str(self._connection.getinfo(pyodbc.SQL_IDENTIFIER_QUOTE_CHAR)).strip()
        if not mark:
            raise SetupError("The ODBC driver can't quote names.", hint="Use another driver for this table.")
        return ".".join(f"{mark}{name.replace(mark, mark * 2)}{mark}" for name in names)

    # -- the connection ----------------------------------------------------------------------------------------

    @property
    def _connection(self) -> pyodbc.Connection:
        if self._open is None:
            import pyodbc

            # Of a driver that can't be told to only read, only our own statements keep the table as it is.
            self._open = pyodbc.connect(self._string, autocommit=True, readonly=True, timeout=10)
            with contextlib.suppress(pyodbc.Error):  # not every driver can limit a query
                self._open.timeout = TIMEOUT
        return self._open

    @contextmanager
    def _meaning(self) -> Iterator[None]:
        try:
            yield
        except WhereuponError:
            raise
        except ImportError as error:
            raise SetupError(
                f"ODBC can't be used here: {error}.",
                hint="Install the system's ODBC driver manager (unixODBC).",
            ) from error
        except Exception as error:
            self._open = None if _gone(error) else self._open
            raise _meant(error) from error


def _gone(error: Exception) -> bool:
    return str(error.args[0] if error.args else "").startswith(GONE)


def _meant(error: Exception) -> WhereuponError:
    state = str(error.args[0]) if error.args else ""
    # A driver may repeat the connection string with its password in its message: only the server's own words are said.
    said = str(error.args[1]).rpartition("]")[2].partition("(")[0].strip(" ;.") if len(error.args) > 1 else ""
    if state in ("IM002", "01000"):
        return SetupError(
            "The ODBC driver that the table's connection names isn't installed.",
            hint="Install it, or correct the name behind Driver=.",
        )
    if state.startswith("28"):
        return SetupError(
            "The ODBC source doesn't accept the login.", hint="Check the user and the password."
        )
    if _gone(error):
        return Away(
            f"The ODBC source can't be reached: {said}.", hint="Check server, port, network and login."
        )
    if state.startswith("40"):
        return Unavailable("The ODBC source is too busy now.", hint="Try again.")
    return SetupError(
        f"The ODBC source can't do what it was asked ({state}): {said}.", hint="Check the table."
    )

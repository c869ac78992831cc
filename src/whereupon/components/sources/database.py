"""People in a table of another database, by connection string: read where they are, and never written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy
from sqlalchemy import Column, ColumnElement, Connection, MetaData, Select, Table, func, inspect, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from whereupon.connect.databases import database
from whereupon.connect.servers import sqlite_connection
from whereupon.connect.where import where as as_sql
from whereupon.kit.people import Found, Pages, as_person, key_like, plain
from whereupon.model.errors import SetupError
from whereupon.model.findings import near
from whereupon.model.setup import DataTable
from whereupon.model.tree import Condition


class DatabasePeople:
    """A table or view on SQLite, PostgreSQL or SQL Server; see kit.people.Source. `at` (UTC ms) is *today*."""

    def __init__(self, table: DataTable, connection: str, *, folder: Path, zone: ZoneInfo, at: int) -> None:
        self._table = table
        self._zone, self._at = zone, at
        self._database = database(connection, folder=folder)
        self._engine = self._made_engine()
        self._pages = Pages(self._key_of)

    def page(self, where: Condition | None, *, after: str, most: int) -> list[Found]:
        """See kit.people.Source."""

        def read(key: object | None, most: int) -> list[Found]:
            asked = self._asked(where).order_by(self._key).limit(most)
            if key is not None:
                asked = asked.where(self._key >= key)
            with self._reading() as connection:
                return [self._found(each) for each in connection.execute(asked).mappings()]

        return self._pages.next(read, after, most)

    def count(self, where: Condition | None) -> int:
        """See kit.people.Source."""
        with self._reading() as connection:
            asked = select(func.count()).select_from(self._asked(where).subquery())
            return int(connection.execute(asked).scalar_one())

    def close(self) -> None:
        """See kit.people.Source."""
        self._engine.dispose()
        self._database.close()

    # -- inside ------------------------------------------------------------------------------------------------

    def _asked(self, where: Condition | None) -> Select[Any]:
        columns = [column.label(f"v{place}") for place, column in enumerate(self._columns.values())]
        asked = select(self._key.label("k"), *columns).where(self._key.is_not(None))
        return asked if where is None else asked.where(self._condition(where))

    def _condition(self, where: Condition) -> ColumnElement[bool]:
        types = {each.name: each.type for each in self._table.variables}
        columns = {name: (column, types[name]) for name, column in self._columns.items()}
        return as_sql(where, columns, at=self._at, zone=self._zone, dialect=self._engine.dialect.name)

    def _found(self, row: Mapping[Any, Any]) -> Found:
        values = {name: plain(row[f"v{place}"]) for place, name in enumerate(self._columns)}
        return Found(as_person(row["k"]), row["k"], values)

    def _key_of(self, person: str) -> object | None:
        try:
            kind = self._key.type.python_type
        except NotImplementedError:
            return None
        key = key_like(person, kind)
        if key is None:
            return None
        with self._reading() as connection:
            return connection.execute(select(self._key).where(self._key == key).limit(1)).scalar()

    @cached_property
    def _key(self) -> Column[Any]:
        return self._columns[self._table.key]

    @cached_property
    def _columns(self) -> dict[str, Column[Any]]:
        """Variable → column, of the table as the server describes it."""
        with self._reading() as connection:
            schema, name = self._place(connection)
            there = Table(name, MetaData(), schema=schema, autoload_with=connection, resolve_fks=False)
        columns = {}
        for each in self._table.variables:
            if each.column not in there.c:
                meant = near(each.column, list(there.c.keys()))
                raise SetupError(
                    f"{self._table.table} has no column {each.column} (variable {each.name}).",
                    hint=f"Did you mean {meant}?" if meant else f"It has {', '.join(there.c.keys())}.",
                )
            columns[each.name] = there.c[each.column]
        return columns

    def _place(self, connection: Connection) -> tuple[str | None, str]:
        """Schema and name of the table or view, as the server lists them."""
        catalogue = inspect(connection)
        written = self._table.table
        schema, _, name = written.rpartition(".")
        known: list[str] = []
        for place, called in (((schema or None), name), (None, written)):
            if place is not None and place not in catalogue.get_schema_names():
                continue
            names = [*catalogue.get_table_names(place), *catalogue.get_view_names(place)]
            if called in names:
                return place, called
            known += names
        meant = near(name, known)
        raise SetupError(
            f"{self._database.words} has no table {written}.",
            hint=f"Did you mean {meant}?"
            if meant
            else "Check its name, its schema, and the right to read it.",
        )

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        options = {"postgresql_readonly": True} if self._engine.dialect.name == "postgresql" else {}
        try:
            with self._engine.connect().execution_options(**options) as connection:
                yield connection
        except DBAPIError as error:
            cause = error.orig if isinstance(error.orig, Exception) else error
            raise self._database.dialect.failure(cause, self._database.words) from error
        except Exception as error:
            # Connections are made by a creator of ours, whose errors SQLAlchemy passes on as they are.
            if not type(error).__module__.startswith(("psycopg", "pyodbc", "sqlite3")):
                raise
            raise self._database.dialect.failure(error, self._database.words) from error

    def _made_engine(self) -> sqlalchemy.Engine:
        path = self._database.path
        if path is None:
            return self._database.engine
        if not path.is_file():
            raise SetupError(f"There is no file {path}.", hint="Check the connection of the table.")
        return sqlalchemy.create_engine(
            "sqlite://",
            creator=lambda: sqlite_connection(path, timeout=10.0, write=False),
            poolclass=NullPool,
        )

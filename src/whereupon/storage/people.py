"""People: one typed table for each data table, filled from a file, asked by conditions and by their keys."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Date,
    DateTime,
    Index,
    MetaData,
    Table,
    func,
    select,
    true,
)
from sqlalchemy.dialects.mssql import DATETIME2
from sqlalchemy.types import TypeEngine

from whereupon.connect.databases import Database
from whereupon.connect.types import Body, Flag, Id, Key, Number
from whereupon.connect.where import where
from whereupon.host.clock import Clock
from whereupon.kit.people import People, Row
from whereupon.model.contacts import KeyKind, comparable
from whereupon.model.errors import SetupError
from whereupon.model.setup import DataTable, Setup, VariableType
from whereupon.model.tree import Condition
from whereupon.storage.engines import reading
from whereupon.storage.system_tables import SYSTEM

__all__ = [
    "ImportedPeople",
    "People",
    "Row",
    "ambiguous",
    "count",
    "described",
    "find",
    "physical",
    "rows",
    "shape",
]

CONTACT, PERSON = "wu_contact", "wu_person"
KEYS: Mapping[KeyKind, str] = {"external_id": "wu_external_id", "email": "wu_email", "phone": "wu_phone"}
LONGEST = 320
"""Characters of a key that is indexed: the longest e-mail address."""
_PART, _IMPORTS = SYSTEM.tables["part"], SYSTEM.tables["imports"]
_TYPES: Mapping[VariableType, Any] = {
    "text": Body,
    "number": Number,
    "date": Date,
    "datetime": lambda: DateTime().with_variant(DATETIME2(), "mssql"),  # type: ignore[no-untyped-call]
    "boolean": Flag,
}


class ImportedPeople:
    """A data table that was imported into the system database. `at` (UTC ms) is what *today* means; default now."""

    def __init__(self, database: Database, table: DataTable, setup: Setup, *, at: int | None = None) -> None:
        self._database, self._table, self._setup, self._at = database, table, setup, at

    def rows(self, where: Condition | None, *, after: int, most: int) -> list[Row]:
        """See People."""
        return rows(self._database, self._table, self._setup, where, after, most, at=self._at)

    def count(self, where: Condition | None) -> int:
        """See People."""
        return count(self._database, self._table, self._setup, where, at=self._at)


# -- reading -------------------------------------------------------------------------------------------------------


def rows(
    database: Database,
    table: DataTable,
    setup: Setup,
    where: Condition | None,
    after: int,
    most: int,
    *,
    at: int | None = None,
) -> list[Row]:
    """Up to `most` people whom the condition holds for, in the order of contact IDs, after that one (0 = all).

    Raises SetupError where the table was never imported or the condition can't be asked.
    """
    with reading(database) as connection:
        there = _there(connection, table)
        found = _asked(there, table, setup, where, database, at)
        statement = (
            select(there).where(found, there.c[CONTACT] > after).order_by(there.c[CONTACT]).limit(most)
        )
        return [_row(table, row) for row in connection.execute(statement).mappings()]


def count(
    database: Database, table: DataTable, setup: Setup, where: Condition | None, *, at: int | None = None
) -> int:
    """How many people the condition holds for."""
    with reading(database) as connection:
        there = _there(connection, table)
        found = _asked(there, table, setup, where, database, at)
        return connection.execute(select(func.count()).select_from(there).where(found)).scalar_one()


def find(database: Database, table: DataTable, kind: KeyKind, key: str, *, region: str = "") -> list[Row]:
    """The people whom a key fits: e-mail without case, phone in E.164 (`region` for national numbers), all trimmed."""
    with reading(database) as connection:
        there = _there(connection, table)
        wanted = comparable(kind, key, region=region)[:LONGEST]
        if not wanted or KEYS[kind] not in there.c:
            return []
        statement = select(there).where(there.c[KEYS[kind]] == wanted).order_by(there.c[CONTACT])
        return [_row(table, row) for row in connection.execute(statement).mappings()]


def ambiguous(database: Database, table: DataTable, kind: KeyKind) -> dict[str, tuple[int, ...]]:
    """Keys that fit several contacts, each with those contacts."""
    with reading(database) as connection:
        there = _there(connection, table)
        return ambiguous_in(connection, there, kind)


def ambiguous_in(connection: Connection, there: Table, kind: KeyKind) -> dict[str, tuple[int, ...]]:
    """The same, asked of a table by an open connection."""
    if KEYS[kind] not in there.c:
        return {}
    key, contact = there.c[KEYS[kind]], there.c[CONTACT]
    several = select(key).where(key.is_not(None)).group_by(key).having(func.count() > 1)
    found: dict[str, tuple[int, ...]] = {}
    for value, number in connection.execute(
        select(key, contact).where(key.in_(several)).order_by(key, contact)
    ):
        found[value] = (*found.get(value, ()), number)
    return found


def _asked(
    there: Table,
    table: DataTable,
    setup: Setup,
    condition: Condition | None,
    database: Database,
    at: int | None,
) -> ColumnElement[bool]:
    if condition is None:
        return true()
    columns = {each.name: (there.c[physical(each.name)], each.type) for each in table.variables}
    return where(
        condition,
        columns,
        at=Clock().now() if at is None else at,
        zone=ZoneInfo(setup.system.time_zone),
        dialect=database.engine.dialect.name,
    )


def _row(table: DataTable, row: Mapping[Any, Any]) -> Row:
    values = {each.name: row[physical(each.name)] for each in table.variables}
    return Row(row[CONTACT], row[PERSON], values)


def _there(connection: Connection, table: DataTable) -> Table:
    number = connection.execute(
        select(_PART.c.id).where(_PART.c.role == "table", _PART.c.name == table.name)
    ).scalar()
    made = (
        None
        if number is None
        else connection.execute(select(_IMPORTS.c.shape).where(_IMPORTS.c.part == number)).scalar()
    )
    if number is None or made is None:
        raise SetupError(
            f"The table {table.name} has no people yet.", hint="Apply the set-up file that names its file."
        )
    if made != shape(table):
        raise SetupError(
            f"The table {table.name} was imported with other variables.", hint="Apply its file again."
        )
    return described(table, number)


# -- the table -----------------------------------------------------------------------------------------------------


def described(table: DataTable, number: int, *, suffix: str = "") -> Table:
    """The SQL table of a data table: contact ID, key, the keys that people are found by, and its variables."""
    marks = table.contact.model_dump() if table.contact is not None else {}
    keys = [Column(KEYS[kind], Key(LONGEST), nullable=True) for kind in KEYS if marks.get(kind)]
    name = f"people_{number}{suffix}"
    return Table(
        name,
        MetaData(),
        Column(CONTACT, Id(), primary_key=True, autoincrement=False),
        Column(PERSON, Key(), nullable=False, unique=True),
        *keys,
        *(Column(physical(each.name), _type(each.type), nullable=True) for each in table.variables),
        *(Index(f"{each.name}_{secrets.token_hex(4)}", each.name) for each in keys),
    )


def _type(type: VariableType) -> TypeEngine[Any]:
    made: TypeEngine[Any] = _TYPES[type]()
    return made


@lru_cache(1024)
def physical(variable: str) -> str:
    """The SQL column of a variable, as every server takes it: short, lower case, one for each name, never ours."""
    readable = re.sub(r"[^a-z0-9]+", "_", variable.lower()).strip("_")[:40]
    return f"v_{readable}_{hashlib.sha256(variable.encode()).hexdigest()[:8]}"


def shape(table: DataTable) -> str:
    """A checksum that changes when an import would give another table."""
    variables = [(each.name, each.column, each.type) for each in table.variables]
    marks = table.contact.model_dump() if table.contact is not None else {}
    return hashlib.sha256(json.dumps([table.key, variables, marks]).encode()).hexdigest()

"""Imports of people: a file put in place of what was imported before, with contact IDs that last."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import Connection, MetaData, Table, delete, func, insert, select

from whereupon.connect.databases import Database
from whereupon.host.clock import Clock
from whereupon.model.contacts import KeyKind, comparable
from whereupon.model.errors import Locked
from whereupon.model.setup import DataTable
from whereupon.storage.engines import reading, writing
from whereupon.storage.people import CONTACT, KEYS, LONGEST, PERSON, ambiguous_in, described, physical, shape
from whereupon.storage.people_files import Person, Rejected, people
from whereupon.storage.system_tables import SYSTEM

CHUNK = 5_000
"""Rows of one transaction of an import."""
SAID = 1_000
"""Rejected rows that a report names; the others are counted."""
_CONTACT, _IMPORTS = SYSTEM.tables["contact"], SYSTEM.tables["imports"]


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did: rows taken, rows left out, and what a person should know of them."""

    taken: int
    rejected: int
    said: tuple[str, ...]


def imports(database: Database) -> dict[int, tuple[str, str]]:
    """Table number → checksum and shape of its last import."""
    with reading(database) as connection:
        found = connection.execute(select(_IMPORTS.c.part, _IMPORTS.c.checksum, _IMPORTS.c.shape))
        return {part: (checksum, made) for part, checksum, made in found}


def import_file(
    database: Database,
    table: DataTable,
    number: int,
    path: Path,
    *,
    zone: ZoneInfo,
    checksum: str,
    clock: Clock,
) -> Imported:
    """Import a file in place of what was imported before; contact IDs stay with their keys.

    The rows that can be used go in. Readers see the old rows until the new ones all stand. Of rows with the same key
    the first counts.
    """
    with _alone(database, table, number):
        new = described(table, number, suffix="_new")
        with writing(database) as connection:
            new.drop(connection, checkfirst=True)
            new.create(connection)
        report = _Report()
        read = people(path, table, zone)
        while chunk := list(islice(read, CHUNK)):
            good = report.good(chunk)
            with writing(database) as connection:
                _add(connection, new, table, number, good)
        with writing(database) as connection:
            _put_in_place(connection, new, number)
            doubtful = _doubtful(connection, described(table, number))
            counts = (report.taken, report.rejected, clock.now())
            _note(connection, number, (str(path), checksum, shape(table), *counts))
    return Imported(report.taken, report.rejected, (*report.lines(), *doubtful))


@contextmanager
def _alone(database: Database, table: DataTable, number: int) -> Iterator[None]:
    session = database.session()
    try:
        if not session.try_lock(f"whereupon people {number}"):
            raise Locked(
                f"{table.name} is being imported by somebody else.", hint="Try again when that has ended."
            )
        yield
    finally:
        session.close()


class _Report:
    """What becomes of the rows of one import."""

    def __init__(self) -> None:
        self.taken = 0
        self.rejected = 0
        self._said: list[str] = []
        self._seen: dict[str, int] = {}

    def good(self, read: Sequence[Person | Rejected]) -> list[Person]:
        """The rows that go in; the others are noted."""
        found = [each for each in read if isinstance(each, Person) and self._first(each)]
        self.taken += len(found)
        for each in read:
            if isinstance(each, Rejected):
                self._out(str(each))
        return found

    def lines(self) -> list[str]:
        """The rows that were left out, at most 1,000 of them by name."""
        more = self.rejected - len(self._said)
        return self._said + ([f"{more:,} more rows were left out"] if more else [])

    def _first(self, each: Person) -> bool:
        first = self._seen.setdefault(each.key, each.number)
        if first != each.number:
            self._out(
                f"row {each.number}: the key {each.key} stands in row {first} already, and that one counts"
            )
        return first == each.number

    def _out(self, line: str) -> None:
        self.rejected += 1
        if len(self._said) < SAID:
            self._said.append(line)


def _add(connection: Connection, new: Table, table: DataTable, number: int, read: Sequence[Person]) -> None:
    if not read:
        return
    contacts = _contacts(connection, number, [each.key for each in read])
    names = [physical(each.name) for each in table.variables]
    keys = list(_keys(table))
    rows = [
        {
            CONTACT: contacts[each.key],
            PERSON: each.key,
            **{KEYS[kind]: _comparable(kind, each.values[place]) for kind, place in keys},
            **dict(zip(names, each.values, strict=True)),
        }
        for each in read
    ]
    connection.execute(insert(new), rows)


def _keys(table: DataTable) -> Iterator[tuple[KeyKind, int]]:
    marks = table.contact.model_dump() if table.contact is not None else {}
    places = {each.name: place for place, each in enumerate(table.variables)}
    yield from ((kind, places[marks[kind]]) for kind in KEYS if marks.get(kind))


def _comparable(kind: KeyKind, value: object) -> str | None:
    return comparable(kind, str(value))[:LONGEST] or None if value is not None else None


def _contacts(connection: Connection, number: int, keys: Sequence[str]) -> dict[str, int]:
    """The contact IDs of keys; new keys get the next ones."""
    found: dict[str, int] = {}
    for begin in range(0, len(keys), 1_000):  # SQL Server takes 2,100 parameters
        some = keys[begin : begin + 1_000]
        asked = select(_CONTACT.c.person, _CONTACT.c.id).where(
            _CONTACT.c.part == number, _CONTACT.c.person.in_(some)
        )
        found |= {row.person: row.id for row in connection.execute(asked)}
    highest = (
        connection.execute(select(func.max(_CONTACT.c.id)).where(_CONTACT.c.part == number)).scalar() or 0
    )
    new = [key for key in keys if key not in found]
    made = {key: contact for contact, key in enumerate(new, highest + 1)}
    if made:
        rows = [{"part": number, "person": key, "id": contact} for key, contact in made.items()]
        connection.execute(insert(_CONTACT), rows)
    return found | made


def _put_in_place(connection: Connection, new: Table, number: int) -> None:
    name = f"people_{number}"
    Table(name, MetaData()).drop(connection, checkfirst=True)
    Operations(MigrationContext.configure(connection)).rename_table(new.name, name)


def _doubtful(connection: Connection, there: Table) -> list[str]:
    said = []
    for kind in KEYS:
        found = ambiguous_in(connection, there, kind)
        for key, contacts in list(found.items())[:20]:
            said.append(
                f"the {kind.replace('_', ' ')} {key} fits {len(contacts)} contacts: {', '.join(map(str, contacts))}"
            )
        if len(found) > 20:
            said.append(f"{len(found) - 20:,} more keys of this kind fit several contacts")
    return said


def _note(connection: Connection, number: int, values: tuple[Any, ...]) -> None:
    connection.execute(delete(_IMPORTS).where(_IMPORTS.c.part == number))
    names = ("path", "checksum", "shape", "taken", "rejected", "at")
    connection.execute(insert(_IMPORTS).values(part=number, **dict(zip(names, values, strict=True))))

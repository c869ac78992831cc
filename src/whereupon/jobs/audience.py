"""The audience of a table campaign: people that were imported, or that are read where they are."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from zoneinfo import ZoneInfo

from whereupon.components.sources.database import DatabasePeople
from whereupon.components.sources.odbc import OdbcPeople
from whereupon.engine.assembly import Workshop
from whereupon.kit.people import People, Row, Source
from whereupon.model.decoding import LONGEST_PERSON
from whereupon.model.errors import SetupError
from whereupon.model.running import Published, Running
from whereupon.model.setup import DataTable
from whereupon.model.tree import Condition
from whereupon.storage.contacts import Contacts
from whereupon.storage.people import ImportedPeople
from whereupon.storage.vault import resolved


@contextmanager
def audience(shop: Workshop, running: Running, published: Published, *, at: int) -> Iterator[People]:
    """The people of a campaign's table; `at` (UTC ms) is what *today* means. Raises SetupError or Away."""
    name = published.campaign.audience.table
    table = running.setup.table(name)
    if table is None:
        raise SetupError(
            f"The campaign's table {name} isn't there any more.", hint="Choose another audience, and publish."
        )
    if not table.connection:
        yield ImportedPeople(shop.databases.system, table, running.setup, at=at)
        return
    source = connected(shop, table, zone=ZoneInfo(running.setup.system.time_zone), at=at)
    contacts = Contacts(shop.databases.system, running.ids["table", name])
    try:
        yield ConnectedPeople(source, contacts)
    finally:
        contacts.close()
        source.close()


def connected(shop: Workshop, table: DataTable, *, zone: ZoneInfo, at: int) -> Source:
    """A table that is read where it is: by a connection string like those of the databases, or by an ODBC one."""
    settings, secrets = resolved(
        {"connection": table.connection}, shop.vault, where=f"the table {table.name}"
    )
    for each in secrets:
        shop.redactor.add(each)
    connection = str(settings["connection"])
    if "://" in connection:
        return DatabasePeople(table, connection, folder=shop.system.path, zone=zone, at=at)
    return OdbcPeople(table, connection, zone=zone, at=at)


class ConnectedPeople:
    """People of somebody else's table, in the order of their keys, with contact IDs of ours."""

    def __init__(self, source: Source, contacts: Contacts) -> None:
        self._source, self._contacts = source, contacts
        self._last = (0, "")

    def rows(self, where: Condition | None, *, after: int, most: int) -> list[Row]:
        """See kit.people.People; people who came in meanwhile have a higher ID, and stand where their key does."""
        begin = self._last[1] if self._last[0] == after else self._contacts.person(after)
        found = self._source.page(where, after=begin, most=most)
        contacts = self._contacts.of([_kept(each.person) for each in found])
        rows = [Row(contacts[_kept(each.person)], each.person, each.values) for each in found]
        if rows:
            self._last = (rows[-1].contact, rows[-1].person)
        return rows

    def count(self, where: Condition | None) -> int:
        """See kit.people.People."""
        return self._source.count(where)


def _kept(person: str) -> str:
    """The key as the contacts know it: itself, or the checksum of one that no journal could take."""
    return person if usable(person) else hashlib.sha256(person.encode("utf-8", "replace")).hexdigest()


def usable(person: str) -> bool:
    """Whether a key can be a person's (line.md, *Identity*)."""
    return 0 < len(person) <= LONGEST_PERSON and "\0" not in person

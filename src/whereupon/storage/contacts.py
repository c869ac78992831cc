"""Lasting contact IDs of people whose table is read where it is."""

from __future__ import annotations

from collections.abc import Sequence

from whereupon.connect.databases import Database
from whereupon.connect.session import Columns, Session, number_of
from whereupon.storage.turns import Turns, writers

CONTACT: Columns = {"part": "id", "person": "text", "id": "id"}
PERSON: Columns = {"person": "text"}


class Contacts:
    """The contact IDs of one data table (`part` is its lasting number); a key that comes again has the same."""

    def __init__(self, database: Database, part: int) -> None:
        self._turns = Turns(database, writers=writers(database))
        self._part = part

    def close(self) -> None:
        """Close the connection; a second call does nothing."""
        self._turns.close()

    def of(self, persons: Sequence[str]) -> dict[str, int]:
        """The contact ID of each person; new ones get the next."""
        with self._turns.session() as session:
            known = self._known(session, persons)
        if all(each in known for each in persons):
            return known
        with self._turns.transaction() as session:
            session.lock_rows([number_of(f"contacts {self._part}")])
            known = self._known(session, persons)
            new = [each for each in dict.fromkeys(persons) if each not in known]
            row = session.one("SELECT COALESCE(MAX(id), 0) FROM contact WHERE part = ?", (self._part,))
            highest = int(row[0]) if row else 0
            made = {person: number for number, person in enumerate(new, highest + 1)}
            rows = [(self._part, person, number) for person, number in made.items()]
            session.insert("contact", CONTACT, rows)
        return known | made

    def person(self, contact: int) -> str:
        """Whose contact ID this is; nothing if it is nobody's."""
        with self._turns.session() as session:
            row = session.one("SELECT person FROM contact WHERE part = ? AND id = ?", (self._part, contact))
        return str(row[0]) if row else ""

    def _known(self, session: Session, persons: Sequence[str]) -> dict[str, int]:
        rows = session.all(
            f"SELECT k.person, c.id FROM {session.given('k', PERSON)}"  # noqa: S608
            " JOIN contact c ON c.person = k.person AND c.part = ?",
            (*session.bind(PERSON, [(each,) for each in sorted(set(persons))]), self._part),
        )
        return dict(rows)

"""Who runs, what is paused or held, and what people ask of a running service."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from whereupon.connect.databases import Database
from whereupon.connect.session import Columns, number_of
from whereupon.storage.turns import Turns, writers

LEASE: Columns = {
    "owner": "id",
    "folder": "text",
    "host": "text",
    "renewed": "id",
    "running": "bool",
    "status": "text",
}
HOLD: Columns = {"role": "text", "part": "id", "kind": "text", "reason": "text", "author": "text", "at": "id"}
REQUEST: Columns = {
    "id": "id",
    "owner": "id",
    "name": "text",
    "words": "text",
    "author": "text",
    "asked": "id",
}
LOST = 60_000
"""Milliseconds without renewal after which a lease is lost (line.md, *More than one service*)."""


class Hold(NamedTuple):
    """A campaign, stream or channel that a person paused, or that the service holds until a person acts."""

    role: str
    part: int
    kind: str
    reason: str
    author: str
    at: int


class Request(NamedTuple):
    """Something asked of a running service."""

    id: int
    name: str
    words: dict[str, Any]
    author: str


class Lease(NamedTuple):
    """A service that runs or ran on these databases; `renewed` is the database's time, UTC ms."""

    owner: int
    folder: str
    host: str
    renewed: int
    running: bool
    status: dict[str, Any]


class Operations:
    """The small tables of the Streams database; any process may use them, with the service running or not."""

    def __init__(self, database: Database) -> None:
        self._turns = Turns(database, writers=writers(database))
        self.leased = database.dialect.name != "sqlite"

    def close(self) -> None:
        """Close the connection; a second call does nothing."""
        self._turns.close()

    # -- leases ------------------------------------------------------------------------------------------------

    def enrol(self, folder: str, host: str) -> int:
        """The lasting number of this folder's service."""
        with self._turns.transaction() as session:
            session.lock_rows([number_of("lease")])
            row = session.one("SELECT owner FROM lease WHERE folder = ?", (folder,))
            if row is not None:
                return int(row[0])
            highest = session.one("SELECT MAX(owner) FROM lease")
            owner = (highest[0] if highest and highest[0] else 0) + 1
            session.insert("lease", LEASE, [(owner, folder, host, 0, False, "{}")])
        return int(owner)

    def renew(self, owner: int, *, status: Mapping[str, Any], running: bool = True) -> int:
        """Renew the lease and leave the status; returns the database's time (UTC ms)."""
        with self._turns.transaction() as session:
            now = session.now()
            session.run(
                "UPDATE lease SET renewed = ?, running = ?, status = ? WHERE owner = ?",
                (now, running, msgspec.json.encode(status).decode(), owner),
            )
        return now

    def leases(self) -> list[Lease]:
        """All services that ever ran here."""
        with self._turns.session() as session:
            rows = session.all(
                "SELECT owner, folder, host, renewed, running, status FROM lease ORDER BY owner"
            )
        return [
            Lease(owner, folder, host, renewed, bool(running), msgspec.json.decode(status))
            for owner, folder, host, renewed, running, status in rows
        ]

    def lost(self, owner: int) -> list[int]:
        """Other owners whose service is gone: their rows can be taken over. Never any on SQLite, which has one."""
        if not self.leased:
            return []
        with self._turns.session() as session:
            now = session.now()
            rows = session.all(
                "SELECT owner, renewed FROM lease WHERE owner <> ? AND running = ?", (owner, True)
            )
        return [row[0] for row in rows if now - row[1] > LOST]

    # -- pauses and holds --------------------------------------------------------------------------------------

    def holds(self) -> list[Hold]:
        """What is paused or held now."""
        with self._turns.session() as session:
            return [
                Hold(*row) for row in session.all("SELECT role, part, kind, reason, author, at FROM hold")
            ]

    def hold(self, hold: Hold) -> None:
        """Pause or hold a part."""
        with self._turns.transaction() as session:
            session.upsert("hold", HOLD, [tuple(hold)], key=("role", "part"))

    def release(self, role: str, part: int) -> None:
        """Let a part go on."""
        with self._turns.transaction() as session:
            session.run("DELETE FROM hold WHERE role = ? AND part = ?", (role, part))

    # -- requests ----------------------------------------------------------------------------------------------

    def ask(self, name: str, words: Mapping[str, Any], *, author: str, owner: int | None, at: int) -> int:
        """Ask something of a service (`owner`; None: whichever comes first); it is taken within 2 s."""
        with self._turns.transaction() as session:
            session.lock_rows([number_of("request")])
            highest = session.one("SELECT MAX(id) FROM request")
            number = (highest[0] if highest and highest[0] else 0) + 1
            row = (number, owner, name, msgspec.json.encode(words).decode(), author, at)
            session.insert("request", REQUEST, [row])
        return int(number)

    def requests(self, owner: int) -> list[Request]:
        """What was asked and not answered yet."""
        with self._turns.session() as session:
            rows = session.all(
                "SELECT id, name, words, author FROM request WHERE answered IS NULL AND (owner = ? OR owner IS NULL)"
                " ORDER BY id",
                (owner,),
            )
        return [
            Request(number, name, msgspec.json.decode(words), author) for number, name, words, author in rows
        ]

    def answer(self, request: int, answer: str, *, at: int) -> bool:
        """Answer a request; False if another service was faster."""
        with self._turns.transaction() as session:
            done = session.run(
                "UPDATE request SET answered = ?, answer = ? WHERE id = ? AND answered IS NULL",
                (at, answer, request),
            )
        return bool(done)

    def answered(self, request: int) -> str | None:
        """The answer, once there is one."""
        with self._turns.session() as session:
            row = session.one("SELECT answer FROM request WHERE id = ?", (request,))
        return row[0] if row else None

"""Checkpoints of the journal on SQLite: its log goes into the file, beside the writers and not in their way."""

from __future__ import annotations

import threading

from whereupon.connect.databases import Database
from whereupon.storage.turns import Turns

LARGEST = 64_000_000
"""Bytes of log above which writers wait: passive checkpoints never catch a busy one (line.md, *Fast enough*)."""

PAGE = 4_096
"""Bytes of a page of SQLite's, in which the log is measured."""


class Checkpoints:
    """`writers` is the lock that all who write this file in this process share. On a server there is nothing to do."""

    def __init__(self, database: Database, *, writers: threading.Lock | None, largest: int = LARGEST) -> None:
        self._path = database.path
        self._turns = Turns(database)
        self._writers = writers
        self._largest = largest

    def close(self) -> None:
        """Close the connection; a second call does nothing."""
        self._turns.close()

    def turn(self) -> None:
        """One checkpoint; with too long a log a second one while nobody writes, so that the log begins anew."""
        if self._path is None:
            return
        if self._pass() > self._largest and self._writers is not None:
            with self._writers:
                self._pass()

    def _pass(self) -> int:
        """A passive checkpoint, which waits for nobody; the log's length in bytes."""
        with self._turns.session() as session:
            row = session.one("PRAGMA wal_checkpoint(PASSIVE)")
        return PAGE * int(row[1]) if row else 0

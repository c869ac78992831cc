"""A connection that several threads take turns with."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from whereupon.connect.databases import Database
from whereupon.connect.session import Session
from whereupon.model.errors import Away


class Turns:
    """One session, opened when first needed and replaced after it broke. `writers` is a lock shared by all that write
    to the same SQLite file: taking turns in the process is faster than SQLite's busy-wait."""

    def __init__(
        self, database: Database, *, writers: threading.Lock | None = None, timeout: float = 10.0
    ) -> None:
        self._database = database
        self._writers = writers
        self._timeout = timeout
        self._mine = threading.RLock()
        self._session: Session | None = None

    @contextmanager
    def session(self) -> Iterator[Session]:
        """The session, for this thread alone until the block ends."""
        with self._mine:
            if self._session is None:
                self._session = self._database.session(timeout=self._timeout)
            try:
                yield self._session
            except Away:
                self._drop()
                raise

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """The session inside a transaction."""
        with self._mine, self._writers or nullcontext(), self.session() as session, session.transaction():
            yield session

    def close(self) -> None:
        """Close the connection, ending a statement that another thread waits for; a second call does nothing."""
        patience = 1.0
        while not self._mine.acquire(timeout=patience):
            session = self._session
            if session is not None:
                session.interrupt()
        try:
            self._drop()
        finally:
            self._mine.release()

    def _drop(self) -> None:
        if self._session is not None:
            self._session.close()
            self._session = None


def writers(database: Database) -> threading.Lock | None:
    """The lock that writers of one SQLite file share in this process; None for a server."""
    return threading.Lock() if database.dialect.name == "sqlite" else None

"""The three kinds of session: how each server is opened, locked and asked for its time."""

from __future__ import annotations

import contextlib
import math
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from whereupon.connect.dialects.postgresql import PostgresqlDialect
from whereupon.connect.dialects.sqlite import SqliteDialect
from whereupon.connect.dialects.sqlserver import TIMED_OUT, SqlServerDialect
from whereupon.connect.session import Session, number_of
from whereupon.host.locks import FolderLock
from whereupon.model.errors import Locked, Refused, Unavailable

SQLITE_SETTINGS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA temp_store = MEMORY",
    # The keeper checkpoints in a connection of its own, so that no writer stalls; 64 MB, where it makes them wait.
    "PRAGMA wal_autocheckpoint = 16000",
    # The pages that a batch of 2,000 events touches in the index of a large journal: read once, written once.
    "PRAGMA cache_size = -16000",
)


class SqliteSession(Session):
    """A SQLite file."""

    def __init__(self, path: Path, *, timeout: float, what: str, write: bool = True) -> None:
        dialect = SqliteDialect()
        self._path = path
        self._locks: dict[str, FolderLock] = {}
        try:
            connection = sqlite_connection(path, timeout=timeout, write=write)
        except sqlite3.Error as error:
            raise dialect.failure(error, what) from error
        super().__init__(connection, dialect, what)

    def lock_rows(self, hashes: Iterable[int]) -> None:
        """Nothing to do: a transaction has the whole file."""

    def try_lock(self, name: str) -> bool:
        """A lock file beside the database."""
        lock = FolderLock(
            self._path.with_name(f"{self._path.name}.{number_of(name) & 0xFFFFFFFF:08x}.lock"), name
        )
        try:
            lock.acquire()
        except Locked:
            return False
        self._locks[name] = lock
        return True

    def release(self, name: str) -> None:
        """Give the lock file back."""
        lock = self._locks.pop(name, None)
        if lock is not None:
            lock.release()

    def now(self) -> int:
        """The time of this machine."""
        row = self.one("SELECT CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)")
        return int(row[0]) if row else 0

    def interrupt(self) -> None:
        """By sqlite3_interrupt."""
        self._connection.interrupt()

    def close(self) -> None:
        """Close the file and give back its locks."""
        for name in list(self._locks):
            self.release(name)
        super().close()

    def _begin(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")


def sqlite_connection(path: Path, *, timeout: float, write: bool = True) -> sqlite3.Connection:
    """An open SQLite file as everybody here uses it; raises sqlite3.Error. One that only reads makes no file."""
    place = path if write else f"{path.absolute().as_uri()}?mode=rw"
    connection = sqlite3.connect(
        place,
        timeout=timeout,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=512,
        uri=not write,
    )
    try:
        for each in SQLITE_SETTINGS if write else SQLITE_SETTINGS[2:4]:
            connection.execute(each)
        if not write:
            connection.execute("PRAGMA query_only = ON")
    except BaseException:
        connection.close()
        raise
    return connection


class PostgresqlSession(Session):
    """A PostgreSQL connection by psycopg 3: prepared statements, explicit BEGIN and COMMIT, READ COMMITTED."""

    def __init__(self, options: Mapping[str, Any], *, timeout: float, what: str) -> None:
        # 9 MB that a system on SQLite can do without.
        from whereupon.connect.postgresql import postgresql_connection

        super().__init__(
            postgresql_connection(options, timeout=timeout, what=what), PostgresqlDialect(), what
        )

    @contextmanager
    def together(self) -> Iterator[None]:
        """In one pipeline: the server works on one statement while the next is made."""
        with self._meaning(), self._connection.pipeline():
            yield

    def lock_rows(self, hashes: Iterable[int]) -> None:
        """Advisory locks of the transaction, ascending, so that no two wait for each other."""
        if wanted := sorted(set(hashes)):
            given = self.dialect.bind({"h": "id"}, [(each,) for each in wanted])
            self.all("SELECT pg_advisory_xact_lock(h) FROM unnest(?::bigint[]) AS k(h)", given)

    def try_lock(self, name: str) -> bool:
        """An advisory lock of the session."""
        row = self.one("SELECT pg_try_advisory_lock(?)", (number_of(name),))
        return bool(row and row[0])

    def release(self, name: str) -> None:
        """Give the advisory lock back."""
        self.one("SELECT pg_advisory_unlock(?)", (number_of(name),))

    def now(self) -> int:
        """The server's clock."""
        row = self.one("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint")
        return int(row[0]) if row else 0

    def interrupt(self) -> None:
        """By a cancel request."""
        with contextlib.suppress(Exception):
            self._connection.cancel_safe(timeout=5.0)

    def _begin(self) -> None:
        self._connection.execute("BEGIN")

    def _commit(self) -> None:
        # After a statement that failed PostgreSQL answers COMMIT by ROLLBACK, and calls that a success.
        if self._connection.execute("COMMIT").statusmessage != "COMMIT":
            raise Refused(f"{self._what} undid the transaction, in which a statement had failed.")

    def _execute(self, sql: str, parameters: Sequence[Any]) -> Any:
        return self._connection.execute(self.dialect.prepared(sql), parameters, prepare=True)


class SqlServerSession(Session):
    """A SQL Server connection by pyodbc, imported when the first is opened."""

    def __init__(self, connection_string: str, *, timeout: float, what: str) -> None:
        dialect = SqlServerDialect()
        try:
            import pyodbc

            connection = pyodbc.connect(connection_string, autocommit=True, timeout=_login(timeout))
            connection.timeout = max(1, math.ceil(timeout))
        except Exception as error:
            raise dialect.failure(error, what, opening=True) from error
        super().__init__(connection, dialect, what)

    def all(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        return [tuple(row) for row in super().all(sql, parameters)]

    def lock_rows(self, hashes: Iterable[int]) -> None:
        """Application locks of the transaction, ascending."""
        for sql, parameters in SqlServerDialect.locking([f"person {each}" for each in sorted(set(hashes))]):
            row = self.one(sql, parameters)
            if row is None or row[0] < 0:
                raise Unavailable(f"{self._what} didn't give its locks in time.", hint="It is tried again.")

    def try_lock(self, name: str) -> bool:
        """An application lock of the session."""
        row = self.one(
            "SET NOCOUNT ON; DECLARE @taken int; EXEC @taken = sp_getapplock @Resource = ?,"
            " @LockMode = 'Exclusive', @LockOwner = 'Session', @LockTimeout = 0; SELECT @taken",
            (name,),
        )
        return bool(row and row[0] >= 0)

    def release(self, name: str) -> None:
        """Give the application lock back."""
        self.run("EXEC sp_releaseapplock @Resource = ?, @LockOwner = 'Session'", (name,))

    def now(self) -> int:
        """The server's clock."""
        row = self.one("SELECT DATEDIFF_BIG(millisecond, '1970-01-01', SYSUTCDATETIME())")
        return int(row[0]) if row else 0

    def interrupt(self) -> None:
        """Nothing: pyodbc can only cancel a cursor that it has handed out, so a statement ends by its time-out."""

    def _begin(self) -> None:
        self._connection.execute("BEGIN TRANSACTION")

    def _commit(self) -> None:
        self._connection.execute("COMMIT TRANSACTION")

    def _unsure(self, error: Exception) -> bool:
        return bool(error.args) and error.args[0] in TIMED_OUT

    def _execute(self, sql: str, parameters: Sequence[Any]) -> Any:
        return self._connection.execute(self.dialect.prepared(sql), *parameters)


def _login(timeout: float) -> int:
    """Seconds that a connection may take to be made."""
    return max(2, math.ceil(min(timeout, 10)))

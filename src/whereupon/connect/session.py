"""A connection of one's own: hot statements written once for all three database servers."""

from __future__ import annotations

import contextlib
import hashlib
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from whereupon.connect.dialects.dialect import Columns, Dialect, Kind, Row, Statement
from whereupon.connect.failures import CommitUnknown, DiskFull
from whereupon.host.crash import point
from whereupon.model.errors import Away, WhereuponError

__all__ = ["Columns", "CommitUnknown", "DiskFull", "Kind", "Session"]
_CHANGED = re.compile(r"(?:INSERT\s+INTO|MERGE\s+INTO|UPDATE|DELETE\s+FROM)\s+(\w+)", re.IGNORECASE)


class Session(ABC):
    """Used by one thread at a time. Raises by meaning: Away (the connection is gone; open another), Unavailable (try
    again), Refused (the data), SetupError (a person), DiskFull, CommitUnknown."""

    def __init__(self, connection: Any, dialect: Dialect, what: str) -> None:
        self.dialect = dialect
        self._connection = connection
        self._what = what
        self._changed = ""

    # -- statements --------------------------------------------------------------------------------------------

    def all(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        with self._meaning():
            return list(self._execute(sql, parameters).fetchall())

    def one(self, sql: str, parameters: Sequence[Any] = ()) -> tuple[Any, ...] | None:
        """The first row of a query."""
        with self._meaning():
            row = self._execute(sql, parameters).fetchone()
        return None if row is None else tuple(row)

    def run(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """Run a statement; how many rows it touched."""
        self._note(sql)
        with self._meaning():
            return int(self._execute(sql, parameters).rowcount)

    def insert(self, table: str, columns: Columns, rows: Sequence[Row]) -> None:
        """Insert rows in bulk."""
        if rows:
            self._run(self.dialect.insert(table, columns, rows))

    def insert_new(self, table: str, columns: Columns, rows: Sequence[Row], *, key: Sequence[str]) -> int:
        """Insert the rows whose key isn't there, of equal keys the first; how many that were."""
        return self._run(self.dialect.insert_new(table, columns, rows, key)) if rows else 0

    def upsert(
        self, table: str, columns: Columns, rows: Sequence[Row], *, key: Sequence[str]
    ) -> tuple[int, int]:
        """Insert or update by key; (inserted, updated). Of equal keys the last counts."""
        if not rows:
            return 0, 0
        with self._meaning():
            updates, inserts = self.dialect.upsert(table, columns, rows, key)
        updated = self._run(updates)
        return self._run(inserts), updated

    def update(
        self, table: str, assign: str, alias: str, columns: Columns, rows: Sequence[Row], *, on: str
    ) -> int:
        """Update the rows that match given ones; `assign` and `on` name the table, and the given rows by `alias`."""
        if not rows:
            return 0
        with self._meaning():
            return self._run([self.dialect.update(table, assign, alias, columns, rows, on)])

    def delete(self, table: str, columns: Columns, rows: Sequence[Row]) -> int:
        """Delete the rows whose columns equal given ones."""
        if not rows:
            return 0
        with self._meaning():
            return self._run([self.dialect.delete(table, columns, rows)])

    def add(
        self, table: str, columns: Columns, rows: Sequence[Row], *, key: Sequence[str], amount: str
    ) -> None:
        """Count: increase `amount` of the rows with these keys, insert those that aren't there."""
        if rows:
            self._run(self.dialect.add(table, columns, rows, key, amount))

    def given(self, alias: str, columns: Columns) -> str:
        """SQL of a derived table over parameters, to be put behind FROM or JOIN."""
        return self.dialect.given(alias, columns)

    def bind(self, columns: Columns, rows: Iterable[Row]) -> tuple[Any, ...]:
        """The parameters of a `given`."""
        with self._meaning():
            return self.dialect.bind(columns, list(rows))

    # -- transactions and locks --------------------------------------------------------------------------------

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit at the end, roll back on an error. SQLite's are BEGIN IMMEDIATE.

        Raises CommitUnknown where the answer to the commit was lost: it may stand, or not.
        """
        with self._meaning():
            self._begin()
        self._changed = ""
        try:
            yield
            point(f"before-commit-{self._changed}")
        except BaseException:
            with contextlib.suppress(Exception):
                self._connection.execute("ROLLBACK")
            raise
        try:
            self._commit()
        except Exception as error:
            meant = error if isinstance(error, WhereuponError) else self.dialect.failure(error, self._what)
            with contextlib.suppress(Exception):
                self._connection.execute("ROLLBACK")
            if isinstance(meant, Away) or self._unsure(error):
                raise CommitUnknown(meant.message, hint=meant.hint) from error
            raise meant from error
        point(f"after-commit-{self._changed}")

    def together(self) -> AbstractContextManager[Any]:
        """Statements of this block whose rows nobody asks for may go to the server together; what one of them raises
        comes at the end of the block at the latest."""
        return nullcontext()

    @abstractmethod
    def lock_rows(self, hashes: Iterable[int]) -> None:
        """Hold locks on these 64-bit numbers until the transaction ends; SQLite's BEGIN IMMEDIATE has it all, and
        doesn't even ask for the numbers."""

    @abstractmethod
    def try_lock(self, name: str) -> bool:
        """Take a named lock of this session, if nobody has it."""

    @abstractmethod
    def release(self, name: str) -> None:
        """Give a named lock back."""

    @abstractmethod
    def now(self) -> int:
        """The database's own time, UTC milliseconds."""

    @abstractmethod
    def interrupt(self) -> None:
        """End the statement that another thread waits for."""

    def close(self) -> None:
        """Close the connection; a second call does nothing."""
        with contextlib.suppress(Exception):
            self._connection.close()

    @abstractmethod
    def _begin(self) -> None: ...

    def _commit(self) -> None:
        self._connection.execute("COMMIT")

    def _unsure(self, error: Exception) -> bool:
        """Whether a commit that ended with this error may stand, though the connection is there."""
        return False

    def _execute(self, sql: str, parameters: Sequence[Any]) -> Any:
        return self._connection.execute(self.dialect.prepared(sql), parameters)

    def _run(self, statements: Iterable[Statement]) -> int:
        changed = 0
        with self._meaning():
            for sql, parameters in statements:
                self._note(sql)
                changed += max(0, self._execute(sql, parameters).rowcount)
        return changed

    def _note(self, sql: str) -> None:
        """The table that a transaction changes first gives its crash points their names."""
        if not self._changed and (found := _CHANGED.match(sql)):
            self._changed = found[1]

    @contextmanager
    def _meaning(self) -> Iterator[None]:
        try:
            yield
        except (WhereuponError, TypeError, LookupError, AttributeError):
            # Meant already; or a mistake of ours, which nobody else can mend.
            raise
        except Exception as error:
            raise self.dialect.failure(error, self._what) from error


def number_of(name: str) -> int:
    """A name as a signed 64-bit number, for locks."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big", signed=True)

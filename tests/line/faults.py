"""A journal that fails where it is told to: at the commit of a thread, or at what it is given to write."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partialmethod
from typing import Any

import pytest

from whereupon.connect.servers import SqliteSession
from whereupon.connect.session import Columns
from whereupon.model.errors import Refused, WhereuponError

T1, T2 = "line SignIn", "finish"
"""The threads of the two transactions."""


@dataclass(slots=True)
class _Commit:
    thread: str
    error: WhereuponError
    stands: bool
    times: int
    skip: int


class Faults:
    """Faults of all SQLite sessions of this process while the test runs."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.commits = 0
        self._commits: list[_Commit] = []
        self._refuses: Callable[[Sequence[Any]], bool] | None = None
        self._commit, self._insert = SqliteSession._commit, SqliteSession.insert
        patch.setattr(SqliteSession, "_commit", partialmethod(Faults._committing_of, self))
        patch.setattr(SqliteSession, "insert", partialmethod(Faults._inserting_of, self))

    def commit(
        self, thread: str, error: WhereuponError, *, stands: bool = False, times: int = 1, skip: int = 0
    ) -> None:
        """The next commits of this thread, after `skip`, raise; `stands`: they were made all the same."""
        self._commits.append(_Commit(thread, error, stands, times, skip))

    def refuse(self, person: str) -> None:
        """The journal refuses events of this person as data."""
        self._refuses = lambda row: person in row

    def over(self) -> None:
        """No more faults."""
        self._commits, self._refuses = [], None

    @staticmethod
    def _committing_of(session: SqliteSession, faults: Faults) -> None:
        faults._committing(session)

    @staticmethod
    def _inserting_of(
        session: SqliteSession, faults: Faults, table: str, columns: Columns, rows: Sequence[Sequence[Any]]
    ) -> None:
        faults._inserting(session, table, columns, rows)

    def _committing(self, session: SqliteSession) -> None:
        name = threading.current_thread().name
        fault = next((each for each in self._commits if each.thread == name and each.times > 0), None)
        if fault is not None and fault.skip:
            fault.skip, fault = fault.skip - 1, None
        if fault is None:
            self._commit(session)
            return
        fault.times -= 1
        self.commits += 1
        if fault.stands:
            self._commit(session)
        raise fault.error

    def _inserting(
        self, session: SqliteSession, table: str, columns: Columns, rows: Sequence[Sequence[Any]]
    ) -> None:
        if table == "event" and self._refuses and any(map(self._refuses, rows)):
            raise Refused("The journal refuses the data.")
        self._insert(session, table, columns, rows)

"""Turns: a connection that several threads share, and that is replaced after it broke."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from tests.servers.processes import wait_until
from whereupon.connect.databases import Database, database
from whereupon.connect.session import Session
from whereupon.model.errors import Away, Refused
from whereupon.storage.turns import Turns, writers


@pytest.fixture
def streams(tmp_path: Path) -> Iterator[Database]:
    """A database in a file with one table."""
    one = database("sqlite:///SD.db", folder=tmp_path)
    session = one.session()
    session.run("CREATE TABLE t (n INTEGER PRIMARY KEY)")
    session.close()
    yield one
    one.close()


def test_a_transaction_is_whole_or_not_there(streams: Database) -> None:
    turns = Turns(streams)
    with turns.transaction() as session:
        session.run("INSERT INTO t VALUES (1)")
    with pytest.raises(Refused):
        _insert(turns, 2, 1)
    with turns.session() as session:
        assert session.all("SELECT n FROM t") == [(1,)]
    turns.close()


def _insert(turns: Turns, *numbers: int) -> None:
    with turns.transaction() as session:
        for each in numbers:
            session.run("INSERT INTO t VALUES (?)", (each,))


def test_a_connection_is_kept_until_it_breaks(streams: Database) -> None:
    turns = Turns(streams)
    with turns.session() as first:
        pass
    with turns.session() as again:
        assert again is first
    with pytest.raises(Away), turns.session():
        raise Away("gone")
    with turns.session() as another:
        assert another is not first
    turns.close()


def test_only_one_thread_has_it_at_a_time(streams: Database) -> None:
    turns = Turns(streams)
    inside, most = [0], [0]

    def use() -> None:
        for _ in range(30):
            with turns.transaction() as session:
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                session.run("INSERT INTO t SELECT COALESCE(MAX(n), 0) + 1 FROM t")
                inside[0] -= 1

    threads = [threading.Thread(target=use) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    with turns.session() as session:
        assert session.one("SELECT COUNT(*) FROM t") == (120,)
    assert most == [1]
    turns.close()


def test_writers_of_one_file_share_a_lock_and_those_of_a_server_need_none(streams: Database) -> None:
    assert writers(streams) is not None
    assert writers(cast(Database, _Server())) is None


class _Server:
    class dialect:
        name = "postgresql"


def test_closing_twice_does_nothing(streams: Database) -> None:
    turns = Turns(streams)
    turns.close()
    with turns.session():
        pass
    turns.close()
    turns.close()


def test_closing_ends_the_statement_that_another_thread_waits_for() -> None:
    slow = _Slow()
    turns = Turns(cast(Database, slow))
    thread = threading.Thread(target=lambda: _use(turns))
    thread.start()
    wait_until(slow.entered.is_set)
    turns.close()
    thread.join()
    assert slow.interrupted.is_set()
    assert slow.closed


def _use(turns: Turns) -> None:
    with turns.session() as session:
        session.run("wait")


class _Slow:
    """A database whose only statement lasts until it is interrupted."""

    def __init__(self) -> None:
        self.entered, self.interrupted = threading.Event(), threading.Event()
        self.closed = False

    def session(self, **given: Any) -> Session:
        return cast(Session, self)

    def run(self, sql: str) -> int:
        self.entered.set()
        self.interrupted.wait(10)
        return 0

    def interrupt(self) -> None:
        self.interrupted.set()

    def close(self) -> None:
        self.closed = True

"""The database store on a real PostgreSQL."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.servers.postgresql import PASSWORD, PostgreSQL
from whereupon.components.stores.database import DatabaseConfig, DatabaseProvider, DatabaseStore
from whereupon.host.clock import Clock
from whereupon.kit.roles import Context
from whereupon.model.errors import Away, SetupError, Unavailable
from whereupon.model.events import Filled, Record

pytestmark = pytest.mark.outside
Stores = Callable[..., DatabaseStore]


@pytest.fixture
def name(postgresql: PostgreSQL) -> Iterator[str]:
    """A database of the test's own."""
    made = postgresql.create_database("pm")
    yield made
    postgresql.drop_database(made)


@pytest.fixture
def store(postgresql: PostgreSQL, name: str, tmp_path: Path) -> Iterator[Stores]:
    """Makes stores and closes them."""
    made: list[DatabaseStore] = []

    def make(store: str = "TealGreen", *, password: str = PASSWORD) -> DatabaseStore:
        provider = DatabaseProvider.model_validate(
            {"connection": postgresql.url(name, password=None), "password": password}
        )
        config = DatabaseConfig.model_validate({"dataStoreName": store})
        made.append(DatabaseStore(provider, config, Context(store, "TealHols", tmp_path, "f", Clock())))
        return made[-1]

    yield make
    for each in made:
        each.close()


def test_records_are_filled_merged_and_found(store: Stores) -> None:
    one = store()
    assert one.find(["7"]) == {}
    people = [Record(str(number), {"n": str(number), "keep": "ü🎁"}) for number in range(4500)]
    assert one.fill(people) == Filled(4500, 0)
    assert one.fill([Record("7", {"n": "x"}), Record("a\0", {}), Record("B", {})]) == Filled(
        1, 1, (("a\0", "holds the character U+0000"),)
    )
    assert one.find(["7", "b", "B", "none"]) == {"7": {"n": "x", "keep": "ü🎁"}, "B": {}}
    assert len(one.find([each.key for each in people])) == 4500
    assert [each.ok for each in one.check()] == [True, True]


def test_keys_are_compared_and_kept_by_code_point(postgresql: PostgreSQL, name: str, store: Stores) -> None:
    store().fill([Record("a", {}), Record("A", {}), Record("ä", {})])
    found = postgresql.rows(name, "SELECT reference FROM record ORDER BY reference")
    assert found == [("A",), ("a",), ("ä",)]


def test_several_threads_look_up_while_others_fill_and_nothing_is_lost(store: Stores) -> None:
    one, two = store(), store()
    begin = threading.Barrier(5)

    def fill(which: DatabaseStore, field: str) -> None:
        begin.wait()
        for _ in range(5):
            which.fill([Record(str(key), {field: "1"}) for key in range(100)])

    def look() -> None:
        begin.wait()
        for _ in range(50):
            one.find([str(key) for key in range(100)])

    with ThreadPoolExecutor(5) as pool:
        work = [
            pool.submit(fill, which, field)
            for which, field in ((one, "a"), (one, "b"), (two, "c"), (two, "d"))
        ]
        for each in [*work, pool.submit(look)]:
            each.result(30)
    found = one.find([str(key) for key in range(100)])
    assert len(found) == 100
    assert all(set(each) == set("abcd") for each in found.values())


def test_a_wrong_password_is_for_a_person_and_stays_hidden(store: Stores) -> None:
    one = store(password="not this")
    with pytest.raises((Away, SetupError), match="password") as error:
        one.find(["7"])
    assert "not this" not in f"{error.value}{one.provider!r}{one.provider.written()}"
    *_, last = one.check()
    assert (last.name, last.ok) == ("Connection", False)


def test_a_look_up_that_takes_longer_than_two_seconds_is_given_up(
    postgresql: PostgreSQL, name: str, store: Stores
) -> None:
    import psycopg

    one = store()
    one.fill([Record("7", {})])
    one.find(["7"])
    with psycopg.connect(postgresql.dsn(name)) as locker:
        locker.execute("LOCK TABLE record IN ACCESS EXCLUSIVE MODE")
        started = time.monotonic()
        with pytest.raises(Unavailable):
            one.find(["7"])
        assert time.monotonic() - started < 8
    assert one.find(["7"]) == {"7": {}}


@pytest.mark.fault(18)
def test_a_killed_server_is_away_and_found_again_when_it_is_back(
    postgresql: PostgreSQL, store: Stores
) -> None:
    one = store()
    one.fill([Record("7", {"x": "1"})])
    one.find(["7"])
    postgresql.kill()
    with pytest.raises(Away):
        one.find(["7"])
    with pytest.raises(Away):
        one.fill([Record("8", {})])
    postgresql.restart()
    assert one.find(["7"]) == {"7": {"x": "1"}}
    assert one.fill([Record("7", {"x": "2"}), Record("8", {})]) == Filled(1, 1)

"""The database store, on SQLite."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from whereupon.components.stores.database import DatabaseConfig, DatabaseProvider, DatabaseStore
from whereupon.connect.databases import Database, database
from whereupon.host.clock import FakeClock
from whereupon.kit.roles import Context
from whereupon.model.errors import SetupError, Unavailable
from whereupon.model.events import Filled, Record
from whereupon.model.setup import FieldDefinition


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Database]:
    """The system's Pull Marketing database."""
    opened = database("sqlite:///PM_TealHols.db", folder=tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def store(records: Database, tmp_path: Path) -> Iterator[DatabaseStore]:
    """A store in it."""
    made = of(records, tmp_path)
    yield made
    made.close()
    made.close()


def of(records: Database, folder: Path, name: str = "TealGreen") -> DatabaseStore:
    """The store of this name."""
    fields = (FieldDefinition(name="person", type="Reference"),)
    context = Context(
        name, "TealHols", folder, "f", FakeClock(5000), {"pull_marketing": records}, fields=fields
    )
    return DatabaseStore(DatabaseProvider(), DatabaseConfig.model_validate({"dataStoreName": name}), context)


def rows(records: Database, query: str) -> list[tuple[object, ...]]:
    """All rows of a query."""
    session = records.session()
    try:
        return session.all(query)
    finally:
        session.close()


def test_a_store_that_was_never_filled_has_nothing(store: DatabaseStore) -> None:
    assert store.find(["7"]) == {}
    assert [(each.name, each.ok, each.advice) for each in store.check()] == [
        ("Connection", True, False),
        ("Store", True, True),
    ]


def test_a_record_is_merged_and_what_it_does_not_name_stays(store: DatabaseStore, records: Database) -> None:
    assert store.fill([Record("7", {"offer": "A", "event": "x"}), Record("8", {})]) == Filled(2, 0)
    assert store.fill([Record(" 7 ", {"offer": "B", "new": "ü"}), Record("9", {"offer": "C"})]) == Filled(
        1, 1
    )
    assert store.find(["7", "9", "none", " 7"]) == {
        "7": {"offer": "B", "event": "x", "new": "ü"},
        "9": {"offer": "C"},
        " 7": {"offer": "B", "event": "x", "new": "ü"},
    }
    assert rows(records, "SELECT name, primary_key_field FROM data_store") == [("TealGreen", "person")]
    assert rows(records, "SELECT reference, updated FROM record ORDER BY reference") == [
        ("7", 5000),
        ("8", 5000),
        ("9", 5000),
    ]


def test_the_same_key_twice_in_one_fill_is_one_record(store: DatabaseStore) -> None:
    assert store.fill([Record("7", {"a": "1", "b": "1"}), Record("7", {"a": "2"})]) == Filled(1, 1)
    assert store.find(["7"]) == {"7": {"a": "2", "b": "1"}}


def test_keys_differ_by_case_and_by_accent(store: DatabaseStore) -> None:
    store.fill([Record("a", {"x": "1"}), Record("A", {"x": "2"}), Record("ä", {"x": "3"})])
    assert {key: each["x"] for key, each in store.find(["a", "A", "ä", "Ä"]).items()} == {
        "a": "1",
        "A": "2",
        "ä": "3",
    }


def test_what_cannot_be_stored_is_rejected_and_the_rest_goes(store: DatabaseStore) -> None:
    bad = [
        Record(" ", {}),
        Record("x" * 201, {}),
        Record("a\0b", {}),
        Record("c", {"f": "\0"}),
        Record("d", {"f": "\ud800"}),
    ]
    filled = store.fill([*bad, Record("7", {"f": "1"})])
    assert (filled.inserted, len(filled.rejected)) == (1, 5)
    assert [key for key, _ in filled.rejected] == [each.key for each in bad]
    assert store.find(["7", "a\0b", "x" * 201, "", "c\ud800"]) == {"7": {"f": "1"}}


def test_values_pass_as_they_are(store: DatabaseStore) -> None:
    odd = {'"': "'", "\\": "\n\t\r", "🎁": "日本語 🎉", "null": "null", "n": "1e5", "empty": ""}
    keys = ['"', "\\", "'; DROP TABLE record; --", "🎁", "null", "[1,2]", "1e5", "true"]
    store.fill([Record(key, odd) for key in keys])
    assert store.find(keys) == dict.fromkeys(keys, odd)


def test_stores_of_one_database_do_not_mix(records: Database, tmp_path: Path) -> None:
    one, two = of(records, tmp_path), of(records, tmp_path, "Other")
    one.fill([Record("7", {"x": "1"})])
    two.fill([Record("7", {"x": "2"})])
    assert (one.find(["7"])["7"]["x"], two.find(["7"])["7"]["x"]) == ("1", "2")
    one.close()
    two.close()


def test_a_large_fill_goes_in_pieces(store: DatabaseStore) -> None:
    people = [Record(f"{number}", {"n": str(number)}) for number in range(4500)]
    assert store.fill(people) == Filled(4500, 0)
    assert store.fill(people[:2500]) == Filled(0, 2500)
    found = store.find([each.key for each in people])
    assert len(found) == 4500
    assert list(store.check())[-1].message == "TealGreen holds 4500 records."


def test_fills_at_the_same_time_lose_nothing(store: DatabaseStore) -> None:
    store.fill([Record("0", {})])
    begin = threading.Barrier(4)

    def fill(field: str) -> None:
        begin.wait()
        for _ in range(5):
            store.fill([Record(str(key), {field: "1"}) for key in range(50)])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(fill, "abcd"))
    found = store.find([str(key) for key in range(50)])
    assert len(found) == 50
    assert all(set(each) == set("abcd") for each in found.values())


def test_a_connection_of_its_own_is_used_where_one_is_given(tmp_path: Path) -> None:
    provider = DatabaseProvider(connection="sqlite:///Elsewhere.db")
    config = DatabaseConfig.model_validate({"dataStoreName": "TealGreen"})
    store = DatabaseStore(provider, config, Context("T", "T", tmp_path, "f", FakeClock()))
    store.fill([Record("7", {})])
    store.close()
    assert (tmp_path / "Elsewhere.db").exists()


def test_without_any_database_a_person_is_told_what_to_do(tmp_path: Path) -> None:
    config = DatabaseConfig.model_validate({"dataStoreName": "TealGreen"})
    with pytest.raises(SetupError, match="no Pull Marketing database"):
        DatabaseStore(DatabaseProvider(), config, Context("T", "T", tmp_path, "f", FakeClock()))


def test_a_look_up_while_another_writes_for_long_is_unavailable_or_answered(
    store: DatabaseStore, records: Database
) -> None:
    store.fill([Record("7", {"x": "1"})])
    writer = records.session()
    with writer.transaction():
        writer.run("UPDATE record SET updated = 0")
        assert store.find(["7"]) == {"7": {"x": "1"}}
    writer.close()


def test_a_damaged_file_is_said_to_be_that(tmp_path: Path) -> None:
    (tmp_path / "PM.db").write_bytes(b"no database at all " * 1000)
    damaged = database("sqlite:///PM.db", folder=tmp_path)
    store = of(damaged, tmp_path)
    with pytest.raises((SetupError, Unavailable), match="damaged, or is no database"):
        store.find(["7"])
    *_, last = store.check()
    assert not last.ok
    damaged.close()

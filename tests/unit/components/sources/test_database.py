"""People in another database's table: paged by key, asked by conditions, never written."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import TypeAdapter

from whereupon.components.sources.database import DatabasePeople
from whereupon.model.conditions import Condition
from whereupon.model.errors import SetupError
from whereupon.model.setup import DataTable

VARIABLES = [
    {"name": "Person URN", "column": "urn"},
    {"name": "Forename", "column": "First name"},
    {"name": "Spend", "column": "spend", "type": "number"},
]


def table(**more: Any) -> DataTable:
    """The table as the set-up describes it."""
    named = {
        "name": "People",
        "key": "Person URN",
        "connection": "x",
        "table": "customers",
        "variables": VARIABLES,
    }
    return DataTable.model_validate({**named, **more})


def condition(**words: Any) -> Condition:
    """A condition as a file writes it."""
    found: Condition = TypeAdapter(Condition).validate_python(words)
    return found


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A database of somebody else's."""
    connection = sqlite3.connect(tmp_path / "crm.db")
    connection.execute('CREATE TABLE customers (urn TEXT, "First name" TEXT, spend REAL)')
    people = [
        ("c", "Cy", 5.0),
        ("a", "Ada", 1840.5),
        ("b", "Bo", None),
        (None, "Nobody", 1.0),
        ("d", "Di", 7.0),
    ]
    connection.executemany("INSERT INTO customers VALUES (?, ?, ?)", people)
    connection.execute('CREATE TABLE numbered (urn INTEGER PRIMARY KEY, "First name" TEXT, spend REAL)')
    connection.executemany("INSERT INTO numbered VALUES (?, 'x', 1)", [(n,) for n in range(1, 26)])
    connection.execute("CREATE VIEW chosen AS SELECT * FROM customers WHERE spend > 5")
    connection.commit()
    connection.close()
    return tmp_path / "crm.db"


@pytest.fixture
def people(file: Path) -> Iterator[DatabasePeople]:
    """Its customers."""
    found = opened(file, table())
    yield found
    found.close()


def opened(file: Path, table: DataTable) -> DatabasePeople:
    """People of a file."""
    zone = ZoneInfo("Europe/London")
    return DatabasePeople(
        table, f"sqlite:///{file.name}", folder=file.parent, zone=zone, at=1_767_225_600_000
    )


def test_rows_come_in_the_order_of_their_keys_and_without_those_that_have_none(
    people: DatabasePeople,
) -> None:
    first = people.page(None, after="", most=2)
    rest = people.page(None, after=first[-1].person, most=10)
    assert [each.person for each in first] == ["a", "b"]
    assert [each.person for each in rest] == ["c", "d"]
    assert people.page(None, after="d", most=10) == []
    assert first[0].values == {"Person URN": "a", "Forename": "Ada", "Spend": 1840.5}
    assert people.count(None) == 4


def test_the_database_is_asked_the_condition(people: DatabasePeople) -> None:
    rich = condition(field="Spend", **{"is": "at least"}, value=6)
    assert [each.person for each in people.page(rich, after="", most=10)] == ["a", "d"]
    assert people.count(rich) == 2


def test_a_run_that_comes_later_finds_its_place_again(file: Path, people: DatabasePeople) -> None:
    assert [each.person for each in people.page(None, after="b", most=10)][-2:] == ["c", "d"]
    numbers = opened(file, table(table="numbered"))
    assert [each.person for each in numbers.page(None, after="9", most=3)] == ["9", "10", "11"]
    assert [each.person for each in numbers.page(None, after="11", most=3)] == ["12", "13", "14"]
    numbers.close()


def test_a_place_that_is_gone_is_begun_before(people: DatabasePeople) -> None:
    assert [each.person for each in people.page(None, after="bb", most=2)] == ["a", "b"]


def test_a_key_that_many_rows_share_is_refused(file: Path) -> None:
    connection = sqlite3.connect(file)
    connection.executemany("INSERT INTO customers VALUES ('e', 'E', 1)", [()] * 9)
    connection.commit()
    connection.close()
    people = opened(file, table())
    people.page(None, after="d", most=4)
    with pytest.raises(SetupError, match="rows have the key e"):
        people.page(None, after="e", most=4)
    people.close()


def test_a_view_is_read_like_a_table(file: Path) -> None:
    people = opened(file, table(table="chosen"))
    assert people.count(None) == 2
    people.close()


def test_a_table_or_column_that_is_not_there_is_named(file: Path) -> None:
    missing = opened(file, table(table="customer"))
    with pytest.raises(SetupError, match="Did you mean customers"):
        missing.count(None)
    wrong = [{"name": "Person URN", "column": "Urn"}]
    column = opened(file, table(variables=wrong))
    with pytest.raises(SetupError, match=r"no column Urn.*Did you mean urn"):
        column.count(None)
    for each in (missing, column):
        each.close()


def test_a_name_with_statements_in_it_is_only_a_name(file: Path) -> None:
    evil = opened(file, table(table='customers"; DROP TABLE customers; --'))
    with pytest.raises(SetupError, match="has no table"):
        evil.count(None)
    evil.close()


def test_nothing_can_be_written(people: DatabasePeople) -> None:
    with pytest.raises(SetupError), people._reading() as connection:
        connection.exec_driver_sql("DELETE FROM customers")
    assert people.count(None) == 4


def test_a_file_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="There is no file"):
        opened(tmp_path / "none.db", table())
    assert not (tmp_path / "none.db").exists()

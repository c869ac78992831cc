"""Data tables read where they are, from a real PostgreSQL: by its ODBC driver and by a connection string."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import TypeAdapter

from tests.servers import odbc as driver
from tests.servers.postgresql import PostgreSQL
from tests.unit.jobs.table_world import TableWorld, set_up
from whereupon.components.sources.database import DatabasePeople
from whereupon.components.sources.odbc import OdbcPeople
from whereupon.kit.people import Source
from whereupon.model.conditions import Condition
from whereupon.model.errors import Away, SetupError
from whereupon.model.setup import DataTable

pytestmark = pytest.mark.outside
AT = 1_767_225_600_000
LONDON = ZoneInfo("Europe/London")
VARIABLES = [
    {"name": "Person URN", "column": "Person"},
    {"name": "Forename", "column": "first name"},
    {"name": "Lifetime Spend", "column": "spend", "type": "number"},
    {"name": "Born", "column": "born", "type": "date"},
    {"name": "Seen", "column": "seen", "type": "datetime"},
    {"name": "Member", "column": "member", "type": "boolean"},
    {"name": "Email Address", "column": "email"},
]
MADE = """
CREATE SCHEMA crm;
CREATE TABLE crm.people ("Person" varchar(20) PRIMARY KEY, "first name" text, spend numeric(10, 2), born date,
                         seen timestamptz, member boolean, email text);
INSERT INTO crm.people SELECT 'p' || lpad(n::text, 4, '0'), 'Ada ' || n, n * 1.5, date '2000-01-01' + n,
  timestamptz '2026-01-01 12:00Z', n % 2 = 0, 'p' || n || '@example.org' FROM generate_series(1, 2500) n;
CREATE TABLE crm.numbered (id bigint PRIMARY KEY, name text);
INSERT INTO crm.numbered SELECT n, 'N' || n FROM generate_series(1, 30) n;
"""


def table(**more: Any) -> DataTable:
    """The table as the set-up describes it."""
    named = {
        "name": "People",
        "key": "Person URN",
        "connection": "x",
        "table": "crm.people",
        "variables": VARIABLES,
    }
    return DataTable.model_validate({**named, **more})


NUMBERED = table(
    table="crm.numbered",
    variables=[{"name": "Person URN", "column": "id"}, {"name": "Forename", "column": "name"}],
)


@pytest.fixture
def crm(postgresql: PostgreSQL) -> str:
    """A customer's database."""
    name = postgresql.create_database()
    for statement in filter(str.strip, MADE.split(";")):
        postgresql.execute(name, statement)
    return name


Open = Callable[[DataTable], Source]


@pytest.fixture(params=["odbc", "url"])
def opened(
    request: pytest.FixtureRequest, postgresql: PostgreSQL, crm: str, tmp_path: Path
) -> Iterator[Open]:
    """Opens a table of it, in one way or the other."""
    made: list[Source] = []

    def open_table(table: DataTable) -> Source:
        if request.param == "odbc":
            string = request.getfixturevalue("odbc")(crm)
            made.append(OdbcPeople(table, string, zone=LONDON, at=AT))
        else:
            made.append(DatabasePeople(table, postgresql.url(crm), folder=tmp_path, zone=LONDON, at=AT))
        return made[-1]

    yield open_table
    for each in made:
        each.close()
        each.close()


def condition(**words: Any) -> Condition:
    """A condition as a file writes it."""
    found: Condition = TypeAdapter(Condition).validate_python(words)
    return found


def keys(source: Source, where: Condition | None, *, most: int) -> list[str]:
    """All persons, page by page."""
    found: list[str] = []
    while page := source.page(where, after=found[-1] if found else "", most=most):
        found += [each.person for each in page]
    return found


def test_all_rows_come_once_in_the_order_of_their_keys(opened: Open) -> None:
    people = opened(table())
    found = keys(people, None, most=999)
    assert found == [f"p{n:04d}" for n in range(1, 2501)]
    assert people.count(None) == 2500


def test_values_come_as_what_they_are(opened: Open) -> None:
    row = opened(table()).page(None, after="", most=1)[0]
    assert row.values["Forename"] == "Ada 1"
    assert row.values["Member"] is False
    assert str(row.values["Lifetime Spend"]) == "1.50"
    assert str(row.values["Born"]) == "2000-01-02"
    assert str(row.values["Seen"]).startswith("2026-01-01 12:00")


def test_conditions_mean_the_same_in_both_ways(opened: Open) -> None:
    where = condition(all=[
        {"field": "Member", "is": "equals", "value": True},
        {"field": "Lifetime Spend", "is": "at least", "value": 3740},
        {"field": "Forename", "is": "starts with", "value": "Ada"},
    ])  # fmt: skip
    people = opened(table())
    assert keys(people, where, most=1) == ["p2494", "p2496", "p2498", "p2500"]
    assert people.count(where) == 4


def test_a_later_run_finds_its_place_again(opened: Open) -> None:
    people = opened(table())
    found = [each.person for each in people.page(None, after="p1200", most=2)]
    assert found in (["p1200", "p1201"], ["p1201", "p1202"]), "read twice does no harm, left out does"
    numbers = opened(NUMBERED)
    assert [each.person for each in numbers.page(None, after="9", most=3)][-1] in ("11", "12")
    assert keys(numbers, None, most=7) == [str(n) for n in range(1, 31)]
    assert [each.person for each in numbers.page(None, after="no number", most=1)] == ["1"]


def test_a_table_or_column_that_is_not_there_is_named(opened: Open) -> None:
    with pytest.raises(SetupError, match="Did you mean people"):
        opened(table(table="crm.poeple")).count(None)
    with pytest.raises(SetupError, match=r"no column person.*Did you mean Person"):
        opened(table(variables=[{"name": "Person URN", "column": "person"}])).count(None)
    with pytest.raises(SetupError, match="has no table"):
        opened(table(table='crm.people"; DROP TABLE crm.people; --')).count(None)
    assert opened(table()).count(None) == 2500


def test_what_keeps_the_driver_from_connecting_is_said_without_the_password(
    postgresql: PostgreSQL, odbc: Callable[[str], str], crm: str
) -> None:
    password = secrets.token_hex(8)
    wrong = driver.connection_string(postgresql, crm, password=password)
    with pytest.raises(Away) as refused:  # this driver says 08001 of a wrong password too
        OdbcPeople(table(), wrong, zone=LONDON, at=AT).count(None)
    assert "password authentication failed" in refused.value.message
    assert password not in str(refused.value)
    dead = odbc(crm).replace(f"Port={postgresql.port}", "Port=1")
    with pytest.raises(Away):
        OdbcPeople(table(), dead, zone=LONDON, at=AT).count(None)
    with pytest.raises(SetupError, match="driver"):
        OdbcPeople(table(), "Driver={No such driver};Server=x", zone=LONDON, at=AT).count(None)


@pytest.mark.req("DAT-01")
def test_a_store_is_filled_from_a_table_behind_odbc(
    odbc: Callable[[str], str], crm: str, tmp_path: Path
) -> None:
    there = {"connection": odbc(crm), "table": "crm.people", "variables": VARIABLES}
    world = TableWorld(tmp_path, setup=set_up(table=there))
    first, second = world.run("Fill TealGreen"), world.run("Fill TealGreen")
    world.close()
    assert (first.rows, first.inserted, first.rejected) == (2500, 2500, 0)
    assert (second.rows, second.updated) == (2500, 2500)

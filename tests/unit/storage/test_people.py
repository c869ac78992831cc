"""People asked by conditions and keys."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import sqlglot
from pydantic import TypeAdapter
from sqlalchemy.dialects import mssql
from sqlalchemy.schema import CreateIndex, CreateTable

from whereupon.connect.databases import Database, database
from whereupon.host.clock import FakeClock
from whereupon.model.conditions import Condition
from whereupon.model.errors import SetupError
from whereupon.model.setup import DataTable, Setup
from whereupon.storage import schema
from whereupon.storage.engines import writing
from whereupon.storage.people import (
    ImportedPeople,
    People,
    Row,
    ambiguous,
    count,
    described,
    find,
    physical,
    rows,
    shape,
)
from whereupon.storage.people_import import import_file
from whereupon.storage.system_tables import SYSTEM

pytestmark = pytest.mark.req("DAT-01")
TABLE = DataTable.model_validate(
    {
        "name": "People",
        "file": "people.csv",
        "key": "URN",
        "contact": {"email": "E-mail", "phone": "Mobile", "external_id": "Card"},
        "variables": [
            {"name": "URN", "column": "urn"},
            {"name": "E-mail", "column": "E-Mail Adresse"},
            {"name": "Mobile", "column": "mobile"},
            {"name": "Card", "column": "card"},
            {"name": "Spend", "column": "wu_person", "type": "number"},
            {"name": "Born", "column": "born", "type": "date"},
            {"name": "Seen", "column": "seen", "type": "datetime"},
            {"name": "Member", "column": "member", "type": "boolean"},
        ],
    }
)
SETUP = Setup.model_validate(
    {"system": {"name": "A", "time_zone": "Europe/London"}, "data": {"tables": [TABLE]}}
)
DATA = """urn,E-Mail Adresse,mobile,card,wu_person,born,seen,member
1001,Ada@Example.org,+44 20 7946 0958,C1,1840.50,1990-05-04,2026-03-01T12:00:00Z,yes
1002,bo@example.org,,C2,120,1985-02-28,,no
1003,ada@example.org,+442079460958,,,,,
"""
AT = int(datetime(2026, 5, 4, 8, tzinfo=UTC).timestamp() * 1000)


def condition(data: object) -> Condition:
    found: Condition = TypeAdapter(Condition).validate_python(data)
    return found


@pytest.fixture
def system(tmp_path: Path) -> Database:
    found = database("sqlite:///A.db", folder=tmp_path)
    schema.upgrade(found, "system")
    with writing(found) as connection:
        connection.execute(SYSTEM.tables["part"].insert().values(id=4, role="table", name="People"))
    path = tmp_path / "people.csv"
    path.write_text(DATA, encoding="utf-8")
    import_file(found, TABLE, 4, path, zone=ZoneInfo("Europe/London"), checksum="x", clock=FakeClock())
    return found


def test_a_row_has_contact_key_and_typed_values_by_name(system: Database) -> None:
    [first, *_] = rows(system, TABLE, SETUP, None, 0, 10)
    assert first == Row(
        1,
        "1001",
        {
            "URN": "1001",
            "E-mail": "Ada@Example.org",
            "Mobile": "+44 20 7946 0958",
            "Card": "C1",
            "Spend": 1840.5,
            "Born": date(1990, 5, 4),
            "Seen": datetime.fromisoformat("2026-03-01T12:00"),
            "Member": True,
        },
    )


def test_rows_come_in_pages_by_contact(system: Database) -> None:
    first = rows(system, TABLE, SETUP, None, 0, 2)
    assert [each.person for each in first] == ["1001", "1002"]
    rest = rows(system, TABLE, SETUP, None, first[-1].contact, 2)
    assert [each.person for each in rest] == ["1003"]
    assert rows(system, TABLE, SETUP, None, rest[-1].contact, 2) == []


@pytest.mark.parametrize(
    ("asked", "persons"),
    [
        ({"field": "Spend", "is": "at least", "value": 1000}, ["1001"]),
        ({"field": "E-mail", "is": "contains", "value": "xample"}, ["1001", "1002", "1003"]),
        ({"field": "Spend", "is": "empty"}, ["1003"]),
        ({"field": "Born", "is": "anniversary is today"}, ["1001"]),
        ({"field": "Member", "is": "equals", "value": False}, ["1002"]),
        ({"field": "Seen", "is": "before", "value": "2026-03-02"}, ["1001"]),
        ({"not": {"field": "Card", "is": "equals", "value": "C1"}}, ["1002", "1003"]),
    ],
)
def test_conditions_choose(system: Database, asked: object, persons: list[str]) -> None:
    found = rows(system, TABLE, SETUP, condition(asked), 0, 10, at=AT)
    assert [each.person for each in found] == persons
    assert count(system, TABLE, SETUP, condition(asked), at=AT) == len(persons)


def test_it_is_people_as_a_table_campaign_reads_them(system: Database) -> None:
    there: People = ImportedPeople(system, TABLE, SETUP, at=AT)
    assert there.count(None) == 3
    assert [each.contact for each in there.rows(None, after=1, most=1)] == [2]


def test_keys_match_trimmed_mail_without_case_and_phone_in_e164(system: Database) -> None:
    assert [each.contact for each in find(system, TABLE, "email", " ADA@example.ORG ")] == [1, 3]
    assert [each.contact for each in find(system, TABLE, "phone", "020 7946 0958", region="GB")] == [1, 3]
    assert [each.contact for each in find(system, TABLE, "external_id", " C2 ")] == [2]
    assert find(system, TABLE, "email", "") == []
    assert find(system, TABLE, "phone", "no number") == []


def test_keys_that_fit_several_are_reported(system: Database) -> None:
    assert ambiguous(system, TABLE, "email") == {"ada@example.org": (1, 3)}
    assert ambiguous(system, TABLE, "external_id") == {}


def test_a_key_that_no_variable_is_finds_nobody(system: Database, tmp_path: Path) -> None:
    bare = TABLE.model_copy(update={"contact": None})
    import_file(
        system, bare, 4, tmp_path / "people.csv", zone=ZoneInfo("UTC"), checksum="x", clock=FakeClock()
    )
    assert find(system, bare, "email", "ada@example.org") == []
    assert ambiguous(system, bare, "email") == {}


def test_a_table_that_was_not_imported_or_is_another_now_says_so(system: Database) -> None:
    with pytest.raises(SetupError, match="no people yet"):
        count(system, TABLE.model_copy(update={"name": "Others"}), SETUP, None)
    other = TABLE.model_copy(update={"variables": TABLE.variables[:4]})
    with pytest.raises(SetupError, match="imported with other variables"):
        count(system, other, SETUP, None)


def test_columns_have_names_that_every_server_takes() -> None:
    assert physical("Lifetime Spend").startswith("v_lifetime_spend_")
    names = {
        physical(each) for each in ("E-Mail", "e-mail", "wu_contact", "ä" * 300, "1", "Ä" * 300, "select")
    }
    assert len(names) == 7
    assert all(len(each) <= 52 and each.isascii() for each in names)


def test_the_shape_changes_with_what_an_import_would_make() -> None:
    assert shape(TABLE) == shape(TABLE.model_copy(update={"file": "other.csv"}))
    assert shape(TABLE) != shape(TABLE.model_copy(update={"contact": None}))


def test_the_table_for_sql_server_is_t_sql() -> None:
    made = described(TABLE, 4)
    dialect = mssql.dialect()  # type: ignore[no-untyped-call]
    indexes = [str(CreateIndex(index).compile(dialect=dialect)) for index in made.indexes]
    assert len(indexes) == 3
    for each in (str(CreateTable(made).compile(dialect=dialect)), *indexes):
        assert sqlglot.parse_one(each, read="tsql") is not None
    text = str(CreateTable(made).compile(dialect=dialect))
    assert "DATETIME2" in text
    assert "wu_email NVARCHAR(320) COLLATE Latin1_General_100_BIN2 NULL" in text

"""Imports of people."""

from __future__ import annotations

from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text

from whereupon.connect.databases import Database, database
from whereupon.host.clock import FakeClock
from whereupon.model.errors import Locked
from whereupon.model.setup import DataTable, Setup
from whereupon.storage import people_import, schema
from whereupon.storage.engines import reading, writing
from whereupon.storage.people import rows
from whereupon.storage.people_import import Imported, import_file, imports
from whereupon.storage.system_tables import SYSTEM

pytestmark = pytest.mark.req("DAT-01")
TABLE = DataTable.model_validate(
    {
        "name": "People",
        "file": "people.csv",
        "key": "URN",
        "contact": {"email": "Mail"},
        "variables": [{"name": "URN", "column": "urn"}, {"name": "Mail", "column": "mail"}],
    }
)
SETUP = Setup.model_validate({"system": {"name": "A"}, "data": {"tables": [TABLE]}})


@pytest.fixture
def system(tmp_path: Path) -> Database:
    found = database("sqlite:///A.db", folder=tmp_path)
    schema.upgrade(found, "system")
    with writing(found) as connection:
        connection.execute(SYSTEM.tables["part"].insert().values(id=4, role="table", name="People"))
    return found


def load(system: Database, *lines: str, table: DataTable = TABLE) -> Imported:
    assert system.path is not None
    path = system.path.with_name("people.csv")
    path.write_text("\n".join(("urn,mail", *lines)), encoding="utf-8")
    return import_file(system, table, 4, path, zone=ZoneInfo("UTC"), checksum="sum", clock=FakeClock())


def contacts(system: Database) -> dict[str, int]:
    return {each.person: each.contact for each in rows(system, TABLE, SETUP, None, 0, 10_000)}


def test_the_good_rows_go_in_and_the_others_are_reported(system: Database) -> None:
    done = load(system, "1,a@x", ",b@x", "3,c@x", "1,again@x")
    assert (done.taken, done.rejected) == (2, 2)
    assert set(done.said) == {
        "row 3: the key (URN) is empty",
        "row 5: the key 1 stands in row 2 already, and that one counts",
    }
    assert contacts(system) == {"1": 1, "3": 2}
    assert rows(system, TABLE, SETUP, None, 0, 1)[0].values["Mail"] == "a@x"


def test_contact_ids_last_over_imports_even_for_those_who_were_away(system: Database) -> None:
    load(system, "1,a@x", "2,b@x", "3,c@x")
    load(system, "4,d@x", "2,b@x")
    assert contacts(system) == {"2": 2, "4": 4}
    load(system, "5,e@x", "3,c@x", "1,a@x")
    assert contacts(system) == {"1": 1, "3": 3, "5": 5}


def test_an_import_takes_the_place_of_the_one_before_and_is_noted(system: Database) -> None:
    load(system, "1,a@x")
    load(system, "1,new@x")
    assert rows(system, TABLE, SETUP, None, 0, 10)[0].values["Mail"] == "new@x"
    assert imports(system)[4][0] == "sum"
    with reading(system) as connection:
        noted = connection.execute(text("SELECT taken, rejected, path FROM imports")).all()
    assert [(row[0], row[1]) for row in noted] == [(1, 0)]


def test_other_variables_make_another_table_with_the_same_contacts(system: Database) -> None:
    load(system, "1,a@x", "2,b@x")
    other = TABLE.model_copy(update={"contact": None, "variables": TABLE.variables[:1]})
    load(system, "2,b@x", table=other)
    assert [(each.contact, dict(each.values)) for each in rows(system, other, SETUP, None, 0, 10)] == [
        (2, {"URN": "2"})
    ]


def test_an_import_that_ended_in_the_middle_leaves_the_old_rows_and_can_be_begun_again(
    system: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(system, "1,a@x")
    monkeypatch.setattr(people_import, "CHUNK", 2)
    real, calls = people_import._add, []

    def dies(*given: object) -> None:
        calls.append(given)
        if len(calls) == 2:
            raise RuntimeError("power cut")
        real(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(people_import, "_add", dies)
    with pytest.raises(RuntimeError):
        load(system, *(f"{number},x@x" for number in range(2, 9)))
    assert contacts(system) == {"1": 1}
    monkeypatch.setattr(people_import, "_add", real)
    done = load(system, *(f"{number},x{number}@x" for number in range(2, 9)))
    assert done.taken == 7
    assert contacts(system) == {str(number): number for number in range(2, 9)}


def test_many_bad_rows_are_counted_and_some_are_named(
    system: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(people_import, "SAID", 3)
    done = load(system, *[",x"] * 10)
    assert (done.taken, done.rejected) == (0, 10)
    assert done.said == (
        "row 2: the key (URN) is empty",
        "row 3: the key (URN) is empty",
        "row 4: the key (URN) is empty",
        "7 more rows were left out",
    )


def test_keys_that_fit_several_contacts_are_reported_at_the_import(system: Database) -> None:
    done = load(system, "1,ada@x", "2,ADA@x")
    assert done.said == ("the email ada@x fits 2 contacts: 1, 2",)
    many = load(system, *(f"{n},mail{n // 2}@x" for n in range(60)))
    assert many.said[-1] == "10 more keys of this kind fit several contacts"


def test_two_imports_of_one_table_at_once_are_refused(system: Database) -> None:
    other = system.session()
    try:
        assert other.try_lock("whereupon people 4")
        with pytest.raises(Locked, match="being imported"):
            load(system, "1,a@x")
    finally:
        other.close()


def test_more_rows_than_a_transaction_holds_all_go_in(system: Database) -> None:
    done = load(system, *(f"{number},mail{number}@example.org" for number in range(12_000)))
    assert done == Imported(12_000, 0, ())
    assert len(contacts(system)) == 10_000

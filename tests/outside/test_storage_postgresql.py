"""Configuration, schemas and people on a real PostgreSQL."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from pydantic import TypeAdapter
from sqlalchemy import MetaData

from tests.servers.postgresql import PASSWORD, PostgreSQL
from whereupon.connect.databases import Database, database
from whereupon.host.clock import Clock, FakeClock
from whereupon.host.paths import resources
from whereupon.kit.registry import Registry, discover
from whereupon.model.conditions import Condition
from whereupon.model.errors import Locked, Mistakes, SetupError, WhereuponError
from whereupon.model.setup import DataTable, Setup
from whereupon.storage import folder as folders
from whereupon.storage import schema
from whereupon.storage.apply import Applied, apply
from whereupon.storage.differences import normal
from whereupon.storage.engines import reading, writing
from whereupon.storage.files import read_file
from whereupon.storage.journal_tables import JOURNAL
from whereupon.storage.making import make, there_is
from whereupon.storage.people import ambiguous, count, find, rows
from whereupon.storage.people_import import import_file
from whereupon.storage.repository import Repository
from whereupon.storage.schema import Which
from whereupon.storage.system_tables import SYSTEM
from whereupon.storage.vault import MemoryVault

pytestmark = [pytest.mark.outside, pytest.mark.usefixtures("home")]
EXAMPLE = read_file(resources() / "example" / "tealhols.yaml").setup


@pytest.fixture(scope="module")
def registry() -> Registry:
    return discover()


@pytest.fixture
def empty(postgresql: PostgreSQL, tmp_path: Path) -> Iterator[Database]:
    name = postgresql.create_database()
    found = database(postgresql.url(name, password=None), folder=tmp_path, password=PASSWORD)
    yield found
    found.close()
    postgresql.drop_database(name)


@pytest.mark.parametrize(("which", "tables"), [("system", SYSTEM), ("streams", JOURNAL)])
def test_the_migrations_give_exactly_the_tables_that_the_program_knows(
    empty: Database, which: Which, tables: MetaData
) -> None:
    assert schema.version(empty, which) is None
    schema.upgrade(empty, which)
    assert schema.upgrade(empty, which) == schema.version(empty, which) == schema.newest(which)
    with reading(empty) as connection:
        options = {"version_table": f"schema_{which}", "compare_type": True}
        assert compare_metadata(MigrationContext.configure(connection, opts=options), tables) == []
        collations = connection.exec_driver_sql(
            "SELECT count(*) FROM information_schema.columns WHERE table_schema = 'public'"
            " AND data_type IN ('text', 'character varying') AND table_name <> %s"
            " AND collation_name IS DISTINCT FROM 'C'",
            (f"schema_{which}",),
        ).scalar()
    assert collations == 0


def test_upgrades_at_the_same_time_make_one_schema(empty: Database) -> None:
    failed: list[BaseException] = []

    def upgrade() -> None:
        try:
            schema.upgrade(empty, "system")
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=upgrade) for _ in range(3)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert failed == []
    assert schema.version(empty, "system") == schema.newest("system")


def test_a_newer_schema_is_refused(empty: Database) -> None:
    schema.upgrade(empty, "streams")
    with closing(empty.session()) as session:
        session.run("UPDATE schema_streams SET version_num = '9999'")
    with pytest.raises(SetupError, match="newer Whereupon"):
        schema.upgrade(empty, "streams")


@pytest.mark.req("NEW-03")
def test_revisions_are_kept_and_gone_back_to(empty: Database, registry: Registry) -> None:
    schema.upgrade(empty, "system")
    one = Repository(empty, registry, MemoryVault(), clock=FakeClock())
    names = [each.name for each in EXAMPLE.campaigns]
    assert one.save(EXAMPLE, author="ann", publish=names) == 1
    assert one.save(EXAMPLE, author="ann", publish=names) == 1
    fewer = EXAMPLE.model_copy(update={"campaigns": EXAMPLE.campaigns[:2]})
    assert one.save(fewer, author="bob", expected=1) == 2
    with pytest.raises(Locked, match="bob saved revision 2"):
        one.save(EXAMPLE, author="ann", expected=1)
    assert one.rollback(1, author="ann") == 3
    assert normal(one.setup()) == normal(EXAMPLE)
    assert [each.number for each in one.history()] == [3, 2, 1]
    assert len(one.running().campaigns) == 3
    one.close()


@pytest.mark.req("NEW-03")
def test_savers_at_the_same_time_get_a_revision_each(empty: Database, registry: Registry) -> None:
    schema.upgrade(empty, "system")

    def save(number: int) -> None:
        one = Repository(empty, registry)
        setup = EXAMPLE.model_copy(
            update={"system": EXAMPLE.system.model_copy(update={"name": f"Name {number}"})}
        )
        one.save(setup, author=str(number))
        one.close()

    threads = [threading.Thread(target=save, args=(number,)) for number in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    one = Repository(empty, registry)
    assert [each.number for each in one.history()] == [4, 3, 2, 1]
    one.close()


@pytest.mark.req("DAT-01")
def test_people_are_imported_asked_and_found(empty: Database, tmp_path: Path) -> None:
    schema.upgrade(empty, "system")
    with writing(empty) as connection:
        connection.execute(SYSTEM.tables["part"].insert().values(id=4, role="table", name="People"))
    table = DataTable.model_validate(
        {
            "name": "People", "file": "p.csv", "key": "URN", "contact": {"email": "Mail"},
            "variables": [
                {"name": "URN", "column": "urn"}, {"name": "Mail", "column": "E-Mail"},
                {"name": "Spend", "column": "spend", "type": "number"},
                {"name": "Born", "column": "born", "type": "date"},
                {"name": "Seen", "column": "seen", "type": "datetime"},
                {"name": "Yes", "column": "yes", "type": "boolean"},
            ],
        }
    )  # fmt: skip
    setup = Setup.model_validate({"system": {"name": "A"}, "data": {"tables": [table]}})
    path = tmp_path / "p.csv"

    def load(*lines: str) -> int:
        path.write_text("\n".join(("urn,E-Mail,spend,born,seen,yes", *lines)), encoding="utf-8")
        return import_file(empty, table, 4, path, zone=ZoneInfo("UTC"), checksum="x", clock=Clock()).taken

    assert (
        load(
            "1,A@x,5.5,2000-01-01,2026-01-01T10:00:00,yes", "2,b@x,,,,", "x,c@x,no number,,,", "3,a@x,9,,,no"
        )
        == 3
    )
    assert load(*(f"{number},m{number}@x,{number},,," for number in range(3, 6_003)), "1,A@x,5.5,,,") == 6_001
    dear: Condition = TypeAdapter(Condition).validate_python(
        {"field": "Spend", "is": "at least", "value": 6_000}
    )
    assert [(each.contact, each.person) for each in rows(empty, table, setup, dear, 0, 2)] == [
        (6_000, "6000"),
        (6_001, "6001"),
    ]
    assert count(empty, table, setup, dear) == 3
    assert [each.contact for each in find(empty, table, "email", " a@X ")] == [1]
    assert load("1,A@x,5.5,2000-01-01,2026-01-01T10:00:00,yes", "9,a@x,,,,") == 2
    assert [each.contact for each in rows(empty, table, setup, None, 0, 5)] == [1, 9]
    assert ambiguous(empty, table, "email") == {"a@x": (1, 9)}


class World:
    """The worked example with its databases on the server."""

    def __init__(self, folder: Path, server: PostgreSQL, prefix: str) -> None:
        shutil.copytree(resources() / "example", folder / "files")
        self.file = folder / "files" / "tealhols.yaml"
        self.names = {each: f"{prefix}_{each}" for each in folders.DATABASES}
        text = self.file.read_text(encoding="utf-8")
        for name, old in zip(folders.DATABASES, ("TealHols", "PM_TealHols", "SD_TealHols"), strict=True):
            text = text.replace(f"sqlite:///{old}.db", server.url(self.names[name]))
        self.file.write_text(text, encoding="utf-8")
        self.vault = MemoryVault()

    def apply(self, folder: Path, registry: Registry) -> Applied:
        return apply(self.file, folder, author="ann", registry=registry, vault=self.vault)


@pytest.fixture
def world(postgresql: PostgreSQL, tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, postgresql, f"Teal-{tmp_path.name[-12:]}")
    yield made
    for each in made.names.values():
        postgresql.drop_database(each)


@pytest.mark.req("NEW-03")
def test_apply_makes_databases_on_the_server_and_keeps_their_passwords_in_the_vault(
    world: World, registry: Registry, tmp_path: Path
) -> None:
    first = world.apply(tmp_path / "A", registry)
    assert first.revision == 1
    assert world.apply(tmp_path / "A", registry).changes == []
    assert PASSWORD not in (tmp_path / "A" / "whereupon.toml").read_text(encoding="utf-8")
    assert world.vault.read("database/system") == PASSWORD
    assert PASSWORD not in str(first)


def test_a_second_folder_may_share_the_databases(world: World, registry: Registry, tmp_path: Path) -> None:
    world.apply(tmp_path / "A", registry)
    second = world.apply(tmp_path / "B", registry)
    assert second.revision == 1
    assert [each.split(":")[0] for each in second.changes] == ["System TealHols"]
    assert folders.opened(tmp_path / "A").id != folders.opened(tmp_path / "B").id


def test_a_mistake_makes_no_database(
    world: World, registry: Registry, tmp_path: Path, postgresql: PostgreSQL
) -> None:
    text = world.file.read_text(encoding="utf-8")
    world.file.write_text(text.replace("channel: ESP}", "channel: Nowhere}"), encoding="utf-8")
    with pytest.raises(Mistakes):
        world.apply(tmp_path / "A", registry)
    assert not (tmp_path / "A").exists()
    listed = postgresql.rows("postgres", "SELECT datname FROM pg_database")
    assert not {name for (name,) in listed} & set(world.names.values())


def test_a_wrong_password_is_said_and_nothing_is_made(
    world: World, registry: Registry, tmp_path: Path
) -> None:
    text = world.file.read_text(encoding="utf-8")
    world.file.write_text(text.replace("owner%27s", "wrong"), encoding="utf-8")
    with pytest.raises(WhereuponError) as raised:
        world.apply(tmp_path / "A", registry)
    assert "wrong" not in str(raised.value).replace("wrong password", "")
    assert not (tmp_path / "A").exists()


def test_a_database_that_is_not_there_is_made_once(postgresql: PostgreSQL, tmp_path: Path) -> None:
    url = postgresql.url("Made-here", password=None)
    assert not there_is(url, folder=tmp_path, password=PASSWORD)
    make(url, folder=tmp_path, password=PASSWORD)
    assert there_is(url, folder=tmp_path, password=PASSWORD)
    postgresql.drop_database("Made-here")

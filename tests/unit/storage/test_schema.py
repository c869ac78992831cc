"""Schemas made, upgraded and checked."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import sqlglot
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, MetaData
from sqlalchemy.dialects import mssql
from sqlalchemy.schema import CreateIndex, CreateTable

from whereupon.connect.databases import Database, database
from whereupon.host.clock import FakeClock
from whereupon.model.errors import Locked, SetupError
from whereupon.storage import schema
from whereupon.storage.engines import reading
from whereupon.storage.journal_tables import JOURNAL
from whereupon.storage.schema import Which
from whereupon.storage.system_tables import SYSTEM

MSSQL = mssql.dialect()  # type: ignore[no-untyped-call]
BOTH: list[tuple[Which, MetaData]] = [("system", SYSTEM), ("streams", JOURNAL)]


@pytest.fixture
def empty(tmp_path: Path) -> Database:
    return database("sqlite:///Test 100%.db", folder=tmp_path)


def path_of(found: Database) -> Path:
    assert found.path is not None
    return found.path


def execute(found: Database, statement: str) -> None:
    with closing(sqlite3.connect(path_of(found))) as connection, connection:
        connection.execute(statement)


@pytest.mark.parametrize(("which", "tables"), BOTH)
class TestEach:
    def test_the_migrations_give_exactly_the_tables_that_the_program_knows(
        self, empty: Database, which: Which, tables: MetaData
    ) -> None:
        schema.upgrade(empty, which)
        with reading(empty) as connection:
            context = MigrationContext.configure(
                connection, opts={"version_table": f"schema_{which}", "compare_type": True}
            )
            assert compare_metadata(context, tables) == []
            made = tables_in(connection)
        fresh = database("sqlite:///fresh.db", folder=path_of(empty).parent)
        tables.create_all(fresh.engine)
        with reading(fresh) as connection:
            wanted = tables_in(connection)
        assert {name: plain(made[name]) for name in wanted} == {
            name: plain(sql) for name, sql in wanted.items()
        }

    def test_a_second_upgrade_changes_nothing(self, empty: Database, which: Which, tables: MetaData) -> None:
        assert schema.version(empty, which) is None
        assert schema.upgrade(empty, which) == schema.newest(which)
        before = path_of(empty).read_bytes()
        assert schema.upgrade(empty, which) == schema.newest(which) == schema.version(empty, which)
        assert path_of(empty).read_bytes() == before

    def test_the_sql_for_sql_server_is_t_sql_and_the_same_tables(
        self, empty: Database, which: Which, tables: MetaData
    ) -> None:
        text = schema.sql(which, "mssql")
        statements = [each.strip().rstrip(";") for each in text.split("\nGO\n")]
        made = {plain(each) for each in statements}
        for each in statements:
            if each and not each.startswith(("--", "BEGIN", "COMMIT")):
                assert sqlglot.parse_one(each, read="tsql") is not None
        for table in tables.sorted_tables:
            assert any(plain(str(CreateTable(table).compile(dialect=MSSQL))) in each for each in made)
            for index in table.indexes:
                assert any(plain(str(CreateIndex(index).compile(dialect=MSSQL))) in each for each in made)
        assert not any(word in text.upper() for word in ("AUTOINCREMENT", "SERIAL", " TEXT ", "ON CONFLICT"))

    def test_no_key_of_sql_server_is_wider_than_it_takes(
        self, empty: Database, which: Which, tables: MetaData
    ) -> None:
        assert list(sqlglot.parse(schema.sql(which, "postgresql"), read="postgres"))
        for table in tables.sorted_tables:
            keys = [list(table.primary_key), *(list(each.columns) for each in table.indexes)]
            for columns in keys:
                width = sum((getattr(each.type, "length", None) or 4) * 2 for each in columns)
                assert width <= 1700, table.name

    def test_a_newer_schema_is_refused_and_left_alone(
        self, empty: Database, which: Which, tables: MetaData
    ) -> None:
        schema.upgrade(empty, which)
        execute(empty, f"UPDATE schema_{which} SET version_num = '9999'")
        with pytest.raises(SetupError, match="made by a newer Whereupon"):
            schema.upgrade(empty, which)
        assert schema.version(empty, which) == "9999"


def tables_in(connection: Connection) -> dict[str, str]:
    rows = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE type = 'table'")
    return {row[0]: row[1] for row in rows}


def plain(sql: str) -> str:
    return " ".join(sql.replace("\n", " ").replace("\t", " ").split()).replace("( ", "(").replace(" )", ")")


def test_both_schemas_may_live_in_one_database(empty: Database) -> None:
    schema.upgrade(empty, "system")
    schema.upgrade(empty, "streams")
    assert schema.version(empty, "system") == schema.newest("system")
    assert schema.version(empty, "streams") == schema.newest("streams")


def test_a_database_with_data_is_copied_before_a_migration(
    empty: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    schema.upgrade(empty, "system")
    execute(empty, "INSERT INTO part VALUES (1, 'channel', 'ESP')")
    execute(empty, "UPDATE schema_system SET version_num = '0000'")
    monkeypatch.setattr(schema, "_known", lambda found, which: None)
    asked: list[str] = []
    monkeypatch.setattr(command, "upgrade", lambda config, to: asked.append(to))
    schema.upgrade(empty, "system")
    assert asked == ["head"]
    [copy] = (path_of(empty).parent / "Backups").glob("*.db")
    assert "schema-0000" in copy.name
    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("SELECT name FROM part").fetchall() == [("ESP",)]


def test_a_migration_that_fails_leaves_the_database_as_it_was(
    empty: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = command.upgrade

    def fail(config: Config, to: str) -> None:
        real(config, to)
        raise RuntimeError("power cut")

    monkeypatch.setattr(command, "upgrade", fail)
    with pytest.raises(RuntimeError):
        schema.upgrade(empty, "system")
    assert schema.version(empty, "system") is None
    monkeypatch.undo()
    assert schema.upgrade(empty, "system") == schema.newest("system")


@pytest.mark.fault(43)
class TestDamage:
    def test_a_file_that_is_no_database_is_said_and_kept(self, empty: Database) -> None:
        path_of(empty).write_bytes(b"not a database at all" * 100)
        with pytest.raises(SetupError, match="damaged, or is no database") as raised:
            schema.upgrade(empty, "system")
        assert "backup" in raised.value.hint.lower()
        assert path_of(empty).read_bytes() == b"not a database at all" * 100

    def test_flipped_bytes_are_found_and_the_hint_names_the_copies(self, empty: Database) -> None:
        schema.upgrade(empty, "system")
        rows = ", ".join(f"({number}, 'channel', 'part {number}')" for number in range(2000))
        execute(empty, f"INSERT INTO part VALUES {rows}")
        with closing(sqlite3.connect(path_of(empty))) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            root = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'part'").fetchone()[0]
            size = connection.execute("PRAGMA page_size").fetchone()[0]
        data = bytearray(path_of(empty).read_bytes())
        data[(root - 1) * size : (root - 1) * size + 200] = b"\xff" * 200
        path_of(empty).write_bytes(data)
        with pytest.raises(SetupError) as raised:
            schema.check(empty)
        assert "Backups" in raised.value.hint
        assert path_of(empty).read_bytes() == bytes(data)

    def test_a_damaged_index_is_found(self, empty: Database) -> None:
        schema.upgrade(empty, "system")
        execute(empty, "INSERT INTO part VALUES (1, 'channel', 'ESP')")
        with closing(sqlite3.connect(path_of(empty))) as connection, connection:
            connection.execute("PRAGMA writable_schema = ON")
            connection.execute("DELETE FROM sqlite_master WHERE name = 'sqlite_autoindex_part_1'")
        with pytest.raises(SetupError, match="damaged"):
            schema.check(empty)

    def test_a_large_file_is_only_looked_at(self, empty: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        schema.upgrade(empty, "system")
        monkeypatch.setattr(schema, "CHECKED", 10)
        schema.check(empty)
        path_of(empty).write_bytes(b"x" * 5000)
        with pytest.raises(SetupError, match="damaged"):
            schema.check(empty)

    def test_what_is_missing_or_empty_is_sound(self, empty: Database) -> None:
        schema.check(empty)
        path_of(empty).touch()
        schema.check(empty)
        assert schema.upgrade(empty, "system")


def test_somebody_elses_migration_is_waited_for_and_then_said(
    empty: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "PATIENCE", 0.3)
    other = empty.session()
    try:
        assert other.try_lock("whereupon migration system")
        with pytest.raises(Locked, match="upgrading"):
            schema.upgrade(empty, "system", clock=FakeClock(hurried=True))
    finally:
        other.close()
    assert schema.upgrade(empty, "system", clock=FakeClock(hurried=True))

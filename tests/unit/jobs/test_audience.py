"""Whom a table campaign is for: imported people, and people read where they are."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tests.unit.jobs.table_world import VARIABLES, TableWorld, set_up
from whereupon.jobs.audience import connected, usable
from whereupon.model.errors import SetupError


def crm(folder: Path, *people: tuple[str, str]) -> None:
    """Somebody else's database."""
    connection = sqlite3.connect(folder / "crm.db")
    made = "person_urn TEXT, email TEXT, forename TEXT, lifetime_spend REAL"
    connection.execute(f"CREATE TABLE IF NOT EXISTS people ({made})")
    connection.executemany("INSERT INTO people VALUES (?, ?, 'Ada', 1)", people)
    connection.commit()
    connection.close()


def test_a_table_that_is_read_where_it_is_fills_a_store_with_lasting_contact_ids(tmp_path: Path) -> None:
    crm(tmp_path, ("b", "b@example.org"), ("d", "d@example.org"), ("  ", "x@example.org"))
    there = {"connection": "sqlite:///crm.db", "table": "people", "variables": VARIABLES}
    world = TableWorld(tmp_path, setup=set_up(table=there))
    first = world.run("Fill TealGreen")
    crm(tmp_path, ("a", "a@example.org"))
    second = world.run("Fill TealGreen")
    session = world.shop.databases.system.session()
    contacts = session.all("SELECT person, id FROM contact WHERE person IN ('a', 'b', 'd') ORDER BY id")
    session.close()
    records = list(world.records())
    world.close()
    assert (first.inserted, first.rejected) == (2, 1)
    assert first.said == (("", "key: the key is empty, longer than 200 characters or holds U+0000"),)
    assert (second.inserted, second.updated) == (1, 2)
    assert contacts == [("b", 2), ("d", 3), ("a", 4)]
    assert records == ["a", "b", "d"]


def test_a_secret_of_a_connection_is_taken_from_the_vault_and_never_said(tmp_path: Path) -> None:
    there = {"connection": "Driver={None};PWD=${secret:crm}", "table": "people", "variables": VARIABLES}
    world = TableWorld(tmp_path, setup=set_up(table=there))
    world.shop.vault.write("crm", "hunter2-and-more")
    with pytest.raises(SetupError) as failed:
        world.run("Fill TealGreen")
    world.close()
    assert "hunter2" not in str(failed.value)


def test_a_secret_that_is_missing_is_named(tmp_path: Path) -> None:
    there = {"connection": "Driver={None};PWD=${secret:crm}", "table": "people", "variables": VARIABLES}
    world = TableWorld(tmp_path, setup=set_up(table=there))
    table = world.repository.setup().table("People")
    assert table is not None
    with pytest.raises(SetupError, match="crm"):
        connected(world.shop, table, zone=ZoneInfo("UTC"), at=0)
    world.close()


def test_a_key_is_usable_that_the_journal_can_take() -> None:
    assert usable("x" * 200)
    for key in ("", "x" * 201, "a\0b"):
        assert not usable(key)

"""The tables of the Streams database, on all three servers."""

from __future__ import annotations

import pytest
from sqlalchemy.dialects import mssql, postgresql, sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

from whereupon.storage.journal_tables import JOURNAL

DIALECTS = {"sqlite": sqlite.dialect(), "postgresql": postgresql.dialect(), "mssql": mssql.dialect()}  # type: ignore[no-untyped-call]
CHANGING = {
    "event": set[str](),
    "outcome": {"state", "reason", "tries", "finished", "first_try", "owner"},
    "waiting": {"tries"},
}


@pytest.mark.parametrize("server", DIALECTS)
def test_every_table_can_be_made(server: str) -> None:
    for table in JOURNAL.sorted_tables:
        assert str(CreateTable(table).compile(dialect=DIALECTS[server])).strip().startswith("CREATE TABLE")
        for index in table.indexes:
            assert "INDEX" in str(CreateIndex(index).compile(dialect=DIALECTS[server]))


@pytest.mark.parametrize("table", CHANGING)
def test_no_column_that_changes_is_indexed(table: str) -> None:
    found = JOURNAL.tables[table]
    indexed = {column.name for index in found.indexes for column in index.columns}
    assert not (indexed | {column.name for column in found.primary_key}) & CHANGING[table]


def test_only_one_random_key_has_an_index() -> None:
    """An index on a random key costs 16 µs an event with 3 million of them (line.md, Tables)."""
    assert [each.name for each in JOURNAL.tables["event"].indexes] == ["event_once"]
    assert not JOURNAL.tables["outcome"].indexes


def test_text_keys_are_compared_by_code_point() -> None:
    person = JOURNAL.tables["event"].c.person.type
    assert 'COLLATE "C"' in person.compile(DIALECTS["postgresql"])
    assert "COLLATE Latin1_General_100_BIN2" in person.compile(DIALECTS["mssql"])

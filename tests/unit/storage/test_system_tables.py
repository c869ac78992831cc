"""The tables of the system database."""

from __future__ import annotations

import pytest
from sqlalchemy.engine import make_url
from sqlalchemy.schema import CreateTable

from whereupon.storage.system_tables import SYSTEM


@pytest.mark.parametrize("url", ["sqlite://", "postgresql+psycopg://", "mssql+pyodbc://"])
def test_every_table_can_be_written_for_every_server(url: str) -> None:
    dialect = make_url(url).get_dialect()()
    for table in SYSTEM.sorted_tables:
        assert f"CREATE TABLE {table.name}" in str(CreateTable(table).compile(dialect=dialect))


def test_communications_have_the_columns_that_were_promised() -> None:
    table = SYSTEM.tables["communications"]
    assert [each.name for each in table.primary_key] == ["key"]
    assert {
        "key", "campaign", "version", "stream", "event_id", "person", "channel", "address", "provider_id", "sent_at",
        "loaded_at",
    } <= set(table.columns.keys())  # fmt: skip

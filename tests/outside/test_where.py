"""Conditions as SQL mean on PostgreSQL what they mean in memory."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import URL, Connection, DateTime, Numeric, create_engine

from tests.servers.postgresql import PostgreSQL
from tests.unit.connect.people import (
    LONDON,
    conditions,
    every_comparison,
    every_row,
    in_memory,
    in_sql,
    people,
    read,
    rows,
)

pytestmark = pytest.mark.outside


@pytest.fixture
def connection(postgresql: PostgreSQL) -> Iterator[Connection]:
    """One connection to a new database."""
    url = URL.create(
        "postgresql+psycopg",
        postgresql.user,
        postgresql.password,
        postgresql.host,
        postgresql.port,
        postgresql.create_database(),
    )
    engine = create_engine(url)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


@pytest.mark.parametrize("zoned", [False, True], ids=["plain", "numeric and with a zone"])
def test_memory_and_postgresql_find_the_same_people(connection: Connection, zoned: bool) -> None:
    table = people(spend=Numeric(), seen=DateTime(timezone=True)) if zoned else people()
    table.create(connection)

    for each in every_comparison():
        there = [{**row, "seen": in_london(row["seen"]) if zoned else row["seen"]} for row in every_row()]
        assert in_sql(connection, table, read(each), there) == in_memory(read(each), there), each

    @settings(max_examples=150)
    @given(condition=conditions, given=st.lists(rows, min_size=1, max_size=4))
    def agree(condition: dict[str, Any], given: list[dict[str, Any]]) -> None:
        asked = read(condition)
        there = [{**row, "seen": in_london(row["seen"]) if zoned else row["seen"]} for row in given]
        assert in_sql(connection, table, asked, there) == in_memory(asked, there)

    agree()


def in_london(seen: datetime | None) -> datetime | None:
    """A time with the zone whose clock showed it."""
    return seen.replace(tzinfo=LONDON) if seen is not None else None

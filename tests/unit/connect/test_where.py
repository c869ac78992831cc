"""Conditions as SQL mean what they mean in memory."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
import sqlglot
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, DateTime, create_engine, select
from sqlalchemy.dialects import mssql, postgresql

from tests.unit.connect.people import (
    AT,
    LONDON,
    columns,
    conditions,
    every_comparison,
    every_row,
    in_memory,
    in_sql,
    people,
    read,
    rows,
)
from whereupon.connect.where import where
from whereupon.model.errors import SetupError

PEOPLE = people()
ZONED = columns(people(seen=DateTime(timezone=True)))


@pytest.fixture(scope="module")
def sqlite() -> Iterator[Connection]:
    """A database with the empty table."""
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        PEOPLE.create(connection)
        yield connection
    engine.dispose()


def test_every_comparison_finds_the_same_people_in_memory_and_sqlite(sqlite: Connection) -> None:
    for condition in every_comparison():
        found = in_sql(sqlite, PEOPLE, read(condition), every_row())
        assert found == in_memory(read(condition), every_row()), condition


@settings(max_examples=200)
@given(condition=conditions, given=st.lists(rows, min_size=1, max_size=5))
def test_memory_and_sqlite_find_the_same_people(
    condition: dict[str, Any], given: list[dict[str, Any]], sqlite: Connection
) -> None:
    asked = read(condition)
    assert in_sql(sqlite, PEOPLE, asked, given) == in_memory(asked, given)


@settings(max_examples=150)
@given(condition=conditions)
def test_sql_server_gets_sql_of_its_own(condition: dict[str, Any]) -> None:
    query = select(PEOPLE.c.id).where(
        where(read(condition), columns(PEOPLE), at=AT, zone=LONDON, dialect="mssql")
    )
    dialect = mssql.dialect()  # type: ignore[no-untyped-call]
    sql = str(query.compile(dialect=dialect, compile_kwargs={"render_postcompile": True}))
    sqlglot.parse_one(re.sub(r":\w+", "?", sql), read="tsql")
    assert not re.search(r"\bMERGE\b|\bLIMIT\b|ON CONFLICT|RETURNING|\|\|", sql)


@pytest.mark.parametrize(
    "bad", [{"field": "x", "is": "empty"}, {"field": "spend", "is": "contains", "value": "1"}]
)
def test_a_condition_that_cannot_be_asked_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(SetupError, match=r"x is no variable|makes no sense"):
        where(read(bad), columns(PEOPLE), at=AT, zone=LONDON, dialect="sqlite")


def test_postgresql_brings_a_time_with_a_zone_into_the_systems() -> None:
    asked = read({"field": "seen", "is": "after", "value": "2026-05-01T10:00"})
    made = where(asked, ZONED, at=AT, zone=LONDON, dialect="postgresql")
    assert "timezone(" in str(made.compile(dialect=postgresql.dialect()))  # type: ignore[no-untyped-call]


def test_sql_server_cannot_bring_a_time_with_a_zone_into_the_systems() -> None:
    with pytest.raises(SetupError, match="with a zone"):
        where(read({"field": "seen", "is": "not empty"}), ZONED, at=AT, zone=LONDON, dialect="mssql")


def test_a_time_written_with_a_zone_is_compared_in_the_systems(sqlite: Connection) -> None:
    asked = read({"field": "seen", "is": "equals", "value": "2026-05-01T10:00+02:00"})
    given = [{"seen": datetime.fromisoformat(each)} for each in ("2026-05-01T09:00", "2026-05-01T10:00")]
    assert in_sql(sqlite, PEOPLE, asked, given) == in_memory(asked, given) == [0]

"""A table of people, conditions about them, and who is found in memory and by a database."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, get_args
from zoneinfo import ZoneInfo

from hypothesis import strategies as st
from pydantic import TypeAdapter
from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Date,
    DateTime,
    Double,
    Integer,
    MetaData,
    Table,
    Unicode,
    insert,
    select,
)  # fmt: skip
from sqlalchemy.types import TypeEngine

from whereupon.connect.where import Columns, where
from whereupon.model.conditions import Condition, Known, Names, compiled
from whereupon.model.operators import Operator
from whereupon.model.setup import DataTable, Variable, VariableType

LONDON = ZoneInfo("Europe/London")
TYPES: dict[str, VariableType] = {
    "name": "text", "code": "text", "spend": "number", "born": "date", "seen": "datetime", "member": "boolean",
}  # fmt: skip


def people(*, spend: TypeEngine[Any] | None = None, seen: TypeEngine[Any] | None = None) -> Table:
    """A table of people; numbers and times may be of other types."""
    return Table(
        "people",
        MetaData(),
        Column("id", Integer, primary_key=True),
        Column("name", Unicode(50)),
        Column("code", Integer),
        Column("spend", spend or Double()),
        Column("born", Date),
        Column("seen", seen or DateTime()),
        Column("member", Boolean),
    )


def columns(table: Table) -> Columns:
    """Its variables."""
    return {name: (table.c[name], type) for name, type in TYPES.items()}


NAMES = Names(
    table=DataTable(
        name="People",
        file="people.csv",
        key="name",
        variables=tuple(Variable(name=name, column=name, type=type) for name, type in TYPES.items()),
    )
)
CONDITION: TypeAdapter[Any] = TypeAdapter(Condition)
AT = int(datetime(2026, 2, 28, 23, 30, tzinfo=UTC).timestamp() * 1000)

_time = datetime.fromisoformat

# Few values, so that a row often has the very value that a condition asks for, or its neighbour.
TEXTS = ["Rome", " Rome", "Rome ", "rome", "Ro", "om", "", "  ", "ä", "Ä", "😀", "%", "_", "'", "\t", "[R]"]
NUMBERS = [0.0, -1.5, 2.5, 0.1, 100.0, 1e300, 2.5000000001]
DATES = ["2000-02-29", "2025-02-28", "2026-02-27", "2026-02-28", "2026-03-01", "2028-02-29"]
TIMES = [
    "2026-02-27T23:59:59.999999", "2026-02-28T00:00", "2026-02-28T12:30:15", "2026-03-01T00:00",
    "2025-10-26T01:30", "2000-02-29T09:00", "2025-02-28T23:00",
]  # fmt: skip
POOL: dict[str, list[Any]] = {
    "name": TEXTS,
    "code": [0, 1, 12],
    "spend": NUMBERS,
    "born": [_time(each).date() for each in DATES],
    "seen": [_time(each) for each in TIMES],
    "member": [True, False],
}
VALUES: dict[str, st.SearchStrategy[Any]] = {
    name: st.sampled_from(pool + (POOL["born"] if name == "seen" else [])) for name, pool in POOL.items()
}
rows = st.fixed_dictionaries({name: st.none() | st.sampled_from(pool) for name, pool in POOL.items()})
SUITING: dict[VariableType, tuple[str, ...]] = {
    "text": ("equals", "not", "contains", "starts with", "one of", "empty", "not empty"),
    "number": ("equals", "not", "one of", "at least", "at most", "between", "empty", "not empty"),
    "boolean": ("equals", "not", "one of", "empty", "not empty"),
    "date": tuple(each for each in get_args(Operator) if each not in ("contains", "starts with")),
    "datetime": tuple(each for each in get_args(Operator) if each not in ("contains", "starts with")),
}


@st.composite
def comparisons(draw: st.DrawFn) -> dict[str, Any]:
    """A comparison that can be asked."""
    field = draw(st.sampled_from(list(TYPES)))
    operator = draw(st.sampled_from(SUITING[TYPES[field]]))
    values = VALUES[field].filter(lambda value: str(value).strip(" ") != "")
    if operator in ("empty", "not empty", "anniversary is today"):
        return {"field": field, "is": operator}
    if operator in ("in the last", "in the next"):
        return {"field": field, "is": operator, "value": draw(st.sampled_from([0, 1, 2, 365, 10_000]))}
    if operator == "one of":
        return {"field": field, "is": operator, "value": draw(st.lists(values, min_size=1, max_size=3))}
    if operator == "between":
        same = values.filter(lambda value: field != "seen" or isinstance(value, datetime))
        return {"field": field, "is": operator, "value": sorted(draw(st.lists(same, min_size=2, max_size=2)))}
    return {"field": field, "is": operator, "value": draw(values)}


def every_comparison() -> Iterator[dict[str, Any]]:
    """Each operator on each field with each value that suits it."""
    for field, pool in POOL.items():
        suiting = [each for each in pool if str(each).strip()]
        for operator in SUITING[TYPES[field]]:
            asked: list[Any] = suiting + (POOL["born"] if field == "seen" else [])
            if operator in ("empty", "not empty", "anniversary is today"):
                asked = [None]
            elif operator in ("in the last", "in the next"):
                asked = [0, 1, 365, 10_000]
            elif operator in ("one of", "between"):
                asked = [sorted(pair) for pair in pairwise(suiting)]
            yield from ({"field": field, "is": operator, "value": value} for value in asked)


def every_row() -> list[dict[str, Any]]:
    """Rows with every value of every field, and one with none."""
    longest = max(map(len, POOL.values()))
    found = [{name: pool[number % len(pool)] for name, pool in POOL.items()} for number in range(longest)]
    return [*found, dict.fromkeys(POOL)]


GROUPS = ["all", "any", "none"]
conditions = st.recursive(
    comparisons(),
    lambda inner: (
        st.builds(lambda kind, inside: {kind: inside}, st.sampled_from(GROUPS), st.lists(inner, max_size=3))
        | st.builds(lambda part: {"not": part}, inner)
    ),
    max_leaves=5,
)


def read(condition: dict[str, Any]) -> Condition:
    """A condition as a file holds it."""
    made: Condition = CONDITION.validate_python(condition)
    return made


def in_memory(condition: Condition, rows: list[dict[str, Any]]) -> list[int]:
    """The numbers of the rows that a condition holds for."""
    asked = compiled(condition, NAMES)
    return [number for number, row in enumerate(rows) if asked(Known({}, {}, row, AT, LONDON))]


def in_sql(
    connection: Connection, table: Table, condition: Condition, rows: list[dict[str, Any]]
) -> list[int]:
    """The same, found by the database among these rows alone."""
    asked = where(condition, columns(table), at=AT, zone=LONDON, dialect=connection.dialect.name)
    with connection.begin_nested():
        connection.execute(table.delete())
        connection.execute(insert(table), [{"id": number, **row} for number, row in enumerate(rows)])
        return list(connection.scalars(select(table.c.id).where(asked).order_by("id")))

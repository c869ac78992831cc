"""The tree of a condition, as files hold it: all, any, none and not over comparisons of one field each."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag

from whereupon.model.operators import Operator

DEEPEST = 20
"""Levels of all, any, none and not."""
MOST_PARTS = 5_000
"""Parts of a condition, with all values of all lists."""
LONGEST_VALUE = 10_000
_SHAPE = "a condition is {all: […]}, {any: […]}, {none: […]}, {not: …} or {field: …, is: …, value: …}"


def _limited(value: object) -> object:
    """Refuse what is too deep or too large before anything recurses into it."""
    waiting, parts = [(value, 0)], 0
    while waiting:
        part, depth = waiting.pop()
        parts += 1
        if depth > 2 * DEEPEST + 2 or parts > MOST_PARTS:
            raise ValueError(f"a condition has at most {DEEPEST} levels and {MOST_PARTS:,} parts")
        inner = part.values() if isinstance(part, dict) else part if isinstance(part, list | tuple) else ()
        waiting.extend((each, depth + 1) for each in inner)
    return value


def _plain_value(value: object) -> object:
    """A value as a file keeps it: text, number, boolean or a list of them."""
    if isinstance(value, list | tuple):
        if any(isinstance(each, list | tuple) for each in value):
            raise ValueError("a list of values can't hold another list")
        return tuple(_plain_value(each) for each in value)
    if isinstance(value, date):
        return value.isoformat()
    if value is not None and not isinstance(value, str | int | float):
        raise ValueError("a value is a text, a number, a date, true or false, or a list of them")
    if isinstance(value, str) and ("\0" in value or len(value) > LONGEST_VALUE):
        raise ValueError(f"a value has at most {LONGEST_VALUE:,} characters, and no U+0000 among them")
    return value


def _operator(value: object) -> object:
    return " ".join(value.lower().split()) if isinstance(value, str) else value


def _tag(value: object) -> str | None:
    if isinstance(value, dict):
        return next((each for each in ("all", "any", "none", "not", "field") if each in value), None)
    kinds: dict[object, str] = {All: "all", AnyOf: "any", NoneOf: "none", Not: "not", Comparison: "field"}
    return kinds.get(type(value))


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class All(_Part):
    """Holds if every part holds."""

    all: tuple[_Node, ...]


class AnyOf(_Part):
    """Holds if one part holds."""

    any: tuple[_Node, ...]


class NoneOf(_Part):
    """Holds if no part holds."""

    none: tuple[_Node, ...]


class Not(_Part):
    """Holds if its part doesn't."""

    part: _Node = Field(alias="not")


class Comparison(_Part):
    """One field compared with a value."""

    field: Annotated[str, Field(min_length=1, max_length=500)]
    operator: Annotated[Operator, BeforeValidator(_operator)] = Field(alias="is")
    value: Annotated[Any, BeforeValidator(_plain_value)] = None


_Node = Annotated[
    Annotated[All, Tag("all")]
    | Annotated[AnyOf, Tag("any")]
    | Annotated[NoneOf, Tag("none")]
    | Annotated[Not, Tag("not")]
    | Annotated[Comparison, Tag("field")],
    Discriminator(_tag, custom_error_type="condition", custom_error_message=_SHAPE),
]
Condition = Annotated[_Node, BeforeValidator(_limited)]
for _each in (All, AnyOf, NoneOf, Not):
    _each.model_rebuild()


def parts(condition: Condition) -> tuple[Condition, ...]:
    """The conditions directly inside one; none of a comparison."""
    if isinstance(condition, Comparison):
        return ()
    if isinstance(condition, Not):
        return (condition.part,)
    if isinstance(condition, All):
        return condition.all
    return condition.any if isinstance(condition, AnyOf) else condition.none


def comparisons(condition: Condition) -> Iterator[Comparison]:
    """All comparisons of a tree, in the order they are written."""
    if isinstance(condition, Comparison):
        yield condition
    for each in parts(condition):
        yield from comparisons(each)


def fields_of(condition: Condition) -> frozenset[str]:
    """The names of all fields that a condition asks for."""
    return frozenset(each.field for each in comparisons(condition))

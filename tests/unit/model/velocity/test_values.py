"""How values print, hold, compare and are copied."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from enum import IntEnum

import pytest

from whereupon.model.velocity.errors import RenderError
from whereupon.model.velocity.values import (
    Comparison,
    Entry,
    Gathered,
    Loop,
    copied,
    has_key,
    text_of,
    truth,
)


class Colour(IntEnum):
    RED = 1


class Stranger(list[object]):
    pass


STRANGERS = [date(2026, 1, 2), Colour.RED, Stranger([1]), (1, 2), b"x", object(), {1}]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("é", "é"),
        (None, "null"),
        (True, "true"),
        (False, "false"),
        (12, "12"),
        (2.50, "2.5"),
        (Decimal("2.50"), "2.50"),
        ([1, [None, "a"]], "[1, [null, a]]"),
        ({"a": {"b": 1.0}, "c": None}, "{a={b=1.0}, c=null}"),
        (range(3), "[0, 1, 2]"),
        (Gathered(["a"]), "[a]"),
        (Entry("a", [1]), "a=[1]"),
        (Loop(None), "{}"),
    ],
)
def test_values_print_as_in_java(value: object, text: str) -> None:
    assert text_of(value, 100) == text


@pytest.mark.req("SEC-01")
@pytest.mark.parametrize("value", STRANGERS)
def test_anything_else_is_refused(value: object) -> None:
    for use in (lambda: text_of(value, 100), lambda: text_of([value], 100), lambda: truth(value)):
        with pytest.raises(RenderError, match="can't be used"):
            use()


@pytest.mark.parametrize(("value", "most"), [("abcd", 3), ([1, 2], 5), ({"a": "b" * 9}, 9)])
def test_a_value_that_prints_too_long_is_refused(value: object, most: int) -> None:
    with pytest.raises(RenderError, match="too long"):
        text_of(value, most)


@pytest.mark.parametrize(
    "value", [None, False, 0, 0.0, Decimal("0.0"), "", [], {}, Gathered(), Loop(None), range(0)]
)
def test_nothing_and_what_is_empty_do_not_hold(value: object) -> None:
    assert truth(value) is False


@pytest.mark.parametrize(
    "value", [True, -1, 0.1, " ", [None], {"a": None}, Gathered([0]), Entry(None, None), range(2)]
)
def test_everything_else_holds(value: object) -> None:
    assert truth(value) is True


def same(one: object, other: object) -> bool:
    return Comparison(lambda: None).same(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([1, "a", None], [1, "a", None]),
        ([0, 1], range(2)),
        ({"a": [1], "b": 2.0}, {"b": 2.0, "a": [1]}),
        (Entry("a", 1), Entry("a", 1)),
        ({1: "x"}, {1: "x"}),
    ],
)
def test_values_with_the_same_content_are_the_same(one: object, other: object) -> None:
    assert same(one, other)
    assert same(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([1], [1.0]),
        ([1], [True]),
        ([1], [1, 2]),
        ({"a": 1}, {"b": 1}),
        ({"a": 1}, {"a": 1, "b": 2}),
        ({1: "x"}, {1.0: "x"}),
        (Entry("a", 1), Entry("a", 2)),
        ("1", 1),
        (object(), object()),
    ],
)
def test_values_of_another_kind_or_content_are_not_the_same(one: object, other: object) -> None:
    assert not same(one, other)
    assert not same(other, one)


def test_a_key_is_found_by_its_kind_and_content() -> None:
    assert has_key({"a": 1}, "a")
    assert has_key({None: 1}, None)
    assert not has_key({1: 1}, True)
    assert not has_key({1: 1}, 1.0)
    assert not has_key({"a": 1}, 1)
    assert not has_key({"a": 1}, ["a"])


def test_a_copy_is_deep_and_keeps_what_belongs_together() -> None:
    inner = {"b": [1]}
    value = [inner, inner, "text"]
    copy = copied(value, {})
    assert copy == value
    assert isinstance(copy, list)
    assert copy is not value
    assert copy[0] is copy[1]
    assert copy[0] is not inner


def test_what_is_nested_too_deeply_is_not_copied() -> None:
    deep: object = 1
    for _ in range(60):
        deep = [deep]
    with pytest.raises(RenderError, match="nested too deeply"):
        copied(deep, {})
    with pytest.raises(RenderError, match="nested too deeply"):
        text_of(deep, 1_000)


def test_the_outermost_loop_is_found() -> None:
    outer = Loop(None)
    assert Loop(Loop(outer)).outermost is outer
    assert outer.outermost is outer

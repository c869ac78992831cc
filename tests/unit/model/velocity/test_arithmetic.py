"""Numbers print and are calculated as Java does it."""

from __future__ import annotations

import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whereupon.model.velocity.arithmetic import (
    Number,
    as_number,
    calculated,
    negated,
    number_text,
    ordered,
    short_whole,
)
from whereupon.model.velocity.errors import RenderError


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (2.50, "2.5"),
        (100.0, "100.0"),
        (0.001, "0.001"),
        (0.0001, "1.0E-4"),
        (9999999.0, "9999999.0"),
        (10000000.0, "1.0E7"),
        (-123456789.125, "-1.23456789125E8"),
        (1e21, "1.0E21"),
        (5e-324, "5.0E-324"),
        (0.0, "0.0"),
        (-0.0, "-0.0"),
        (math.inf, "Infinity"),
        (-math.inf, "-Infinity"),
        (math.nan, "NaN"),
        (100000000000, "100000000000"),
        (Decimal("1.0E+400"), "1.0E+400"),
    ],
)
def test_a_number_prints_as_in_java(number: Number, text: str) -> None:
    assert number_text(number) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_printed_double_is_the_same_number(number: float) -> None:
    assert float(number_text(number)) == number


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (5, 5),
        (0.5, 0.5),
        ("-1.50", Decimal("-1.50")),
        (".5", Decimal("0.5")),
        ("1e3", Decimal("1000")),
        ("", None),
        (" 5", None),
        ("5x", None),
        ("1" * 1_001, None),
        ("1e9999999", None),
        ("NaN", None),
        (True, None),
        (None, None),
        ([1], None),
    ],
)
def test_a_text_that_spells_a_number_is_one(value: object, number: Number | None) -> None:
    assert as_number(value) == number


@pytest.mark.parametrize(
    ("operator", "left", "right", "result"),
    [
        ("+", 2147483647, 1, "2147483648"),
        ("-", 2, 5, "-3"),
        ("*", 2**63, 2, str(2**64)),
        ("/", 7, 2, "3"),
        ("/", -7, 2, "-3"),
        ("/", -7, -2, "3"),
        ("%", -7, 3, "-1"),
        ("%", 7, -3, "1"),
        ("+", 0.1, 0.2, "0.30000000000000004"),
        ("-", 1.5, 1, "0.5"),
        ("*", 1e308, 10, "Infinity"),
        ("/", 7, 2.0, "3.5"),
        ("%", -5.5, 2, "-1.5"),
        ("%", math.inf, 2, "NaN"),
        ("+", Decimal("1.50"), 2, "3.50"),
        ("-", Decimal("5"), 2, "3.0"),
        ("*", Decimal("5"), 2, "10.0"),
        ("/", Decimal("7"), 2, "3"),
        ("/", Decimal("7.0"), 2, "3.5"),
        ("/", Decimal("-5"), Decimal("3"), "-2"),
        ("*", 2**64, 1.5, "27670116110564327424.0"),
    ],
)
def test_calculations_are_javas(operator: str, left: Number, right: Number, result: str) -> None:
    number = calculated(operator, left, right)
    assert number is not None
    assert number_text(number) == result


@pytest.mark.parametrize("operator", ["/", "%"])
@pytest.mark.parametrize("zero", [0, 0.0, Decimal("0.00")])
def test_a_division_by_zero_has_no_result(operator: str, zero: Number) -> None:
    assert calculated(operator, 7, zero) is None


@pytest.mark.parametrize(
    ("operator", "left", "right"),
    [
        ("*", 10**600, 10**600),
        ("*", Decimal("1" * 600), Decimal("1" * 600)),
        ("+", Decimal("1e5000"), 1),
        ("*", Decimal("1e999999"), Decimal("1e999999")),
        ("/", Decimal("1e-2000"), Decimal("1e999999")),
        ("/", Decimal("1e4000"), Decimal("1e-4000")),
        ("%", Decimal("5"), 2),
        ("+", Decimal(1), math.inf),
        ("+", Decimal("sNaN"), 1),
    ],
)
def test_what_gets_out_of_hand_is_an_error(operator: str, left: Number, right: Number) -> None:
    if operator == "/" and left == Decimal("1e-2000"):
        assert calculated(operator, left, right) == 0
        return
    with pytest.raises(RenderError):
        calculated(operator, left, right)


def test_a_number_that_is_too_long_does_not_print() -> None:
    with pytest.raises(RenderError, match="too long"):
        number_text(10**5000)


@pytest.mark.parametrize(
    ("left", "right", "order"),
    [
        (1, 2, -1),
        (2, 1, 1),
        (1, 1.0, 0),
        (2.5, 2, 1),
        (Decimal("1.0"), 1, 0),
        (Decimal("0.5"), 0.5, 0),
        (2**70, 1.5, 1),
        (2**70, 2**70, 0),
        (1.5, Decimal("2"), -1),
        (math.nan, 1.0, 0),
    ],
)
def test_numbers_are_ordered_across_their_kinds(left: Number, right: Number, order: int) -> None:
    assert ordered(left, right) == order


def test_numbers_that_cannot_be_compared_are_an_error() -> None:
    with pytest.raises(RenderError, match="compared"):
        ordered(Decimal(1), math.inf)


def test_signs_turn() -> None:
    assert negated(5) == -5
    assert negated(0.5) == -0.5
    assert str(negated(Decimal("1.50"))) == "-1.50"


@pytest.mark.parametrize(
    ("number", "whole"),
    [
        (7, 7),
        (2.9, 2),
        (-2.9, -2),
        (2**31, -(2**31)),
        (Decimal("3.7"), 3),
        (math.inf, 0),
        (Decimal("NaN"), 0),
        (Decimal("1e5000"), 0),
    ],
)
def test_ranges_take_whole_numbers_of_32_bits(number: Number, whole: int) -> None:
    assert short_whole(number) == whole

"""Operators, what they make sense for, and their values."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from whereupon.model.operators import Check, Kind, Operator, anniversaries, check, holding, reading, span

UTC = ZoneInfo("UTC")
_time = datetime.fromisoformat


def held(
    operator: Operator,
    value: object,
    kind: Kind,
    field: object,
    *,
    free: bool = False,
    now: str = "2026-03-01",
) -> bool:
    """Whether a comparison holds for a field's value at a moment."""
    asked = check(operator, value, kind, free=free)
    read = reading(asked.kind)(field, UTC)
    if read is None:
        return operator in ("empty", "not")
    return holding(asked)(read, int(_time(now).replace(tzinfo=UTC).timestamp() * 1000), UTC)


@pytest.mark.parametrize(
    ("operator", "value", "field", "holds"),
    [
        ("equals", "Rome", " Rome ", True), ("equals", " Rome", "Rome", True), ("equals", "Rome", "rome", False),
        ("equals", 12, "12", True), ("equals", True, "true", True),
        ("not", "Rome", "Oslo", True), ("not", "Rome", "Rome", False), ("not", "Rome", "  ", True),
        ("contains", "om", "Rome", True), ("contains", "OM", "Rome", False), ("contains", " x", "a x", True),
        ("starts with", "Ro", " Rome", True), ("starts with", "om", "Rome", False),
        ("one of", ["Rome", "Oslo"], "Oslo", True), ("one of", ["Rome"], "", False),
        ("empty", None, " ", True), ("empty", None, "x", False), ("not empty", None, "x", True),
        ("not empty", None, None, False),
    ],
)  # fmt: skip
def test_texts_are_compared_code_point_by_code_point(
    operator: Operator, value: object, field: object, holds: bool
) -> None:
    assert held(operator, value, "text", field) is holds


@pytest.mark.parametrize(
    ("operator", "value", "field", "holds"),
    [
        ("equals", "1000", "1000.0", True), ("at least", 1000, "1840.50", True), ("at least", 1000, 999, False),
        ("at most", 10, 10, True), ("between", [1, 5], 5, True), ("between", [1, 5], 5.01, False),
        ("one of", [1, 2], "2", True), ("not", 1, "no number", True), ("at most", 10, "no number", False),
        ("empty", None, "no number", True), ("not empty", None, "5", True),
    ],
)  # fmt: skip
def test_numbers_are_compared_as_numbers(
    operator: Operator, value: object, field: object, holds: bool
) -> None:
    assert held(operator, value, "number", field) is holds


@pytest.mark.parametrize(
    ("operator", "value", "field", "holds"),
    [
        ("equals", "2026-05-01", "2026-05-01T23:59", True), ("after", "2026-05-01", "2026-05-01T23:59", False),
        ("after", "2026-05-01T12:00", "2026-05-01T23:59", True), ("before", "2026-05-02", "2026-05-01T23:59", True),
        ("at least", "2026-05-01", "2026-05-01", True), ("at most", "2026-05-01", "2026-05-01T20:00", True),
        ("between", ["2026-05-01", "2026-05-02"], "2026-05-02T20:00", True),
        ("between", ["2026-05-01T10:00", "2026-05-02T10:00Z"], "2026-05-02T10:00", True),
        ("equals", "2026-05-01T10:00+02:00", "2026-05-01T08:00", True),
        ("in the last", 30, "2026-01-30", True), ("in the last", 30, "2026-01-29", False),
        ("in the last", "1 day", "2026-02-28T23:00", True), ("in the last", 0, "2026-03-01", True),
        ("in the last", 5, "2026-03-02", False), ("in the next", "7 days", "2026-03-08", True),
        ("in the next", 7, "2026-03-09", False), ("empty", None, "soon", True),
    ],
)  # fmt: skip
def test_times_are_compared_by_day_where_the_value_is_a_day(
    operator: Operator, value: object, field: object, holds: bool
) -> None:
    assert held(operator, value, "datetime", field) is holds


@pytest.mark.parametrize(
    ("born", "now", "holds"),
    [
        ("1990-03-01", "2026-03-01", True), ("1990-03-02", "2026-03-01", False), ("2026-03-01", "2026-03-01", False),
        ("2024-02-29", "2026-02-28", True), ("2024-02-29", "2028-02-28", False), ("2024-02-29", "2028-02-29", True),
        ("2024-02-29", "2100-02-28", True), ("1990-02-28", "2026-02-28", True), ("2024-02-29", "2026-03-01", False),
    ],
)  # fmt: skip
def test_an_anniversary_of_29_february_is_on_28_february_in_other_years(
    born: str, now: str, holds: bool
) -> None:
    assert held("anniversary is today", None, "date", born, now=now) is holds


def test_2000_was_a_leap_year_and_1900_was_not() -> None:
    assert len(anniversaries(date(2000, 2, 28))) == 1
    assert len(anniversaries(date(1900, 2, 28))) == 2


def test_days_end_where_the_calendar_ends() -> None:
    assert span(Check("in the last", "date", (36_500,)), date(50, 1, 1))[0] == date.min
    assert span(Check("in the next", "date", (36_500,)), date(9990, 1, 1))[1] == date.max


@pytest.mark.parametrize(
    ("operator", "value", "field", "holds"),
    [
        ("at least", 100, "120.5", True), ("at least", "100", "99", False),
        ("between", ["2026-01-01", "2026-12-31"], "2026-05-01", True),
        ("before", "2026-05-01", "2026-04-30", True), ("in the last", 5, "2026-02-27", True), ("equals", 5, "5", True),
        ("anniversary is today", None, "2020-03-01", True), ("empty", None, "no number", False),
    ],
)  # fmt: skip
def test_free_text_is_read_as_the_operator_and_value_ask(
    operator: Operator, value: object, field: object, holds: bool
) -> None:
    assert held(operator, value, "text", field, free=True) is holds


def test_booleans_are_compared_however_they_are_written() -> None:
    assert held("equals", True, "boolean", "yes")
    assert not held("equals", "no", "boolean", True)


@pytest.mark.parametrize(
    ("operator", "value", "kind", "sentence"),
    [
        ("empty", 5, "text", "takes no value"),
        ("equals", None, "text", "needs one value"),
        ("equals", ["a"], "text", "needs one value"),
        ("one of", "a", "text", "needs a list"),
        ("one of", [], "text", "at least one value"),
        ("between", [1], "number", "needs two values"),
        ("between", [5, 1], "number", "smaller value first"),
        ("equals", " ", "text", "use 'empty'"),
        ("equals", "many", "number", "'many' is not a number"),
        ("equals", "maybe", "boolean", "is not yes or no"),
        ("after", "soon", "date", "is not a date"),
        ("after", "2026-05-01T10:00", "date", "leave the time out"),
        ("after", "2026-05-01", "number", "makes no sense for a number"),
        ("at least", 5, "text", "makes no sense for a text"),
        ("at least", 5, "boolean", "makes no sense for yes or no"),
        ("contains", "a", "number", "makes no sense for a number"),
        ("anniversary is today", None, "text", "makes no sense for a text"),
        ("in the last", 5, "text", "makes no sense for a text"),
        ("in the last", "soon", "date", "no number of days"),
        ("in the last", 1.5, "date", "no number of days"),
        ("in the last", 40_000, "date", "no number of days"),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_sentence(
    operator: Operator, value: Any, kind: Kind, sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        check(operator, value, kind)

"""How values from outside are read."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from whereupon.model import values

LONDON = ZoneInfo("Europe/London")
_time = datetime.fromisoformat


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("Rome ", "Rome "), (None, ""), (True, "true"), (False, "false"), (12, "12"), (2.5, "2.5"), (2.0, "2"),
        (1e300, "1e+300"), (float("nan"), ""), (float("inf"), ""), (Decimal("1840.50"), "1840.5"),
        (Decimal("100"), "100"), (Decimal("1E+3"), "1000"), (Decimal("NaN"), ""), (date(2026, 5, 1), "2026-05-01"),
        (_time("2026-05-01T10:00"), "2026-05-01T10:00:00"), (_time("2026-05-01T10:00+02:00"), "2026-05-01T08:00:00Z"),
        ([1, "a"], '[1,"a"]'), ({"a": None}, '{"a":null}'), (1 + 2j, '"(1+2j)"'),
    ],
)  # fmt: skip
def test_every_value_has_one_text(value: object, text: str) -> None:
    assert values.as_text(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(" Rome ", "Rome"), ("  ", None), (None, None), (5, "5"), ("\t", "\t")]
)
def test_only_spaces_around_a_text_do_not_count(value: object, text: str | None) -> None:
    assert values.text(value) == text


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("1840.50", 1840.5), (" -3 ", -3.0), ("1e3", 1000.0), (".5", 0.5), (7, 7.0), (Decimal("0.1"), 0.1),
        ("1,5", None), ("nan", None), ("1_000", None), ("1e999", None), (None, None), (float("inf"), None),
        (10**400, None), ("٣", None), ([], None),
    ],
)  # fmt: skip
def test_what_is_no_number_is_empty(value: object, number: float | None) -> None:
    assert values.number(value) == number


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        ("2026-05-01T10:00", "2026-05-01T10:00"), ("2026-05-01T10:00Z", "2026-05-01T11:00"),
        ("2026-05-01", "2026-05-01T00:00"), (date(2026, 5, 1), "2026-05-01T00:00"),
        (_time("2026-05-01T10:00"), "2026-05-01T10:00"), (1777629600000, "2026-05-01T11:00"),
        ("1777629600000", "2026-05-01T11:00"), (" 2026-05-01 ", "2026-05-01T00:00"),
    ],
)  # fmt: skip
def test_a_time_is_what_the_systems_clock_shows(value: object, moment: str) -> None:
    assert values.moment(value, LONDON) == _time(moment)
    assert values.day(value, LONDON) == _time(moment).date()


LAST = datetime.max.replace(tzinfo=timezone(timedelta(hours=-12)))


@pytest.mark.parametrize("value", ["", "soon", None, True, "999999999999999", float("inf"), 5, LAST])
def test_what_is_no_time_is_empty(value: object) -> None:
    assert values.moment(value, ZoneInfo("UTC")) is None
    assert values.day(value, ZoneInfo("UTC")) is None


@pytest.mark.parametrize(
    ("value", "truth"),
    [
        (True, True),
        ("Yes", True),
        (1, True),
        (1.0, True),
        ("false", False),
        (0, False),
        ("maybe", None),
        (None, None),
    ],
)
def test_what_is_neither_true_nor_false_is_empty(value: object, truth: bool | None) -> None:
    assert values.truth(value) is truth


@pytest.mark.parametrize(
    ("value", "milliseconds"),
    [
        ("2026-05-01T10:00:00Z", 1777629600000), ("2026-05-01T11:00", 1777629600000), (1777629600000, 1777629600000),
        (1777629600000.7, 1777629600000), (" 1777629600000", 1777629600000), ("9" * 25, int("9" * 20)),
        ("20260501", 1777590000000), ("1960-01-01", 0), ("soon", None), (True, None), (None, None), (-5, None),
        (float("inf"), None), ("", None),
    ],
)  # fmt: skip
def test_an_events_time_is_iso_8601_or_milliseconds(
    value: str | int | float | None, milliseconds: int | None
) -> None:
    assert values.milliseconds(value, LONDON) == milliseconds
    assert _time("1970-01-01T00:00Z").astimezone(UTC) == values.EPOCH

"""What one line of a condition asks of one field: operators, the types they make sense for, and their values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from typing import Any, Literal

from whereupon.model import values

Operator = Literal[
    "equals", "not", "contains", "starts with", "one of", "at least", "at most", "between", "empty", "not empty",
    "before", "after", "in the last", "in the next", "anniversary is today",
]  # fmt: skip
Kind = Literal["text", "number", "date", "datetime", "boolean"]
"""How a field is read; `date` also where the field is a datetime and the value a day."""

WITHOUT_VALUE = ("empty", "not empty", "anniversary is today")
ORDERED = ("at least", "at most", "between")
TIMED = ("before", "after", "in the last", "in the next", "anniversary is today")
TEXTUAL = ("contains", "starts with")
DAYS = ("in the last", "in the next")
MOST_DAYS = 36_500
NAMES = {
    "text": "a text",
    "number": "a number",
    "date": "a date",
    "datetime": "a time",
    "boolean": "yes or no",
}


@dataclass(frozen=True, slots=True)
class Check:
    """A comparison whose value has been read: `values` has none, one (days for *in the last*), two or more of them.

    Comparing with an empty field never holds, but *empty* and *not* do: a field that is empty is not Rome.
    """

    operator: Operator
    kind: Kind
    values: tuple[Any, ...] = ()


def check(operator: Operator, value: object, type: Kind, *, free: bool = False) -> Check:
    """Read the value as the field's type asks; raises ValueError with a sentence if operator or value don't suit it.

    `free` marks a String field: *at least*, *at most* and *between* read it as a number, or as a date where the value
    is one; *before*, *after*, *in the last* … as a date. All others take it as text.
    """
    if operator in WITHOUT_VALUE:
        if value is not None:
            raise ValueError(f"'{operator}' takes no value")
        if operator in TIMED:
            _date_kind(type, free, operator)
        return Check(operator, "date" if operator in TIMED else type)
    items = _items(operator, value)
    if operator in DAYS:
        _date_kind(type, free, operator)
        return Check(operator, "date", (_days(items[0]),))
    kind = _kind(operator, items, type, free)
    read = tuple(_value(item, kind) for item in items)
    if operator == "between" and _descending(*read):
        raise ValueError(f"'between' needs the smaller value first, and {items[0]} comes after {items[1]}")
    return Check(operator, kind, read)


def _descending(first: Any, last: Any) -> bool:
    """Of two times, one with a zone and one without, nobody knows before the system's zone is known."""
    mixed = isinstance(first, datetime) and (first.tzinfo is None) != (last.tzinfo is None)
    return not mixed and bool(first > last)


def _items(operator: Operator, value: object) -> tuple[object, ...]:
    several = operator in ("one of", "between")
    if several != isinstance(value, tuple | list) or value is None:
        raise ValueError(f"'{operator}' needs {'a list of values' if several else 'one value'}")
    items = tuple(value) if isinstance(value, tuple | list) else (value,)
    if operator == "between" and len(items) != 2:
        raise ValueError("'between' needs two values: the smallest and the largest")
    if not items:
        raise ValueError("'one of' needs at least one value")
    if any(values.text(item) is None for item in items):
        raise ValueError(f"'{operator}' can't compare with an empty value: use 'empty' or 'not empty'")
    return items


def _kind(operator: Operator, items: tuple[object, ...], type: Kind, free: bool) -> Kind:
    if operator in TEXTUAL:
        return _only(type == "text", "text", operator, type)
    if operator in TIMED:
        return _by_value(_date_kind(type, free, operator), items)
    if operator in ORDERED and free:
        return (
            "number"
            if all(values.number(item) is not None for item in items)
            else _by_value("datetime", items)
        )
    if operator in ORDERED:
        _only(type not in ("text", "boolean"), type, operator, type)
    return _by_value(type, items)


def _only(suits: bool, kind: Kind, operator: Operator, type: Kind) -> Kind:
    if not suits:
        raise ValueError(f"'{operator}' makes no sense for {NAMES[type]}")
    return kind


def _date_kind(type: Kind, free: bool, operator: Operator) -> Kind:
    return "datetime" if free else _only(type in ("date", "datetime"), type, operator, type)


def _by_value(kind: Kind, items: tuple[object, ...]) -> Kind:
    """A time that is compared with a day is compared by its day."""
    return "date" if kind == "datetime" and all(len(values.as_text(item)) <= 10 for item in items) else kind


def _value(item: object, kind: Kind) -> Any:
    if kind == "text":
        return values.as_text(item)
    read: Any = {"number": values.number, "boolean": values.truth}.get(kind, _time)(item)
    if read is None:
        raise ValueError(f"{values.as_text(item)!r} is not {NAMES[kind]}")
    if kind == "date" and (read.hour or read.minute or read.second):
        raise ValueError(
            f"{values.as_text(item)!r} has a time of day, and the field is a date: leave the time out"
        )
    return read.date() if kind == "date" else read


def _time(item: object) -> datetime | None:
    """A written time; its zone, if it has one, is kept until the system's is known."""
    written = values.as_text(item).strip(" ")
    try:
        return datetime.fromisoformat(written)
    except ValueError:
        return None


def _days(item: object) -> int:
    number = values.number(values.as_text(item).lower().removesuffix("days").removesuffix("day"))
    if number is None or number != int(number) or not 0 <= number <= MOST_DAYS:
        raise ValueError(f"{values.as_text(item)!r} is no number of days from 0 to {MOST_DAYS:,}")
    return int(number)


Read = Callable[[object, tzinfo], Any]
Holds = Callable[[Any, int, tzinfo], bool]
"""Given the field's value as read (never empty), the time (UTC ms) and the system's zone."""


def reading(kind: Kind) -> Read:
    """How a field is read: None means empty."""
    if kind == "text":
        return lambda value, zone: (value if type(value) is str else values.as_text(value)).strip(" ") or None
    if kind == "number":
        return lambda value, zone: values.number(value)
    if kind == "boolean":
        return lambda value, zone: values.truth(value)
    return values.day if kind == "date" else values.moment


def holding(check: Check) -> Holds:
    """What is asked of a field that isn't empty."""
    if check.operator in ("empty", "not empty"):
        held = check.operator == "not empty"
        return lambda value, at, zone: held
    if check.operator in DAYS or check.operator == "anniversary is today":
        return _calendar(check)
    if check.kind == "datetime":
        return _timed(check)
    return _plain(check.operator, comparable(check))


def comparable(check: Check) -> tuple[Any, ...]:
    """The values to compare with; of a text without the spaces around it, but where they are part of what is sought."""
    if check.kind == "text" and check.operator not in TEXTUAL:
        return tuple(value.strip(" ") for value in check.values)
    return check.values


def _plain(operator: Operator, items: tuple[Any, ...]) -> Holds:
    first, last, among = items[0], items[-1], frozenset(items)
    asked: dict[str, Holds] = {
        "equals": lambda value, at, zone: bool(value == first),
        "not": lambda value, at, zone: bool(value != first),
        "contains": lambda value, at, zone: first in value,
        "starts with": lambda value, at, zone: bool(value.startswith(first)),
        "one of": lambda value, at, zone: value in among,
        "at least": lambda value, at, zone: bool(value >= first),
        "at most": lambda value, at, zone: bool(value <= first),
        "between": lambda value, at, zone: bool(first <= value <= last),
        "before": lambda value, at, zone: bool(value < first),
        "after": lambda value, at, zone: bool(value > first),
    }
    return asked[operator]


def _timed(check: Check) -> Holds:
    if all(each.tzinfo is None for each in check.values):
        return _plain(check.operator, check.values)
    return lambda value, at, zone: _plain(check.operator, walls(check, zone))(value, at, zone)


def walls(check: Check, zone: tzinfo) -> tuple[datetime | None, ...]:
    """Written times as the clock of the system's zone shows them."""
    return tuple(values.moment(each, zone) for each in check.values)


def _calendar(check: Check) -> Holds:
    if check.operator == "anniversary is today":
        return lambda value, at, zone: anniversary(value, today(at, zone))
    return lambda value, at, zone: within(value, *span(check, today(at, zone)))


def within(value: date, first: date, last: date) -> bool:
    """True for a date from `first` to `last`, both included."""
    return first <= value <= last


def today(at: int, zone: tzinfo) -> date:
    """The date that a calendar in `zone` shows at `at` (UTC ms)."""
    return datetime.fromtimestamp(at / 1000, zone).date()


def span(check: Check, today: date) -> tuple[date, date]:
    """The whole days that *in the last/next n days* means: n days and today; it stops where the calendar does."""
    days = timedelta(days=check.values[0])
    if check.operator == "in the next":
        return today, (today + days if date.max - today > days else date.max)
    return (today - days if today - date.min > days else date.min), today


def anniversary(value: date, today: date) -> bool:
    """True if month and day are today's, of an earlier year; 29 February counts on 28 February in other years."""
    if value.year >= today.year:
        return False
    return (value.month, value.day) in anniversaries(today)


def anniversaries(today: date) -> tuple[tuple[int, int], ...]:
    """Months and days whose anniversary is today."""
    if (today.month, today.day) == (2, 28) and not _leap(today.year):
        return ((2, 28), (2, 29))
    return ((today.month, today.day),)


def _leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)

"""How values that come from outside are read: as text, number, date, date with time, or truth.

These rules hold wherever a value is compared or written, in memory and in SQL alike:

- *text*: spaces (U+0020) before and after it don't count; then it is taken exactly, code point by code point: case and
  accents count.
- *empty*: nothing (null), a text of nothing but spaces, or a text that can't be read as the type that its field has.
- *number*: a double; `1840.50`, `-3`, `1e3`; a comma, NaN and infinity are no numbers.
- *date*, *datetime*: ISO 8601, or milliseconds since 1970 (12 to 14 digits). Dates with time are compared as a clock in
  the system's zone shows them; one without a zone is in the system's zone.
- *boolean*: true, false, yes, no, 1, 0, in any case.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import Decimal

import msgspec

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_MILLISECONDS = re.compile(r"\d{12,14}", re.ASCII)
_TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_WHOLE = 10.0**15
_MILLISECOND = timedelta(milliseconds=1)


def as_text(value: object) -> str:
    """A value of an event or a row as text.

    Nothing is ""; a boolean true or false; a number without zeros that say nothing (2.50 → 2.5, 3.0 → 3); a date or
    time ISO 8601, with Z if it has a zone; a list or an object JSON.
    """
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float | Decimal):
        return _number_text(value)
    if isinstance(value, datetime):
        if value.tzinfo is None:
            return value.isoformat()
        return value.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"
    if isinstance(value, date):
        return value.isoformat()
    return msgspec.json.encode(value, enc_hook=str).decode()


def _number_text(value: float | Decimal) -> str:
    if not math.isfinite(value):
        return ""
    if isinstance(value, Decimal):
        plain = format(value, "f")
        return plain.rstrip("0").rstrip(".") if "." in plain else plain
    return str(int(value)) if value == int(value) and abs(value) < _WHOLE else repr(value)


def text(value: object) -> str | None:
    """A value as text without the spaces around it; None if it is empty."""
    return (value if type(value) is str else as_text(value)).strip(" ") or None


def number(value: object) -> float | None:
    """A value as a number; None if it is empty or none."""
    if isinstance(value, str):
        value = value.strip(" ")
        if _NUMBER.fullmatch(value) is None:
            return None
    elif not isinstance(value, int | float | Decimal):
        return None
    try:
        read = float(value)
    except OverflowError:
        return None
    return read if math.isfinite(read) else None


def moment(value: object, zone: tzinfo) -> datetime | None:
    """A value as the clock in `zone` shows it (without a zone); None if it is empty or no time."""
    if isinstance(value, str):
        value = _parsed(value.strip(" "))
    if isinstance(value, datetime):
        return _wall(value, zone)
    if isinstance(value, date):
        return datetime.combine(value, time.min)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return moment(str(int(value)), zone) if math.isfinite(value) else None
    return None


def _wall(value: datetime, zone: tzinfo) -> datetime | None:
    if value.tzinfo is None:
        return value
    try:
        return value.astimezone(zone).replace(tzinfo=None)
    except OverflowError:  # the first and last day that a calendar has
        return None


def _parsed(value: str) -> datetime | None:
    try:
        if _MILLISECONDS.fullmatch(value):
            return EPOCH + timedelta(milliseconds=int(value))
        return datetime.fromisoformat(value)
    except ValueError:
        return None


def day(value: object, zone: tzinfo) -> date | None:
    """A value as a date in `zone`; None if it is empty or none."""
    read = moment(value, zone)
    return read.date() if read is not None else None


def truth(value: object) -> bool | None:
    """A value as true or false; None if it is empty or neither."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        value = as_text(value)
    return _TRUTH.get(value.strip(" ").lower()) if isinstance(value, str) else None


def milliseconds(value: str | int | float | bool | None, zone: tzinfo) -> int | None:
    """A time of an event as UTC milliseconds: ISO 8601 (without a zone: in `zone`) or milliseconds; None if neither.

    Milliseconds too large for a calendar are kept as they are.
    """
    if type(value) is int:
        return value if value >= 0 else None
    if not isinstance(value, str):
        return int(value) if isinstance(value, float) and 0 <= value < math.inf else None
    value = value.strip(" ")
    if value[4:5] != "-" and value.isdigit() and value.isascii() and len(value) > 8:
        return int(value[:20])
    try:
        read = datetime.fromisoformat(value)
        since = ((read if read.tzinfo is not None else read.replace(tzinfo=zone)) - EPOCH) // _MILLISECOND
    except (ValueError, OverflowError):
        return None
    return since if since > 0 else 0

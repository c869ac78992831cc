"""Lengths of time as people write them: `1 day`, `90 minutes`."""

from __future__ import annotations

import re
from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

UNITS = {"second": 1_000, "minute": 60_000, "hour": 3_600_000, "day": 86_400_000, "week": 604_800_000}
"""Milliseconds of each unit; a day is always 24 hours."""
LONGEST = 100 * 366 * UNITS["day"]
_WRITTEN = re.compile(r"\s*(\d{1,10})\s+(second|minute|hour|day|week)s?\s*", re.IGNORECASE | re.ASCII)


class Duration(str):
    """A length of time: a whole number of seconds, minutes, hours, days or weeks, at least 1 and at most 100 years.

    It is the text itself, in its normal form (`3 hours`), so that files keep it. Raises ValueError for anything else.
    """

    milliseconds: int

    def __new__(cls, text: str) -> Duration:
        """Read `text`."""
        found = _WRITTEN.fullmatch(text)
        number, unit = (int(found[1]), found[2].lower()) if found else (0, "day")
        milliseconds = number * UNITS[unit]
        if not 0 < milliseconds <= LONGEST:
            raise ValueError(
                f"{text!r} is no length of time: write '90 minutes', '3 hours', '1 day' or '2 weeks'"
            )
        made = super().__new__(cls, f"{number} {unit}{'' if number == 1 else 's'}")
        made.milliseconds = milliseconds
        return made

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Text in, text out."""
        return core_schema.no_info_after_validator_function(
            cls,
            core_schema.str_schema(),
            serialization=core_schema.plain_serializer_function_ser_schema(str),
        )


def lasting(milliseconds: int) -> Duration:
    """A whole number of seconds in the largest unit that it is a multiple of."""
    unit = next(name for name, each in reversed(UNITS.items()) if milliseconds % each == 0)
    return Duration(f"{milliseconds // UNITS[unit]} {unit}")

"""People of a data table, imported or read where they are, and how a source pages through somebody else's table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import NamedTuple, Protocol
from uuid import UUID

from whereupon.model.errors import SetupError
from whereupon.model.tree import Condition
from whereupon.model.values import as_text


@dataclass(frozen=True, slots=True)
class Row:
    """One person of a table: the lasting contact ID, the key, and the variables by name."""

    contact: int
    person: str
    values: Mapping[str, object]


class People(Protocol):
    """A data table, imported or read where it is, as a table campaign reads it."""

    def rows(self, where: Condition | None, *, after: int, most: int) -> Sequence[Row]:
        """Up to `most` people whom the condition holds for, in a lasting order, after the contact ID (0 = all)."""

    def count(self, where: Condition | None) -> int:
        """How many people the condition holds for."""


class Found(NamedTuple):
    """One row of somebody else's table: the key as text and as it stands there, and the variables by name."""

    person: str
    key: object
    values: Mapping[str, object]


class Source(Protocol):
    """A table of people that is read where it is, and never written. Raises Away, Unavailable or SetupError."""

    def page(self, where: Condition | None, *, after: str, most: int) -> Sequence[Found]:
        """Up to `most` rows that the condition holds for, in the order of keys, after that person's ("" = all).

        Rows without a key are left out.
        """

    def count(self, where: Condition | None) -> int:
        """How many rows with a key the condition holds for."""

    def close(self) -> None:
        """Give the connection back; a second call does nothing."""


Read = Callable[[object | None, int], Sequence[Found]]
"""Rows in the order of keys, from a key on (None = all), at most so many."""


class Pages:
    """Where a source stands. Pages begin at the last key, not behind it: keys that the other side takes for equal
    (without case, or twice the same) may end one page and begin the next."""

    def __init__(self, key_of: Callable[[str], object | None]) -> None:
        self._key_of = key_of
        self._person = ""
        self._key: object | None = None
        self._given: set[tuple[str, object]] = set()

    def next(self, read: Read, after: str, most: int) -> list[Found]:
        """The rows after that person; `key_of` finds the key again where somebody else went this far. If it isn't there
        any more all begins anew, because what is read twice does no harm."""
        if not after or self._person != after:
            self._person, self._given = after, set()
            self._key = self._key_of(after) if after else None
        asked = most + len(self._given)
        found = read(self._key, asked)
        fresh = [each for each in found if (each.person, each.key) not in self._given][:most]
        if not fresh:
            if found and len(found) == asked:
                raise SetupError(
                    f"More than {len(found):,} rows have the key {found[0].person}.",
                    hint="Choose a key that tells people apart.",
                )
            return []
        last = fresh[-1]
        self._person, self._key = last.person, last.key
        self._given = {(each.person, each.key) for each in found if _alike(each.key, last.key)}
        return fresh


def _alike(one: object, other: object) -> bool:
    if isinstance(one, str) and isinstance(other, str):
        return one.strip().casefold() == other.strip().casefold()
    return one == other


def plain(value: object) -> object:
    """A value of a foreign table as conditions and content take it; what is no number, truth or time is text."""
    if value is None or isinstance(value, str | bool | int | float | Decimal | date):
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).decode("utf-8", "replace")
    return str(value)


def as_person(key: object) -> str:
    """A key as text, trimmed."""
    return as_text(plain(key)).strip()


def key_like(text: str, kind: type) -> object | None:
    """A key as text, as a column of this Python type holds it; None if it can't be one."""
    try:
        if kind is bool or not issubclass(kind, int | float | Decimal | str | UUID):
            return None
        return kind(text)
    except (ValueError, ArithmeticError):
        return None

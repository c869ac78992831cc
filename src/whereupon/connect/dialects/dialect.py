"""One way of writing the hot statements, with what the database servers say differently left to their dialects."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, Literal

import msgspec

from whereupon.model.errors import Refused, WhereuponError

Kind = Literal["id", "int", "float", "text", "blob", "bool"]
Columns = Mapping[str, Kind]
Row = Sequence[Any]
Statement = tuple[str, tuple[Any, ...]]


class Dialect(ABC):
    """Builds statements with `?` for each parameter; knows what the driver's errors mean."""

    name: str

    @abstractmethod
    def given(self, alias: str, columns: Columns) -> str:
        """A derived table over parameters, for FROM: the rows that `bind` makes parameters of."""

    @abstractmethod
    def bind(self, columns: Columns, rows: Sequence[Row]) -> tuple[Any, ...]:
        """The parameters of `given`, in one list or text each."""

    def named(self, name: str) -> str:
        """A column's or table's name as a statement needs it, where the server reserves the word."""
        return name

    def listed(self, names: Iterable[str]) -> str:
        """Names, separated by commas."""
        return ", ".join(map(self.named, names))

    @abstractmethod
    def prepared(self, sql: str) -> str:
        """The statement with the driver's own parameter marks."""

    @abstractmethod
    def limited(self, sql: str, most: int) -> str:
        """A SELECT with ORDER BY, cut to so many rows."""

    @abstractmethod
    def insert(self, table: str, columns: Columns, rows: Sequence[Row]) -> Iterator[Statement]:
        """Insert rows, many in a statement."""

    @abstractmethod
    def insert_new(
        self, table: str, columns: Columns, rows: Sequence[Row], key: Sequence[str]
    ) -> Iterator[Statement]:
        """Insert rows whose key isn't there yet; of equal keys the first. The row counts tell how many."""

    @abstractmethod
    def update(
        self, table: str, assign: str, alias: str, columns: Columns, rows: Sequence[Row], on: str
    ) -> Statement:
        """Update rows that match the given ones."""

    @abstractmethod
    def delete(self, table: str, columns: Columns, rows: Sequence[Row]) -> Statement:
        """Delete rows whose columns equal the given ones."""

    @abstractmethod
    def add(
        self, table: str, columns: Columns, rows: Sequence[Row], key: Sequence[str], amount: str
    ) -> Iterator[Statement]:
        """Increase `amount` where the key is there, insert the row where not; each key comes once."""

    @abstractmethod
    def failure(self, error: Exception, what: str, *, opening: bool = False) -> WhereuponError:
        """What a driver's error means for who acts; `what` names the database in words, `opening` says that it came
        while a connection was made."""

    def upsert(
        self, table: str, columns: Columns, rows: Sequence[Row], key: Sequence[str]
    ) -> tuple[list[Statement], list[Statement]]:
        """(updates, inserts): the first ones' row counts are rows updated, the second ones' rows inserted."""
        rows = keyed(columns, rows, key)
        others = [each for each in columns if each not in key]
        updates = []
        if others:
            assign = ", ".join(f"{self.named(each)} = k.{self.named(each)}" for each in others)
            updates = [self.update(table, assign, "k", columns, rows, self.equal(table, key))]
        return updates, list(self.insert_new(table, columns, rows, key))

    def equal(self, table: str, columns: Iterable[str]) -> str:
        """The rows of a table that equal the given ones, `k`."""
        here = self.named(table)
        return " AND ".join(f"{here}.{self.named(each)} = k.{self.named(each)}" for each in columns)


def keyed(columns: Columns, rows: Sequence[Row], key: Sequence[str], *, first: bool = False) -> list[Row]:
    """The rows in the order of their keys, the last (or first) of each key: servers that lock rows then lock in one
    order, so that two that write the same rows never wait for each other."""
    names = list(columns)
    places = [names.index(each) for each in key]
    by_key = {tuple([row[place] for place in places]): row for row in (reversed(rows) if first else rows)}
    return [by_key[each] for each in sorted(by_key)]


def summed(columns: Columns, rows: Sequence[Row], key: Sequence[str], amount: str) -> list[Row]:
    """Rows with equal keys added up, in the order of their keys."""
    names = list(columns)
    places, at = [names.index(each) for each in key], names.index(amount)
    sums: dict[tuple[Any, ...], list[Any]] = {}
    for row in rows:
        found = sums.setdefault(tuple(row[place] for place in places), [*row[:at], 0, *row[at + 1 :]])
        found[at] += row[at]
    return [sums[each] for each in sorted(sums)]


def chunks(rows: Sequence[Row], size: int) -> Iterator[Sequence[Row]]:
    """The rows in pieces."""
    for begin in range(0, len(rows), size):
        yield rows[begin : begin + size]


def values(rows: Sequence[Row]) -> tuple[str, tuple[Any, ...]]:
    """`(?, ?), (?, ?)` and its parameters."""
    one = "(" + ", ".join("?" * len(rows[0])) + ")"
    return ", ".join([one] * len(rows)), tuple(chain.from_iterable(rows))


def as_json(columns: Columns, rows: Sequence[Row]) -> str:
    """Rows as a JSON array of arrays. Bytes can't travel so, and U+0000 is where SQLite would cut a text."""
    if "blob" in columns.values():
        raise TypeError("bytes can be inserted, but are no column of given rows")
    text = msgspec.json.encode(rows).decode()
    if "\\u0000" in text and _NUL.search(text):
        raise Refused("A text holds the character U+0000, which databases don't take.", hint="Leave it out.")
    return text


# Not after a backslash that is escaped itself: that is a text about U+0000.
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")

"""What values are to a template: how they print, when they hold, when two are the same; the meaning is Java's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Final, NamedTuple, TypeGuard

from whereupon.model.velocity.arithmetic import Number, number_text
from whereupon.model.velocity.errors import RenderError

# Real data is never as deep as this; what a template nests in a loop is.
DEEPEST: Final = 50

# Lists that hold each other can be short and yet take for ever to compare.
MOST_COMPARED: Final = 100_000


class Entry(NamedTuple):
    """One pair of a map, as `entrySet()` gives it."""

    key: object
    value: object


class Gathered(list[object]):
    """The keys, values or pairs of a map: it can be looped over, but not be asked for the first, as in Java."""

    __slots__ = ()


class Loop:
    """`$foreach` inside of a loop: `index` counts from 0; `notes` is what the template assigned to it."""

    __slots__ = ("has_next", "index", "notes", "parent")

    def __init__(self, parent: Loop | None) -> None:
        self.parent = parent
        self.index = -1
        self.has_next = False
        self.notes: dict[object, object] = {}

    @property
    def outermost(self) -> Loop:
        """The loop around all the others."""
        loop = self
        while loop.parent is not None:
            loop = loop.parent
        return loop


_NUMBERS: Final = frozenset({int, float, Decimal})
_LISTS: Final = frozenset({list, range, Gathered})
_FALSE_WHEN_EMPTY: Final = _NUMBERS | _LISTS | {bool, str, dict}


class TooLong(RenderError):
    """A value takes more characters to print than there is room for."""


def foreign(value: object) -> RenderError:
    """The error for something that isn't text, a number, a truth value, a list or a map."""
    kind = type(value).__name__
    return RenderError(f"A value of the kind {kind} can't be used.", hint="Give it to the template as text.")


def too_deep() -> RenderError:
    """The error for lists and maps nested too deeply."""
    return RenderError("A value is nested too deeply.", hint="Pick the part of it that is needed.")


def is_list(value: object) -> TypeGuard[list[object] | range]:
    """Whether it is a list of one of our own kinds; a stranger's list is not asked for anything."""
    return type(value) in _LISTS


def is_map(value: object) -> TypeGuard[dict[object, object]]:
    """Whether it is a map."""
    return type(value) is dict


def is_number(value: object) -> TypeGuard[Number]:
    """Whether it is a number; true and false are none."""
    return type(value) in _NUMBERS


def text_of(value: object, most: int) -> str:
    """A value as Java prints it, at most `most` characters long."""
    printer = _Printer(most)
    printer.print(value, 0)
    return "".join(printer.parts)


def spells(value: object, text: str) -> bool:
    """Whether a value prints as exactly this text; no more of it is printed than that takes."""
    try:
        return text_of(value, len(text)) == text
    except TooLong:
        return False


class _Printer:
    """Prints values, and stops as soon as there is too much of it."""

    def __init__(self, most: int) -> None:
        self.parts: list[str] = []
        self._room = most

    def print(self, value: object, depth: int) -> None:
        if depth > DEEPEST:
            raise too_deep()
        if is_list(value):
            self._row("[]", value, depth)
        elif is_map(value):
            self._row("{}", [Entry(*pair) for pair in value.items()], depth)
        elif type(value) is Entry:
            self._pair(value, depth)
        elif type(value) is Loop:
            self.print(value.notes, depth)
        else:
            self._add(_plain_text(value))

    def _add(self, text: str) -> None:
        self._room -= len(text)
        if self._room < 0:
            raise TooLong("A value is too long to be put out.", hint="Pick the part of it that is needed.")
        self.parts.append(text)

    def _pair(self, pair: Entry, depth: int) -> None:
        self.print(pair.key, depth + 1)
        self._add("=")
        self.print(pair.value, depth + 1)

    def _row(self, brackets: str, items: Sequence[object], depth: int) -> None:
        self._add(brackets[0])
        for index, item in enumerate(items):
            if index:
                self._add(", ")
            self.print(item, depth + 1)
        self._add(brackets[1])


def _plain_text(value: object) -> str:
    if type(value) is str:
        return value
    if value is None or type(value) is bool:
        return {None: "null", True: "true", False: "false"}[value]
    if is_number(value):
        return number_text(value)
    raise foreign(value)


def truth(value: object) -> bool:
    """Whether `#if` takes a value for true: nothing, false, zero and everything empty are not."""
    if type(value) is Loop:
        return bool(value.notes)
    if type(value) is Entry:
        return True
    if value is None or type(value) in _FALSE_WHEN_EMPTY:
        return bool(value)
    raise foreign(value)


class Comparison:
    """Compares one pair of values part by part; one that goes on for ever ends with an error."""

    def __init__(self, step: Callable[[], None]) -> None:
        self._step = step
        self._left = MOST_COMPARED

    def same(self, one: object, other: object, depth: int = 0) -> bool:
        """Java's `equals`: the same kind and the same content."""
        self._step()
        self._left -= 1
        if depth > DEEPEST or self._left < 0:
            raise too_deep()
        if is_list(one) and is_list(other):
            return self._same_items(one, other, depth)
        if type(one) is not type(other):
            return False
        if is_map(one) and is_map(other):
            return self._same_pairs(one, other, depth)
        if type(one) is Entry and type(other) is Entry:
            return self._same_items(one, other, depth)
        return one is other or (type(one) in _FALSE_WHEN_EMPTY and one == other)

    def _same_items(self, one: Sequence[object], other: Sequence[object], depth: int) -> bool:
        pairs = zip(one, other, strict=False)
        return len(one) == len(other) and all(self.same(a, b, depth + 1) for a, b in pairs)

    def _same_pairs(self, one: dict[object, object], other: dict[object, object], depth: int) -> bool:
        return len(one) == len(other) and all(
            has_key(other, key) and self.same(value, other[key], depth + 1) for key, value in one.items()
        )


KEY_KINDS: Final = frozenset({str, int, float, bool, Decimal, type(None)})


def has_key(values: dict[object, object], key: object) -> bool:
    """Whether a map has this key; unlike in Python the key 1 is not 1.0 and not true."""
    kind = type(key)
    if kind is str:
        return key in values
    return kind in KEY_KINDS and key in values and any(type(k) is kind and k == key for k in values)


def copied(value: object, copies: dict[int, object], depth: int = 0) -> object:
    """A copy of lists and maps through and through; `copies` keeps two names of one value together."""
    if type(value) is not list and not is_map(value):
        return value
    if depth > DEEPEST:
        raise too_deep()
    if id(value) in copies:
        return copies[id(value)]
    if is_map(value):
        pairs: dict[object, object] = {}
        copies[id(value)] = pairs
        pairs.update((key, copied(item, copies, depth + 1)) for key, item in value.items())
        return pairs
    items: list[object] = []
    copies[id(value)] = items
    items.extend(copied(item, copies, depth + 1) for item in value)
    return items

"""What stands in an expression; each node knows its value, whether it holds, and how it is written."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Final

from whereupon.model.velocity.arithmetic import Number, as_number, calculated, negated, ordered, short_whole
from whereupon.model.velocity.methods import CELL, called, checked_key, item_of, property_of
from whereupon.model.velocity.scope import Scope
from whereupon.model.velocity.values import Comparison, spells, truth


class Node(ABC):
    """A part of an expression. `source` stands in for it when it is joined to a text and has no value."""

    __slots__ = ("source",)

    def __init__(self, source: str = "") -> None:
        self.source = source

    @abstractmethod
    def value(self, scope: Scope) -> object:
        """The value; `None` when there is none."""

    def holds(self, scope: Scope) -> bool:
        """Whether `#if` goes on with it."""
        return truth(self.value(scope))


class Constant(Node):
    """A number, a text in single quotes, true or false, or a bare word, which has no value."""

    __slots__ = ("constant",)

    def __init__(self, constant: object, source: str) -> None:
        super().__init__(source)
        self.constant = constant

    def value(self, scope: Scope) -> object:
        return self.constant


class Interpolated(Node):
    """A text in double quotes: a small template of its own."""

    __slots__ = ("_render",)

    def __init__(self, render: Callable[[Scope], None], source: str) -> None:
        super().__init__(source)
        self._render = render

    def value(self, scope: Scope) -> object:
        return scope.collect(self._render)


class Items(Node):
    """`[a, b]`"""

    __slots__ = ("_items",)

    def __init__(self, items: Sequence[Node]) -> None:
        super().__init__()
        self._items = items

    def value(self, scope: Scope) -> object:
        scope.made(CELL * len(self._items) + CELL)
        return [item.value(scope) for item in self._items]

    def holds(self, scope: Scope) -> bool:
        return bool(self._items)


class Pairs(Node):
    """`{a: b, c: d}`"""

    __slots__ = ("_pairs",)

    def __init__(self, pairs: Sequence[tuple[Node, Node]]) -> None:
        super().__init__()
        self._pairs = pairs

    def value(self, scope: Scope) -> object:
        scope.made(CELL * len(self._pairs) + CELL)
        return {checked_key(key.value(scope)): value.value(scope) for key, value in self._pairs}

    def holds(self, scope: Scope) -> bool:
        return bool(self._pairs)


class Range(Node):
    """`[first..last]`, upwards or downwards; `#if` never takes it for true."""

    __slots__ = ("_first", "_last")

    def __init__(self, first: Node, last: Node, source: str) -> None:
        super().__init__(source)
        self._first = first
        self._last = last

    def value(self, scope: Scope) -> object:
        first, last = as_number(self._first.value(scope)), as_number(self._last.value(scope))
        if first is None or last is None:
            return None
        start, end = short_whole(first), short_whole(last)
        return range(start, end + 1) if start < end else range(start, end - 1, -1)

    def holds(self, scope: Scope) -> bool:
        return False


class Property:
    """`.name`"""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def follow(self, scope: Scope, value: object) -> object:
        return property_of(scope, value, self.name)


class Call:
    """`.name(arguments)`"""

    __slots__ = ("arguments", "name")

    def __init__(self, name: str, arguments: Sequence[Node]) -> None:
        self.name = name
        self.arguments = arguments

    def follow(self, scope: Scope, value: object) -> object:
        return called(scope, value, self.name, tuple(argument.value(scope) for argument in self.arguments))


class Index:
    """`[key]`"""

    __slots__ = ("key",)

    def __init__(self, key: Node) -> None:
        self.key = key

    def follow(self, scope: Scope, value: object) -> object:
        return item_of(scope, value, self.key.value(scope))


Step = Property | Call | Index


class Reference(Node):
    """`$name`, the steps from it, and what stands in for a value that doesn't hold; `quiet` is `$!`."""

    __slots__ = ("alternate", "quiet", "root", "steps")

    def __init__(self, root: str, steps: Sequence[Step], alternate: Node | None, *, source: str) -> None:
        super().__init__(source)
        self.root = root
        self.steps = steps
        self.alternate = alternate
        self.quiet = source.startswith("$!")

    def value(self, scope: Scope) -> object:
        value = scope.lookup(self.root)
        for step in self.steps:
            if value is None:
                break
            value = step.follow(scope, value)
        if self.alternate is not None and not truth(value):
            return self.alternate.value(scope)
        return value


class Negative(Node):
    """`-a`"""

    __slots__ = ("_of",)

    def __init__(self, of: Node) -> None:
        super().__init__(f"-{of.source}")
        self._of = of

    def value(self, scope: Scope) -> object:
        number = as_number(self._of.value(scope))
        return None if number is None else negated(number)

    def holds(self, scope: Scope) -> bool:
        return self._of.holds(scope)


class Not(Node):
    """`!a`"""

    __slots__ = ("_of",)

    def __init__(self, of: Node) -> None:
        super().__init__()
        self._of = of

    def value(self, scope: Scope) -> object:
        return not self._of.holds(scope)


class AllOf(Node):
    """`a && b`; stops at the first that doesn't hold."""

    __slots__ = ("_parts",)

    def __init__(self, parts: Sequence[Node]) -> None:
        super().__init__()
        self._parts = parts

    def value(self, scope: Scope) -> object:
        return all(part.holds(scope) for part in self._parts)


class AnyOf(Node):
    """`a || b`; stops at the first that holds."""

    __slots__ = ("_parts",)

    def __init__(self, parts: Sequence[Node]) -> None:
        super().__init__()
        self._parts = parts

    def value(self, scope: Scope) -> object:
        return any(part.holds(scope) for part in self._parts)


Operations = Sequence[tuple[str, Node]]


class Calculation(Node):
    """`a + b - c`, from left to right. As in Velocity, `#if` never takes one for true."""

    __slots__ = ("_first", "_rest")

    def __init__(self, first: Node, rest: Operations) -> None:
        super().__init__(first.source + "".join(f" {operator} " for operator, _ in rest))
        self._first = first
        self._rest = rest

    def value(self, scope: Scope) -> object:
        value = self._first.value(scope)
        for place, (operator, node) in enumerate(self._rest):
            scope.step()
            other = node.value(scope)
            if operator == "+" and (type(value) is str or type(other) is str):
                left = self._before(place) if value is None else ""
                value = scope.made_text(_spelled(scope, value, left) + _spelled(scope, other, node.source))
            else:
                value = _result(operator, as_number(value), as_number(other))
        return value

    def _before(self, place: int) -> str:
        return self._first.source + "".join(f" {operator} " for operator, _ in self._rest[:place])

    def holds(self, scope: Scope) -> bool:
        return False


def _spelled(scope: Scope, value: object, source: str) -> str:
    if value is not None:
        return scope.text_of(value)
    scope.unresolved.append(source)
    return source


def _result(operator: str, left: Number | None, right: Number | None) -> Number | None:
    return None if left is None or right is None else calculated(operator, left, right)


class Compared(Node):
    """`a == b`, `a < b` and so on, from left to right."""

    __slots__ = ("_first", "_rest")

    def __init__(self, first: Node, rest: Operations) -> None:
        super().__init__()
        self._first = first
        self._rest = rest

    def value(self, scope: Scope) -> object:
        value = self._first.value(scope)
        for operator, node in self._rest:
            scope.step()
            value = _compared(scope, operator, value, node.value(scope))
        return value


ORDERS: Final[dict[str, Callable[[int], bool]]] = {
    "<": lambda order: order < 0,
    "<=": lambda order: order <= 0,
    ">": lambda order: order > 0,
    ">=": lambda order: order >= 0,
    "==": lambda order: order == 0,
    "!=": lambda order: order != 0,
}


def _compared(scope: Scope, operator: str, left: object, right: object) -> bool:
    if type(left) is not str or type(right) is not str:
        one, two = as_number(left), as_number(right)
        if one is not None and two is not None:
            return ORDERS[operator](ordered(one, two))
    if operator not in {"==", "!="}:
        return False
    return _same(scope, left, right) == (operator == "==")


def _same(scope: Scope, left: object, right: object) -> bool:
    if left is None or right is None:
        return left is right
    if type(left) is type(right):
        return Comparison(scope.step).same(left, right)
    if type(left) is str:
        return spells(right, left)
    if type(right) is str:
        return spells(left, right)
    return scope.text_of(left) == scope.text_of(right)

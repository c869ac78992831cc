"""What a template is made of besides plain text; each statement renders itself into a scope."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from whereupon.model.velocity.errors import RenderError
from whereupon.model.velocity.expressions import Index, Node, Property, Reference
from whereupon.model.velocity.methods import CELL, put, put_item
from whereupon.model.velocity.scope import Break, Scope, Stop
from whereupon.model.velocity.values import Loop, is_list, is_map


class Statement(Protocol):
    """A part of a template that isn't plain text."""

    def render(self, scope: Scope) -> None: ...


class Block:
    """Plain texts and statements, one after the other."""

    __slots__ = ("parts",)

    def __init__(self, parts: Sequence[str | Statement]) -> None:
        self.parts = parts

    def render(self, scope: Scope) -> None:
        for part in self.parts:
            if isinstance(part, str):
                scope.write(part)
            else:
                part.render(scope)


class Output:
    """A reference that is put out. `slashes` counts the backslashes before it, `before` are signs that stick to it."""

    __slots__ = ("before", "reference", "slashes")

    def __init__(self, reference: Reference, slashes: int = 0, before: str = "") -> None:
        self.reference = reference
        self.slashes = slashes
        self.before = before

    def render(self, scope: Scope) -> None:
        scope.step()
        value = self.reference.value(scope)
        if self.slashes % 2:
            self._escaped(scope, value)
        elif value is None:
            self._unresolved(scope)
        else:
            scope.write("\\" * (self.slashes // 2) + self.before)
            scope.write_value(value)

    def _escaped(self, scope: Scope, value: object) -> None:
        kept = self.slashes // 2 + (value is None)
        scope.write("\\" * kept + self.reference.source)

    def _unresolved(self, scope: Scope) -> None:
        prefix = "\\" * (self.slashes // 2 * 2) + self.before
        if self.reference.quiet:
            scope.write(prefix)
            return
        scope.unresolved.append(self.reference.source)
        scope.write(prefix + self.reference.source)


class Set:
    """`#set($name = value)`, also for an entry of a map or an item of a list."""

    __slots__ = ("_target", "_value")

    def __init__(self, target: Reference, value: Node) -> None:
        self._target = target
        self._value = value

    def render(self, scope: Scope) -> None:
        scope.step()
        value = self._value.value(scope)
        if not self._target.steps:
            scope.assign(self._target.root, value)
            return
        holder = scope.lookup(self._target.root)
        for step in self._target.steps[:-1]:
            if holder is None:
                return
            holder = step.follow(scope, holder)
        last = self._target.steps[-1]
        if isinstance(last, Index):
            put_item(scope, holder, last.key.value(scope), value)
        elif isinstance(last, Property):
            put(holder, last.name, value)


class If:
    """`#if`, each `#elseif` and `#else`: the first that holds is rendered."""

    __slots__ = ("_branches", "_otherwise")

    def __init__(self, branches: Sequence[tuple[Node, Block]], otherwise: Block | None) -> None:
        self._branches = branches
        self._otherwise = otherwise

    def render(self, scope: Scope) -> None:
        for condition, block in self._branches:
            scope.step()
            if condition.holds(scope):
                block.render(scope)
                return
        if self._otherwise is not None:
            self._otherwise.render(scope)


class Foreach:
    """`#foreach($name in items)`, with an `#else` for when there is none."""

    __slots__ = ("_block", "_items", "_name", "_otherwise")

    def __init__(self, name: str, items: Node, block: Block, otherwise: Block | None) -> None:
        self._name = name
        self._items = items
        self._block = block
        self._otherwise = otherwise

    def render(self, scope: Scope) -> None:
        items = _items_of(scope, self._items.value(scope))
        if items:
            self._repeat(scope, items)
        elif self._otherwise is not None:
            self._otherwise.render(scope)

    def _repeat(self, scope: Scope, items: Sequence[object]) -> None:
        before, around = scope.lookup(self._name), scope.lookup("foreach")
        loop = Loop(around if type(around) is Loop else None)
        scope.assign("foreach", loop)
        try:
            self._turns(scope, items, loop)
        except Break as stop:
            if stop.loop not in {None, loop}:
                raise
        finally:
            scope.assign(self._name, before)
            scope.assign("foreach", around)

    def _turns(self, scope: Scope, items: Sequence[object], loop: Loop) -> None:
        for loop.index, item in enumerate(items):
            scope.turn()
            loop.has_next = loop.index + 1 < len(items)
            scope.assign(self._name, item)
            self._block.render(scope)


def _items_of(scope: Scope, value: object) -> Sequence[object]:
    pairs = value.notes if type(value) is Loop else value
    if is_map(pairs):
        # A copy, because the template may put a new entry into the map while it loops.
        scope.made(CELL * len(pairs))
        return list(pairs.values())
    return value if is_list(value) else ()


class Leave:
    """`#break` and `#break($foreach.parent)`."""

    __slots__ = ("_loop",)

    def __init__(self, loop: Node | None) -> None:
        self._loop = loop

    def render(self, scope: Scope) -> None:
        loop = None if self._loop is None else self._loop.value(scope)
        if self._loop is not None and type(loop) is not Loop:
            raise RenderError(
                "#break was given something that is no loop.", hint="Use #break or #break($foreach.parent)."
            )
        raise Break(loop if type(loop) is Loop else None)


class End:
    """`#stop`."""

    __slots__ = ()

    def render(self, scope: Scope) -> None:
        raise Stop

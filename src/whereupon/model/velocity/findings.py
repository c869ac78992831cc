"""What can be told of a template without rendering it: the names it needs, and where it may go wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from whereupon.model.velocity.expressions import Constant, Index, Property, Reference, Step


class Findings:
    """Gathered while a template is read, from its beginning to its end."""

    def __init__(self) -> None:
        self.references: set[str] = set()
        self.paths: set[tuple[str, ...]] = set()
        self.unguarded: dict[str, None] = {}
        self.changes = False
        self._own: set[str] = {"foreach"}
        self._tested: list[set[str]] = []
        self._roots: list[str] = []

    def found(self, reference: Reference, *, printed: bool) -> None:
        """Takes note of a reference; `printed` when its value is put out."""
        root = reference.root
        own = root in self._own
        self._roots.append(root)
        if not own:
            self.references.add(root)
            self.paths.add(_path(reference))
        if any(root in tested for tested in self._tested) or root == "foreach":
            return
        bare = printed and not reference.quiet and reference.alternate is None
        if (bare and not (own and not reference.steps)) or any(map(_may_be_missing, reference.steps)):
            self.unguarded.setdefault(reference.source)

    def assigned(self, target: Reference) -> None:
        """From here on the name is the template's own; one with steps changes a part of a value."""
        self.changes = self.changes or bool(target.steps)
        self._own.add(target.root)

    @contextmanager
    def loop(self, name: str) -> Iterator[None]:
        """Inside of a loop the name is the template's own."""
        before = name in self._own
        self._own.add(name)
        yield
        if not before:
            self._own.discard(name)

    @contextmanager
    def tests(self) -> Iterator[None]:
        """Inside of an #if, what its conditions have asked for is guarded."""
        self._tested.append(set())
        yield
        self._tested.pop()

    @contextmanager
    def condition(self) -> Iterator[None]:
        """What is asked for in here is tested by the #if around it."""
        roots, self._roots = self._roots, []
        yield
        self._tested[-1].update(self._roots)
        self._roots = roots


def _may_be_missing(step: Step) -> bool:
    key = _constant_key(step)
    return type(key) is int


def _constant_key(step: Step) -> object:
    if isinstance(step, Property):
        return step.name
    keys = [step.key] if isinstance(step, Index) else step.arguments if step.name == "get" else ()
    return keys[0].constant if len(keys) == 1 and isinstance(keys[0], Constant) else None


def _path(reference: Reference) -> tuple[str, ...]:
    path = [reference.root]
    for step in reference.steps:
        key = _constant_key(step)
        if type(key) is not str:
            break
        path.append(key)
    return tuple(path)

"""Which components there are: those of the components folder, and those other packages add by entry point."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from typing import Any, TypeVar

from whereupon.kit.config import Config
from whereupon.kit.roles import Component, Nothing, Role
from whereupon.model.errors import SetupError

K = TypeVar("K", bound=type[Component[Any, Any]])
GROUP = "whereupon.components"


@dataclass(frozen=True, slots=True)
class Kind:
    """One component as it declared itself."""

    role: Role
    name: str
    title: str
    config: type[Config]
    provider: type[Config]
    make: type[Component[Any, Any]]


@dataclass(frozen=True, slots=True)
class Registry:
    """Kinds by role and name; a value that is passed, never fetched.

    `broken` holds the reason for each package of somebody else's whose components can't be loaded: the others work.
    """

    kinds: dict[tuple[Role, str], Kind] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)

    def of(self, role: Role) -> Iterator[Kind]:
        """All kinds of a role, by name."""
        return iter(
            sorted((each for each in self.kinds.values() if each.role == role), key=lambda each: each.name)
        )

    def kind(self, role: Role, name: str) -> Kind:
        """The kind of this role and name; raises SetupError naming those that exist."""
        found = self.kinds.get((role, name))
        if found is None:
            raise SetupError(f"There is no kind of {role} called {name!r}.", hint=self._choice(role))
        return found

    def _choice(self, role: Role) -> str:
        there = ", ".join(each.name for each in self.of(role))
        lost = (f"{name} can't be loaded: {reason}." for name, reason in sorted(self.broken.items()))
        return " ".join([f"Choose one of: {there}.", *lost])

    def add(self, kind: Kind) -> None:
        """Add a kind; a second of the same role and name takes the first one's place."""
        self.kinds[kind.role, kind.name] = kind


def stream(
    name: str, *, title: str, config: type[Config], provider: type[Config] = Nothing
) -> Callable[[K], K]:
    """Declare a class as a kind of stream."""
    return _declare("stream", name, title, config, provider)


def store(
    name: str, *, title: str, config: type[Config], provider: type[Config] = Nothing
) -> Callable[[K], K]:
    """Declare a class as a kind of store."""
    return _declare("store", name, title, config, provider)


def channel(name: str, *, title: str, config: type[Config]) -> Callable[[K], K]:
    """Declare a class as a kind of channel."""
    return _declare("channel", name, title, config, Nothing)


def _declare(
    role: Role, name: str, title: str, config: type[Config], provider: type[Config]
) -> Callable[[K], K]:
    def declared(made: K) -> K:
        made.kind = Kind(role, name, title, config, provider, made)  # type: ignore[attr-defined]
        return made

    return declared


def discover(package: str = "whereupon.components") -> Registry:
    """Import every component module and collect what they declare. Heavy clients stay unimported until a part opens."""
    registry = Registry()
    root = importlib.import_module(package)
    for found in pkgutil.walk_packages(root.__path__, prefix=f"{package}."):
        for kind in _declared(importlib.import_module(found.name)):
            registry.add(kind)
    for entry in entry_points(group=GROUP):
        try:
            kinds = list(_declared(entry.load()))
        except Exception as error:  # what another package does at its import is not ours to foresee
            registry.broken[entry.name] = f"{type(error).__name__}: {error}"
            continue
        if not kinds:
            registry.broken[entry.name] = f"{entry.value} is no module that declares a component"
        for kind in kinds:
            registry.add(kind)
    return registry


def _declared(module: object) -> Iterator[Kind]:
    """What a module's classes declare; one that only inherits a declaration has none."""
    for each in vars(module).values():
        kind = vars(each).get("kind") if isinstance(each, type) else None
        if isinstance(kind, Kind) and kind.make is each:
            yield kind

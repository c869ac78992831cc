"""Look-ups: one request to each store for a whole batch."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from whereupon.engine.decide import NO_RECORDS, Records
from whereupon.kit.roles import Store
from whereupon.model.errors import Refused


class Lookup:
    """`store` gives the opened store of a name, or raises SetupError or Away.

    What stores raise pauses the stream, but for a key that is refused.
    """

    def __init__(self, store: Callable[[str], Store[Any, Any]]) -> None:
        self._store = store

    def records(self, names: Collection[str], persons: Collection[str]) -> Records:
        """The records of these persons in these stores; none asked, none looked up."""
        if not names or not persons:
            return NO_RECORDS
        found: dict[str, Mapping[str, dict[str, str]]] = {}
        refused: dict[str, dict[str, str]] = {}
        for name in sorted(names):
            refused[name] = {}
            found[name] = _found(self._store(name), sorted(persons), refused[name])
        return Records(found, {name: keys for name, keys in refused.items() if keys})


def _found(
    store: Store[Any, Any], keys: Sequence[str], refused: dict[str, str]
) -> Mapping[str, dict[str, str]]:  # fmt: skip
    """One query; if the store refuses it, it is halved until the key that is to blame is found."""
    try:
        return store.find(keys)
    except Refused as error:
        if len(keys) == 1:
            refused[keys[0]] = error.message
            return {}
    half = len(keys) // 2
    return {**_found(store, keys[:half], refused), **_found(store, keys[half:], refused)}

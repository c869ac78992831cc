"""A set-up file put over the set-up that a system has: by name, and nothing is deleted unless that is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from whereupon.model.setup import Noun, Setup
from whereupon.storage.differences import NAMED

N = TypeVar("N", bound=Noun)


def merged(current: Setup | None, new: Setup, *, given: Sequence[str] = (), prune: bool = False) -> Setup:
    """The set-up that a system has after a file is applied; `given` are the file's top-level keys."""
    if current is None:
        return new
    lists = {place: _parts(_at(current, place), _at(new, place), prune=prune) for place in NAMED}
    groups: dict[str, dict[str, Any]] = {}
    update: dict[str, Any] = {"system": _over(current.system, new.system)}
    for place, parts in lists.items():
        (groups.setdefault(place[0], {}) if len(place) > 1 else update)[place[-1]] = parts
    for group, fields in groups.items():
        update[group] = getattr(current, group).model_copy(update=fields)
    if "realtime_data" in given:
        update["realtime_data"] = _over(current.realtime_data, new.realtime_data)
    return current.model_copy(update=update)


def only_here(current: Setup | None, new: Setup) -> list[str]:
    """What a system has and a file hasn't, by noun and name."""
    if current is None:
        return []
    found = []
    for place, noun in NAMED.items():
        names = {each.name for each in _at(new, place)}
        found += [f"{noun} {each.name}" for each in _at(current, place) if each.name not in names]
    return found


def _at(setup: Setup, place: Sequence[str]) -> tuple[Any, ...]:
    here: Any = setup
    for step in place:
        here = getattr(here, step)
    return tuple(here)


def _parts(old: Sequence[Any], new: Sequence[Any], *, prune: bool) -> tuple[Any, ...]:
    """Parts that stay keep their place, new ones follow."""
    named = {each.name: each for each in new}
    there = {each.name for each in old}
    stay = (named.get(each.name, None if prune else each) for each in old)
    return (*(each for each in stay if each is not None), *(each for each in new if each.name not in there))


def _over(old: N, new: N) -> N:
    """What the file says; what it doesn't mention stays."""
    return old.model_copy(update={name: getattr(new, name) for name in new.model_fields_set})

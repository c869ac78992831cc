"""What one set-up has other than another, in lines that a person reads."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pydantic import TypeAdapter

from whereupon.kit.config import sounds_secret
from whereupon.model.conditions import Condition, in_words
from whereupon.model.setup import Setup

NAMED: Mapping[tuple[str, ...], str] = {
    ("access", "groups"): "Group",
    ("access", "users"): "User",
    ("data", "tables"): "Data table",
    ("pull_marketing", "providers"): "Store provider",
    ("pull_marketing", "stores"): "Store",
    ("streams", "providers"): "Stream provider",
    ("streams", "streams"): "Stream",
    ("channels",): "Channel",
    ("campaigns",): "Campaign",
}
"""Where the lists of named parts stand in a set-up, and what a person calls one of them."""
_CONDITION: TypeAdapter[Condition] = TypeAdapter(Condition)
_LONGEST = 120
_NOTHING: tuple[Any, ...] = (None, "", [], {})


def normal(setup: Setup) -> dict[str, Any]:
    """A set-up as plain data in its normal form: equal data, equal set-ups. Whether a campaign is published is no part
    of it: its versions say that."""
    return _dumped(setup, exclude_defaults=True)


def _dumped(setup: Setup, *, exclude_defaults: bool) -> dict[str, Any]:
    data = setup.model_dump(mode="json", by_alias=True, exclude_defaults=exclude_defaults)
    for campaign in data.get("campaigns", ()):
        campaign.pop("publish", None)
    return data


def differences(old: Setup | None, new: Setup) -> list[str]:
    """One line for each difference, by name: added, removed, changed from → to. Values of secrets are never shown."""
    before = {} if old is None else _dumped(old, exclude_defaults=False)
    after = _dumped(new, exclude_defaults=False)
    lines: list[str] = []
    for place, noun in NAMED.items():
        lines += _parts(noun, _by_name(_at(before, place)), _by_name(_at(after, place)))
    if old is not None:
        lines += _mapping("System", before["system"], after["system"])
        lines += _mapping("Realtime data", before["realtime_data"], after["realtime_data"])
    return lines


def _at(data: Mapping[str, Any], place: tuple[str, ...]) -> list[Any]:
    for step in place:
        data = data.get(step, {})
    return list(data)


def _by_name(parts: list[Any], key: str = "name") -> dict[str, Any]:
    return {part[key]: part for part in parts}


def _parts(noun: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    for name, part in after.items():
        if name not in before:
            yield f"{noun} {name}: added"
        else:
            yield from _mapping(f"{noun} {name}", before[name], part)
    yield from (f"{noun} {name}: removed" for name in before if name not in after)


def _mapping(where: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    for key in dict.fromkeys([*after, *before]):
        pair = before.get(key), after.get(key)
        if pair[0] != pair[1] and not all(each in _NOTHING for each in pair):
            yield from _value(where, key, before.get(key), after.get(key))


def _value(where: str, key: str, before: Any, after: Any) -> Iterator[str]:
    if sounds_secret(key) and where.endswith(": settings"):
        happened = "set" if before in _NOTHING else "removed" if after in _NOTHING else "changed"
        yield f"{where}: {key}: {happened}"
    elif key in ("where", "if"):
        yield f"{where}: {key}: {_condition(before)} → {_condition(after)}"
    elif isinstance(before or after, dict) and isinstance(after or before, dict):
        yield from _mapping(f"{where}: {key}", before or {}, after or {})
    elif isinstance(before or after, list) and isinstance(after or before, list):
        yield from _list(where, key, before or [], after or [])
    else:
        yield f"{where}: {key}: {_short(before)} → {_short(after)}"


def _list(where: str, key: str, before: list[Any], after: list[Any]) -> Iterator[str]:
    identity = _identity([*before, *after])
    if identity is None:
        yield f"{where}: {key}: {_short(before)} → {_short(after)}"
        return
    named = ({identity(each): each for each in before}, {identity(each): each for each in after})
    if len(named[0]) < len(before) or len(named[1]) < len(after):
        yield f"{where}: {key}: {_short(before)} → {_short(after)}"
        return
    for name, each in named[1].items():
        if name not in named[0]:
            yield f"{where}: {key}: {name} added"
        elif isinstance(each, dict):
            yield from _mapping(f"{where}: {key}: {name}", named[0][name], each)
    yield from (f"{where}: {key}: {name} removed" for name in named[0] if name not in named[1])
    if named[0].keys() == named[1].keys() and list(named[0]) != list(named[1]):
        yield f"{where}: {key}: order is now {', '.join(named[1])}"


def _identity(items: list[Any]) -> Callable[[Any], str] | None:
    if all(isinstance(each, str) for each in items):
        return str
    for key in ("name", "field"):
        if all(isinstance(each, dict) and key in each for each in items):
            return lambda each, key=key: str(each[key])  # type: ignore[misc]
    return None


def _condition(value: Any) -> str:
    return "none" if value is None else in_words(_CONDITION.validate_python(value))


def _short(value: Any) -> str:
    if value in _NOTHING:
        return "none"
    text = f"“{value}”" if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"

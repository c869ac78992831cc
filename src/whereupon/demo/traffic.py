"""The demo's events: sign-ins and registrations as they come, with what goes wrong among them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from whereupon.demo.system import FIRST, address

LOCATIONS = ("Whitby", "Ambleside", "St Ives", "Tenby", "Oban", "Rye", "Portree", "Llandudno")
EVERY = 20
"""The mixture repeats after so many events: one person in it is unknown, one event is no JSON, one comes twice."""
UNKNOWN, BROKEN, TWICE = 7, 13, 17
REGISTERING = (3, 9, 15, 19)
REGULAR_EVERY, REGULAR_AT = 200, (5, 25, 45, 65, 85)
"""In 200 events one person signs in five times, and may get three messages a day."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event that is handed over. `kind` says what is special about it, for people."""

    stream: str
    event_id: str
    person: str
    value: bytes
    kind: str = ""


def needed_people(events: int) -> int:
    """How many people the store has to know, for nobody but the regulars to reach the limit."""
    return max(40, events // 2 + regulars(events))


def regulars(events: int) -> int:
    """How many people sign in again and again."""
    return -(-events // REGULAR_EVERY)


def traffic(events: int, *, run: str) -> Iterator[Event]:
    """So many events, one after the other; their ids begin with `run`, their times are when they are asked for."""
    people, first = needed_people(events), regulars(events)
    earlier: Event | None = None
    for number in range(events):
        turn = number % EVERY
        if turn == TWICE and earlier is not None:
            yield Event(earlier.stream, earlier.event_id, earlier.person, earlier.value, "the same once more")
            continue
        event = _event(number, run, str(FIRST + first + number % (people - first)))
        if turn not in (UNKNOWN, BROKEN):
            earlier = event
        yield event


def _event(number: int, run: str, person: str) -> Event:
    turn, name = number % EVERY, f"{run}-{number + 1}"
    if turn == UNKNOWN:
        return _made("SignIn", name, f"9{number:06}", number, "nobody knows them")
    if turn == BROKEN:
        return Event("SignIn", "", "", f'{{"id": "{name}", "urn": {person}, "location": '.encode(), "no JSON")
    if turn in REGISTERING:
        return _made("Register", name, f"new-{run}-{number + 1}", number, "registers")
    if number % REGULAR_EVERY in REGULAR_AT:
        return _made("SignIn", name, str(FIRST + number // REGULAR_EVERY), number, "signs in often")
    return _made("SignIn", name, person, number, "signs in")


def _made(stream: str, name: str, person: str, number: int, kind: str) -> Event:
    fields = {
        "id": name,
        "urn": person,
        "email": address(person),
        "location": LOCATIONS[number % len(LOCATIONS)],
        "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
    }
    return Event(stream, name, person, json.dumps(fields).encode(), kind)

"""What the persons of a batch have had: repeats, and the messages that count in limits."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from whereupon.connect.session import Columns, Session
from whereupon.model.decided import COUNTING

MOST = 10_000
"""Events of a person that are looked at (line.md, *Limits, age, order*)."""
IDENTITY: Columns = {"person": "text", "event_id": "text"}
PERSON: Columns = {"person": "text"}


class Had(NamedTuple):
    """Messages that count, as (campaign, channel, decided) for each person; and the persons with too many events."""

    messages: dict[str, list[tuple[int, int, int]]]
    crowded: frozenset[str]


def repeats(
    session: Session, stream: int, identities: Sequence[tuple[str, str]]
) -> frozenset[tuple[str, str]]:
    """Which of these (person, event id) were decided before: one query."""
    given = session.given("k", IDENTITY)
    rows = session.all(
        f"SELECT k.person, k.event_id FROM {given}"  # noqa: S608
        " JOIN event e ON e.person = k.person AND e.event_id = k.event_id AND e.stream = ?",
        (*session.bind(IDENTITY, identities), stream),
    )
    return frozenset((person, event_id) for person, event_id in rows)


def had(session: Session, persons: Collection[str], *, since: int, fills: Collection[int]) -> Had:
    """What these persons have had since `since` (UTC ms), without the messages of channels that fill a store.

    Starts at the first event number of the hour before, so that the unique index answers and old outcomes stay
    untouched; one query.
    """
    first = first_since(session, since)
    rows = session.all(statement(session), _parameters(session, persons, first))
    messages: dict[str, list[tuple[int, int, int]]] = {}
    events: dict[str, int] = {}
    last = None
    for person, event, campaign, channel, decided, state in rows:
        if (person, event) != last:
            events[person] = events.get(person, 0) + 1
            last = (person, event)
        if state in COUNTING and channel not in fills:
            messages.setdefault(person, []).append((campaign, channel, decided))
    return Had(messages, frozenset(person for person, count in events.items() if count > MOST))


def statement(session: Session) -> str:
    """The query of `had`: given persons, their latest events, and the outcomes of those."""
    events = _EVENTS[session.dialect.name].format(most=MOST + 1)
    return (
        f"SELECT k.person, e.id, o.campaign, o.channel, o.decided, o.state FROM {session.given('k', PERSON)}"  # noqa: S608
        f" {events} LEFT JOIN outcome o ON o.event = e.id ORDER BY k.person, e.id"
    )


def first_since(session: Session, since: int) -> int:
    """The lowest event number of the hour of `since` (UTC ms) or later; above all numbers if there is none."""
    row = session.one("SELECT MIN(first) FROM hour WHERE hour >= ?", (since // 3_600_000,))
    return row[0] if row and row[0] is not None else 2**62


def _parameters(session: Session, persons: Collection[str], first: int) -> tuple[object, ...]:
    return (*session.bind(PERSON, [(each,) for each in sorted(persons)]), first)


# A person's latest events from the first number on, as each server cuts them off.
_EVENTS = {
    "sqlite": "CROSS JOIN event e ON e.id IN"
    " (SELECT x.id FROM event x WHERE x.person = k.person AND x.id >= ? LIMIT {most})",
    "postgresql": "CROSS JOIN LATERAL"
    " (SELECT x.id FROM event x WHERE x.person = k.person AND x.id >= ? LIMIT {most}) e",
    "sqlserver": "CROSS APPLY (SELECT TOP {most} x.id FROM event x WHERE x.person = k.person AND x.id >= ?) e",
}

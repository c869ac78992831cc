"""What journal and history say of the past: events, how they ended, batches as decided, versions as they were."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from whereupon.connect.databases import Database
from whereupon.model.decided import BatchRecord
from whereupon.storage.counting import MOST, Had, had
from whereupon.storage.records import unpacked
from whereupon.storage.turns import Turns
from whereupon.storage.versions import Body

PERSONS = 500
"""Persons of one question to the journal."""


class EventRow(NamedTuple):
    """An event as the journal numbers it; times are UTC ms."""

    id: int
    person: str
    event_id: str
    stream: int
    at: int
    seen: int


class OutcomeRow(NamedTuple):
    """How a campaign's message of an event ended, or where it is; times are UTC ms."""

    campaign: int
    version: int
    channel: int
    state: str
    reason: str
    tries: int
    decided: int
    first_try: int | None
    finished: int | None


class AttemptRow(NamedTuple):
    """One try of a campaign's message."""

    campaign: int
    n: int
    started: int
    ended: int
    answer: str


class Past:
    """Reads, and never writes; a service may work on the same databases meanwhile."""

    def __init__(self, system: Database, streams: Database) -> None:
        self._system = Turns(system)
        self._streams = Turns(streams)

    def close(self) -> None:
        """Close the connections; a second call does nothing."""
        self._system.close()
        self._streams.close()

    # -- events ------------------------------------------------------------------------------------------------

    def event(self, number: int) -> EventRow | None:
        """The event of this number, while it is kept."""
        found = self._events("id = ?", (number,), most=1)
        return found[0] if found else None

    def events_of(self, person: str, *, event_id: str = "", most: int) -> list[EventRow]:
        """A person's latest events, oldest first; of one event id on all streams, where that is given."""
        if event_id:
            return self._events("person = ? AND event_id = ?", (person, event_id), most=most)
        return self._events("person = ?", (person,), most=most)

    def _events(self, which: str, parameters: Sequence[object], *, most: int) -> list[EventRow]:
        with self._streams.session() as session:
            query = f"SELECT id, person, event_id, stream, at, seen FROM event WHERE {which} ORDER BY id DESC"  # noqa: S608
            rows = session.all(session.dialect.limited(query, most), parameters)
        return [EventRow(*row) for row in reversed(rows)]

    def outcomes(self, event: int) -> list[OutcomeRow]:
        """What each matching campaign made of an event."""
        with self._streams.session() as session:
            rows = session.all(
                "SELECT campaign, version, channel, state, reason, tries, decided, first_try, finished FROM outcome"
                " WHERE event = ? ORDER BY campaign",
                (event,),
            )
        return [OutcomeRow(*row) for row in rows]

    def attempts(self, event: int) -> list[AttemptRow]:
        """The tries of an event's messages that were kept: all but a first one that succeeded."""
        with self._streams.session() as session:
            rows = session.all(
                "SELECT campaign, n, started, ended, answer FROM attempt WHERE event = ? ORDER BY campaign, n",
                (event,),
            )
        return [AttemptRow(*row) for row in rows]

    # -- batches -----------------------------------------------------------------------------------------------

    def batch_of(self, event: int) -> BatchRecord | None:
        """The batch that an event was decided in, while it is kept."""
        with self._streams.session() as session:
            row = session.one(
                "SELECT last, body FROM batch WHERE id = (SELECT MAX(id) FROM batch WHERE id <= ?)", (event,)
            )
        return unpacked(row[1]) if row is not None and row[0] >= event else None

    def last_batches(self, stream: int, *, events: int) -> list[BatchRecord]:
        """The last batches of a stream, oldest first, that hold so many events; the first one is cut to fit."""
        found: list[BatchRecord] = []
        before, missing = 2**62, events
        while missing > 0:
            record, before = self._batch_before(stream, before)
            if record is None:
                break
            record.events = record.events[max(0, len(record.events) - missing) :]
            missing -= len(record.events)
            if record.events:
                found.append(record)
        return found[::-1]

    def _batch_before(self, stream: int, number: int) -> tuple[BatchRecord | None, int]:
        with self._streams.session() as session:
            row = session.one(
                session.dialect.limited(
                    "SELECT id, body FROM batch WHERE stream = ? AND id < ? ORDER BY id DESC", 1
                ),
                (stream, number),
            )
        return (unpacked(row[1]), row[0]) if row is not None else (None, number)

    def had(self, persons: Collection[str], *, since: int, until: int, fills: Collection[int]) -> Had:
        """What these persons had had between two times (UTC ms), for limits."""
        messages: dict[str, list[tuple[int, int, int]]] = {}
        crowded: set[str] = set()
        listed = sorted(persons)
        for begin in range(0, len(listed), PERSONS):
            with self._streams.session() as session:
                some = had(session, listed[begin : begin + PERSONS], since=since, fills=fills)
            crowded |= some.crowded
            for person, counted in some.messages.items():
                messages[person] = [each for each in counted if each[2] < until]
        return Had(messages, frozenset(crowded))

    def crowded(self) -> list[tuple[str, int]]:
        """Persons with so many events that campaigns with limits withhold theirs; reads the whole index."""
        with self._streams.session() as session:
            rows = session.all(
                "SELECT person, COUNT(*) FROM event GROUP BY person HAVING COUNT(*) > ? ORDER BY COUNT(*) DESC",
                (MOST,),
            )
        return [(person, count) for person, count in rows]

    # -- versions ----------------------------------------------------------------------------------------------

    def version(self, campaign: int, number: int) -> Body | None:
        """A version as it was published."""
        with self._system.session() as session:
            row = session.one(
                "SELECT body FROM version WHERE campaign = ? AND number = ?", (campaign, number)
            )
        return Body.read(row[0]) if row is not None else None

    def published_at(self, revision: int) -> dict[int, int]:
        """Campaign → version, of what was published in a revision."""
        with self._system.session() as session:
            row = session.one("SELECT published FROM revision WHERE number = ?", (revision,))
        published: dict[str, Any] = json.loads(row[0]) if row is not None else {}
        return {int(campaign): version for campaign, version in published.items()}

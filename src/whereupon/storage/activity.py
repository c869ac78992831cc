"""What is recorded: events with their outcomes, repeats and dead letters, in the order of the journal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from whereupon.connect.databases import Database
from whereupon.connect.session import Columns, Session
from whereupon.model.decided import OPEN
from whereupon.model.events import message_key
from whereupon.storage.journal import BLOCK
from whereupon.storage.records import unpacked
from whereupon.storage.turns import Turns

PAGE = 2_000
AGO = 24
"""Hours before the last reading in which a service whose clock is behind may have begun the numbers it takes now."""
Names = Mapping[tuple[str, int], str]
"""(role, number) → name."""


class Blocks:
    """How far a table was read. Numbers ascend within a block, and every writer takes blocks of its own: what comes
    later may have a lower number than what another one wrote before."""

    def __init__(self) -> None:
        self._read: dict[int, int] = {}

    def note(self, number: int) -> None:
        """This number was read."""
        self._read[(number - 1) // BLOCK] = number

    def unread(self, session: Session, table: str, *, first: int, end: int) -> list[tuple[int, int]]:
        """(above, up to) of the blocks from number `first` to before `end` that hold something new: one query."""
        blocks = range((first - 1) // BLOCK, (end - 2) // BLOCK + 1)
        columns: Columns = {"above": "id", "upto": "id"}
        spans = [(self._read.get(each, each * BLOCK), (each + 1) * BLOCK) for each in blocks]
        return session.all(
            f"SELECT k.above, k.upto FROM {session.given('k', columns)} WHERE EXISTS"  # noqa: S608
            f" (SELECT 1 FROM {table} t WHERE t.id > k.above AND t.id <= k.upto) ORDER BY k.above",
            session.bind(columns, spans),
        )


@dataclass(slots=True)
class Place:
    """How far activity was read: events, batches and dead letters, up to which hour; and the pairs that were open."""

    events: Blocks = field(default_factory=Blocks)
    batches: Blocks = field(default_factory=Blocks)
    dead: Blocks = field(default_factory=Blocks)
    hour: int = 0
    open: dict[tuple[int, int], dict[str, Any]] = field(default_factory=dict)


class Activity:
    """The journal as people and scripts read it; `names` gives streams, campaigns and channels their names."""

    def __init__(self, database: Database, names: Names) -> None:
        self._turns = Turns(database)
        self.names = names

    def close(self) -> None:
        """Close the connection; a second call does nothing."""
        self._turns.close()

    def rows(self, place: Place, *, ended_only: bool = False) -> Iterator[dict[str, Any]]:
        """Everything recorded after `place`, which moves on. With `ended_only` an outcome comes once it has ended."""
        first = self._first(place)
        for above, upto in self._unread("event", place.events, first):
            yield from self._outcomes(place, above, upto, ended_only=ended_only)
        for above, upto in self._unread("batch", place.batches, first):
            yield from self._repeats(place, above, upto)
        for above, upto in self._unread("dead", place.dead, 1):
            yield from self._dead(place, above, upto)
        if ended_only:
            yield from self._ended(place)

    def _first(self, place: Place) -> int:
        """The lowest number that an event may have which was decided since the last reading."""
        with self._turns.session() as session:
            ((first,),) = session.all(
                "SELECT COALESCE(MIN(first), 1) FROM hour WHERE hour >= ?", (place.hour - AGO,)
            )
            ((place.hour,),) = session.all("SELECT COALESCE(MAX(hour), 0) FROM hour")
        return int(first)

    def _unread(self, table: str, blocks: Blocks, first: int) -> list[tuple[int, int]]:
        name = "dead" if table == "dead" else "event"
        with self._turns.session() as session:
            row = session.one("SELECT next FROM numbering WHERE name = ?", (name,))
            return blocks.unread(session, table, first=first, end=row[0]) if row is not None else []

    def _outcomes(self, place: Place, above: int, upto: int, *, ended_only: bool) -> Iterator[dict[str, Any]]:
        while True:
            with self._turns.session() as session:
                rows = session.all(
                    session.dialect.limited(
                        "SELECT id, person, event_id, stream, seen FROM event WHERE id > ? AND id <= ? ORDER BY id",
                        PAGE,
                    ),
                    (above, upto),
                )
                if not rows:
                    return
                outcomes = session.all(
                    "SELECT event, campaign, channel, state, reason, decided, finished, version, tries FROM outcome"
                    " WHERE event >= ? AND event <= ? ORDER BY event, campaign",
                    (rows[0][0], rows[-1][0]),
                )
            by_event: dict[int, list[tuple[Any, ...]]] = {}
            for outcome in outcomes:
                by_event.setdefault(outcome[0], []).append(outcome)
            for row in rows:
                above = row[0]
                place.events.note(above)
                for said in self._said(row, by_event.get(above, [])):
                    if ended_only and said["outcome"] in OPEN:
                        place.open[said["event"], said["campaign_id"]] = said
                    else:
                        yield said

    def _said(self, row: tuple[Any, ...], outcomes: list[tuple[Any, ...]]) -> Iterator[dict[str, Any]]:
        event, person, event_id, stream, seen = row
        common = {
            "event": event,
            "stream": self._name("stream", stream),
            "event_id": event_id,
            "person": person,
        }
        if not outcomes:
            yield _line(common, outcome="unmatched", at=seen)
        for _, campaign, channel, state, reason, decided, finished, version, tries in outcomes:
            yield _line(
                common,
                campaign=self._name("campaign", campaign),
                campaign_id=campaign,
                version=version,
                channel=self._name("channel", channel),
                key=message_key(stream, event_id, campaign, person, channel),
                outcome=state,
                reason=reason,
                at=decided,
                milliseconds=finished - seen if finished else None,
                tries=tries,
            )

    def _ended(self, place: Place) -> Iterator[dict[str, Any]]:
        for (event, campaign), said in list(place.open.items()):
            with self._turns.session() as session:
                row = session.one(
                    "SELECT state, reason, finished, decided, tries FROM outcome WHERE event = ? AND campaign = ?",
                    (event, campaign),
                )
            if row is None or row[0] in OPEN:
                continue
            del place.open[event, campaign]
            took = row[2] - row[3] if row[2] else None
            yield {**said, "outcome": row[0], "reason": row[1], "milliseconds": took, "tries": row[4]}

    def _repeats(self, place: Place, above: int, upto: int) -> Iterator[dict[str, Any]]:
        while True:
            with self._turns.session() as session:
                rows = session.all(
                    session.dialect.limited(
                        "SELECT id, body FROM batch WHERE id > ? AND id <= ? ORDER BY id", 50
                    ),
                    (above, upto),
                )
            if not rows:
                return
            for above, body in rows:
                place.batches.note(above)
                record = unpacked(body)
                for each in record.repeats:
                    yield _line(
                        {
                            "event": None,
                            "stream": record.stream_name,
                            "event_id": each.event_id,
                            "person": each.person,
                        },
                        outcome="repeat",
                        reason=f"partition {each.partition}, offset {each.offset}",
                        at=record.decided,
                    )

    def _dead(self, place: Place, above: int, upto: int) -> Iterator[dict[str, Any]]:
        with self._turns.session() as session:
            rows = session.all(
                "SELECT d.id, d.stage, d.event, d.campaign, COALESCE(e.stream, d.stream), e.event_id, e.person,"
                " d.place, d.reason, d.at, d.judged FROM dead d LEFT JOIN event e ON e.id = d.event"
                " WHERE d.id > ? AND d.id <= ? ORDER BY d.id",
                (above, upto),
            )
        for number, stage, event, campaign, stream, event_id, person, where, reason, at, judged in rows:
            place.dead.note(number)
            common = {
                "event": event,
                "stream": self._name("stream", stream),
                "event_id": event_id,
                "person": person,
            }
            yield _line(
                common,
                campaign=self._name("campaign", campaign) if campaign is not None else None,
                outcome="dead letter",
                reason=reason,
                at=at,
                dead_letter=number,
                stage=stage,
                place=where,
                judged=judged,
            )

    def _name(self, role: str, number: int) -> str:
        return self.names.get((role, number), f"{role} {number}")


def _line(common: dict[str, Any], **said: Any) -> dict[str, Any]:
    blank = {
        "campaign": None,
        "channel": None,
        "key": None,
        "outcome": "",
        "reason": "",
        "at": 0,
        "milliseconds": None,
    }
    return {**common, **blank, **said}

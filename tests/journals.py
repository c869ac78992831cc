"""A journal with verbs: events are decided, messages end, and what stands in the tables is asked."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.world import made
from whereupon.connect.databases import Database, database
from whereupon.model.decided import (
    FAILED,
    SENDING,
    WITHHELD,
    BatchRecord,
    DeadLetter,
    Decision,
    EventRecord,
    Joined,
    Repeat,
    Trace,
)
from whereupon.model.events import Message
from whereupon.storage.deliveries import Deliveries, Ending
from whereupon.storage.journal import Ask, Journal, Numbers, Read
from whereupon.storage.journal_tables import JOURNAL
from whereupon.storage.turns import Turns, writers

NOW, HOUR = 1_767_225_600_000, 3_600_000
STREAM, CAMPAIGN, CHANNEL = 1, 3, 7
Events = Sequence[tuple[str, str]]


def journal_file(folder: Path) -> Database:
    """A Streams database in a file."""
    return made(database("sqlite:///SD.db", folder=folder), JOURNAL)


class Book:
    """One owner's journal and deliveries on a database."""

    def __init__(self, streams: Database, *, owner: int = 1) -> None:
        self.database = streams
        self.owner = owner
        lock = writers(streams)
        self.journal = Journal(streams, owner=owner, writers=lock)
        self.deliveries = Deliveries(streams, owner=owner, writers=lock)
        self.turns = Turns(streams, writers=lock)
        self.dead = Numbers("dead")
        self.read: Read | None = None
        self._ids = itertools.count(1)

    def close(self) -> None:
        """Close all connections."""
        for each in (self.journal, self.deliveries, self.turns):
            each.close()

    def events(self, *persons: str) -> list[tuple[str, str]]:
        """A new event of each of these persons."""
        return [(person, f"e{self.owner}.{next(self._ids)}") for person in persons]

    def decide(
        self,
        *persons: str,
        events: Events = (),
        state: str = SENDING,
        reason: str = "",
        at: int = NOW,
        moves: Mapping[int, tuple[int, int]] | None = None,
        dead: int = 0,
        behind: int = 0,
        then: Callable[[Decision], None] | None = None,
        **ask: Any,
    ) -> Decision:
        """Decide an event of each of these persons: one campaign, one channel, this state. What the journal said before
        stands in `read`; events that were decided before are repeats. `behind`: they wait until then."""
        wanted = list(events) or self.events(*persons)
        ask.setdefault("most_dead", max(dead, 1))

        def settle(read: Read) -> tuple[Decision, list[Joined]]:
            self.read = read
            record = BatchRecord(STREAM, "SignIn", "topic", 1, at, [], [], {CAMPAIGN: "Hello"})
            for place, (person, event_id) in enumerate(wanted):
                if (person, event_id) in read.repeats:
                    record.repeats.append(Repeat(0, place, at, person, event_id))
                    continue
                fields = {"subject": "Hello", "email": f"{person}@example.org"}
                trace = Trace(CAMPAIGN, 2, CHANNEL, state, reason, key=f"key of {event_id}", fields=fields)
                record.events.append(
                    EventRecord(next(read.ids), 0, place, at, person, event_id, b"{}", {}, [trace], [])
                )
            letters = [DeadLetter("decode", "SignIn, partition 0", "bad", b"{") for _ in range(dead)]
            joined = [
                Joined(each.id, CAMPAIGN, CHANNEL, each.person, behind) for each in record.events if behind
            ]
            return Decision(record, letters, {}), joined

        more = {"then": then} if then is not None else {}
        return self.journal.decide(Ask(STREAM, "topic", wanted, moves or {}, **ask), settle, **more)

    def ends(self, decision: Decision, state: str, **ending: Any) -> list[Ending]:
        """All messages of a decision end so."""
        endings = [Ending(self.message(each), CHANNEL, state, **ending) for each in decision.record.events]
        self.deliveries.finish(endings, now=ending.get("finished") or NOW)
        return endings

    def message(self, event: EventRecord) -> Message:
        """The message of an event's only campaign."""
        return event.traces[0].message(event, campaign_name="Hello", stream="SignIn")

    def rows(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Rows as another connection sees them."""
        with closing(self.database.session()) as session:
            return session.all(sql, parameters)

    def states(self) -> list[str]:
        """State and reason of all outcomes in order."""
        found = self.rows("SELECT state, reason FROM outcome ORDER BY event, campaign")
        return [f"{state}: {reason}" if reason else state for state, reason in found]

    def figures(self) -> dict[tuple[str, str], int]:
        """The tally by state and reason, all days and owners together."""
        found = self.rows("SELECT state, reason, SUM(n) FROM tally GROUP BY state, reason HAVING SUM(n) <> 0")
        return {(state, reason): int(n) for state, reason, n in found}

    def recount(self) -> dict[tuple[str, str], int]:
        """The same figures, counted from the outcomes."""
        counts: dict[tuple[str, str], int] = {}
        for state, reason in self.rows("SELECT state, reason FROM outcome"):
            figure = (state, reason) if state in ("sent", WITHHELD, FAILED, "unknown") else ("open", "")
            counts[figure] = counts.get(figure, 0) + 1
        return counts

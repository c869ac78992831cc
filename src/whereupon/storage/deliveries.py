"""The journal's second half: how messages end, which ones leave next, and what a start finds open."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from whereupon.connect.databases import Database
from whereupon.connect.session import Columns, Session
from whereupon.host.crash import point
from whereupon.model.decided import OPEN, QUEUED, SENDING, SENT, WAITING, DeadLetter, Trace
from whereupon.model.events import Message, Receipt
from whereupon.storage.bodies import Bodies
from whereupon.storage.counting import Had, had
from whereupon.storage.journal import DAY, DEAD, OPENED, TALLY, TALLY_KEY, Numbers, dead_rows, storable
from whereupon.storage.journal import WAITING as WAIT_ROW
from whereupon.storage.records import packed, unpacked
from whereupon.storage.turns import Turns

ENDING: Columns = {"event": "id", "campaign": "id", "state": "text", "reason": "text", "tries": "id", "first_try": "id",
          "finished": "id", "before": "text"}  # fmt: skip
ATTEMPT: Columns = {
    "event": "id",
    "campaign": "id",
    "n": "id",
    "started": "id",
    "ended": "id",
    "answer": "text",
}
PAIR: Columns = {"event": "id", "campaign": "id"}
RANGE: Columns = {"first": "id", "last": "id", "campaign": "id", "first_try": "id", "finished": "id"}
APART = 20
"""Milliseconds that the times of messages sent in a row may differ to be noted as one: those of the first."""
SHORT = 8
"""Messages of a range on average above which ranges are worth it."""
Pair = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Ending:
    """How a try, or a message, ended. `before` is the state it leaves; `next_at` (UTC ms) is when a waiting one is due.

    `attempt` is (started, ended, answer), kept for every try but a first one that succeeds.
    """

    message: Message
    channel: int
    state: str
    reason: str = ""
    tries: int = 0
    first_try: int | None = None
    finished: int | None = None
    next_at: int = 0
    attempt: tuple[int, int, str] | None = None
    dead: DeadLetter | None = None
    before: str = SENDING


class Open(NamedTuple):
    """A message that leaves (again): its pair, how often it was tried, when first, why it waits."""

    event: int
    campaign: int
    tries: int
    first_try: int | None
    reason: str


class _SomeGone(Exception):
    """Some rows of a T2 aren't as its endings say; nothing of it was written."""


class Deliveries:
    """Outcomes, attempts, the resend queue and the bodies of messages, as their owner moves them."""

    def __init__(self, database: Database, *, owner: int, writers: threading.Lock | None) -> None:
        self.owner = owner
        self._turns = Turns(database, writers=writers)
        self._reading = Turns(database)
        self._dead = Numbers("dead")
        self.bodies = Bodies(database)

    def close(self) -> None:
        """Close the connections; a second call does nothing."""
        self._turns.close()
        self._reading.close()
        self.bodies.close()

    def finish(
        self, endings: Sequence[Ending], *, now: int, sent: Sequence[Receipt] = (),
        leaving: Mapping[str, Sequence[Pair]] = MappingProxyType({}),
    ) -> frozenset[Pair]:  # fmt: skip
        """T2: outcomes, attempts, waiting and dead letters of these endings, and of messages `sent` at their first try;
        those `leaving` become *sending*, by the state that they leave. The pairs of these that are so now.

        Each counts once however often it is asked: rows that are no longer as an ending says (noted before, or taken
        over) are left as they are, and of a lost answer's messages those that left are sending.
        """
        self._dead.reserve(self._turns, len(endings))
        point("before-t2")
        try:
            gone = self._note(endings, sent, leaving, now)
        except _SomeGone:
            gone = self._note(self._standing([*endings, *map(_ending, sent)]), (), leaving, now)
        point("after-t2")
        return gone

    def _note(
        self, endings: Sequence[Ending], sent: Sequence[Receipt], leaving: Mapping[str, Sequence[Pair]], now: int
    ) -> frozenset[Pair]:  # fmt: skip
        if not (endings or sent or leaving):
            return frozenset()
        with self._turns.transaction() as session:
            tallied = self._tallied(session, endings, sent, now)
            self._note_sent(session, sent)
            if endings:
                self._note_ended(session, endings, now)
            session.add("tally", TALLY, tallied, key=TALLY_KEY, amount="n")
            gone = [pair for before, pairs in leaving.items() for pair in self._leave(session, pairs, before)]
        return frozenset(gone)

    def _note_sent(self, session: Session, sent: Sequence[Receipt]) -> None:
        rows, on = _matching([(r.message.campaign, r.message.event, r.started, r.ended) for r in sent])
        moved = session.update(
            "outcome", f"state = '{SENT}', reason = '', tries = 1, first_try = k.first_try, finished = k.finished", "k",
            RANGE, rows, on=f"{on} AND outcome.state = '{SENDING}' AND outcome.owner = {int(self.owner)}",
        )  # fmt: skip
        if moved < len(sent):
            raise _SomeGone

    def _note_ended(self, session: Session, endings: Sequence[Ending], now: int) -> None:
        waiting = [
            (e.message.event, e.message.campaign, self.owner, e.channel, e.message.person, e.next_at, e.tries)
            for e in endings
            if e.state == WAITING
        ]
        attempts = [
            (e.message.event, e.message.campaign, e.tries, *e.attempt[:2], storable(e.attempt[2], 1000))
            for e in endings
            if e.attempt is not None
        ]
        dead = [e.dead for e in endings if e.dead is not None]
        first = self._dead.take(len(dead))
        self._move(session, endings)
        left = [(e.message.event, e.message.campaign) for e in endings if e.before == WAITING]
        session.delete("waiting", PAIR, left)
        session.upsert("waiting", WAIT_ROW, waiting, key=("event", "campaign"))
        session.upsert("attempt", ATTEMPT, attempts, key=("event", "campaign", "n"))
        session.insert("dead", DEAD, dead_rows(dead, first, 0, now, self.owner))

    def _standing(self, endings: Sequence[Ending]) -> list[Ending]:
        """The endings whose rows are ours and as they were, one for each message."""
        by_pair = {(each.message.event, each.message.campaign): each for each in endings}
        with self._turns.session() as session:
            states = self._states(session, list(by_pair))
        return [each for pair, each in by_pair.items() if states.get(pair) == each.before]

    def _states(self, session: Session, pairs: Sequence[tuple[int, int]]) -> dict[tuple[int, int], str]:
        rows = session.all(
            f"SELECT o.event, o.campaign, o.state FROM {session.given('k', PAIR)} JOIN outcome o"  # noqa: S608
            " ON o.event = k.event AND o.campaign = k.campaign WHERE o.owner = ?",
            (*session.bind(PAIR, pairs), self.owner),
        )
        return {(event, campaign): state for event, campaign, state in rows}

    def queued(
        self, channel: int, *, after: int, most: int, only: int | None = None, without: Collection[int] = ()
    ) -> list[Open]:
        """The next queued messages of a channel, oldest first, from event number `after` on; of one campaign `only`, or
        `without` some."""
        which = "" if only is None else f" AND campaign = {int(only)}"
        if without:
            which = f" AND campaign NOT IN ({', '.join(str(int(each)) for each in without)})"
        with self._reading.session() as session:
            rows = session.all(
                session.dialect.limited(
                    "SELECT event, campaign, tries, first_try, reason FROM outcome WHERE event >= ? AND channel = ?"  # noqa: S608
                    f" AND owner = ? AND state = ?{which} ORDER BY event, campaign",
                    most,
                ),
                (after, channel, self.owner, QUEUED),
            )
        return [Open(*row) for row in rows]

    def due(self, channel: int, *, now: int, most: int) -> list[Open]:
        """Waiting messages of a channel whose time has come, the longest due first."""
        with self._reading.session() as session:
            rows = session.all(
                session.dialect.limited(
                    "SELECT w.event, w.campaign, w.tries, o.first_try, o.reason FROM waiting w JOIN outcome o"
                    " ON o.event = w.event AND o.campaign = w.campaign"
                    " WHERE w.channel = ? AND w.owner = ? AND w.next_at <= ? ORDER BY w.next_at, w.event",
                    most,
                ),
                (channel, self.owner, now),
            )
        return [Open(*row) for row in rows]

    def first_due(self, channel: int) -> int | None:
        """When the first waiting message of a channel is due; None if none waits."""
        with self._reading.session() as session:
            row = session.one(
                "SELECT MIN(next_at) FROM waiting WHERE channel = ? AND owner = ?", (channel, self.owner)
            )
        return row[0] if row else None

    def _leave(self, session: Session, pairs: Sequence[Pair], before: str) -> list[Pair]:
        rows, on = _matching([(campaign, event, 0, 0) for event, campaign in pairs])
        moved = session.update(
            "outcome", f"state = '{SENDING}'", "k", RANGE, rows,
            on=f"{on} AND outcome.state = '{before}' AND outcome.owner = {int(self.owner)}",
        )  # fmt: skip
        sending = list(pairs)
        if moved < len(pairs):
            states = self._states(session, pairs)
            sending = [each for each in pairs if states.get(each) == SENDING]
        if before == WAITING:
            session.delete("waiting", PAIR, sending)
        return sending

    def state(self, event: int, campaign: int) -> tuple[str, int, int] | None:
        """State, channel and time of decision of a message."""
        with self._reading.session() as session:
            row = session.one(
                "SELECT state, channel, decided FROM outcome WHERE event = ? AND campaign = ?",
                (event, campaign),
            )
        return (row[0], row[1], row[2]) if row else None

    def had(self, person: str, *, since: int, fills: Collection[int]) -> Had:
        """What one person has had since `since` (UTC ms), without the messages of channels that fill a store."""
        with self._reading.session() as session:
            return had(session, [person], since=since, fills=fills)

    def rewrite(self, event: int, trace: Trace, *, before: str, now: int) -> None:
        """A campaign was decided anew for an event: its trace and its outcome take the old ones' place."""
        with self._turns.transaction() as session:
            ((number, body),) = session.all(
                "SELECT id, body FROM batch WHERE id = (SELECT MAX(id) FROM batch WHERE id <= ?)", (event,)
            )
            record = unpacked(body)
            one = record.events[event - record.events[0].id]
            one.traces = [trace if each.campaign == trace.campaign else each for each in one.traces]
            session.run("UPDATE batch SET body = ? WHERE id = ?", (packed(record), number))
            message = trace.message(one, campaign_name="", stream=record.stream_name)
            ending = Ending(message, trace.channel, trace.state, trace.reason, before=before)
            tallied = self._tallied(session, [ending], (), now)
            self._move(session, [ending])
            session.add("tally", TALLY, tallied, key=TALLY_KEY, amount="n")
            session.run(
                "UPDATE outcome SET version = ? WHERE event = ? AND campaign = ?",
                (trace.version, event, trace.campaign),
            )
        self.bodies.forget()

    def _move(self, session: Session, endings: Sequence[Ending]) -> None:
        rows = [
            (
                e.message.event,
                e.message.campaign,
                e.state,
                e.reason,
                e.tries,
                e.first_try,
                e.finished,
                e.before,
            )
            for e in endings
        ]
        moved = session.update(
            "outcome",
            "state = k.state, reason = k.reason, tries = k.tries, first_try = k.first_try, finished = k.finished",
            "k",
            ENDING,
            rows,
            on="outcome.event = k.event AND outcome.campaign = k.campaign AND outcome.state = k.before"
            f" AND outcome.owner = {int(self.owner)}",
        )
        if moved < len(rows):
            raise _SomeGone

    def _tallied(
        self, session: Session, endings: Sequence[Ending], sent: Sequence[Receipt], now: int
    ) -> list[tuple[object, ...]]:
        moved: Counter[tuple[int, str, str]] = Counter()
        for campaign, n in Counter([each.message.campaign for each in sent]).items():
            moved[campaign, OPENED, ""] = -n
            moved[campaign, SENT, ""] = n
        for each in endings:
            before = (OPENED, "") if each.before in OPEN else self._figure(session, each.message)
            after = (OPENED, "") if each.state in OPEN else (each.state, each.reason)
            if before != after:
                moved[each.message.campaign, *before] -= 1
                moved[each.message.campaign, *after] += 1
        return [
            (campaign, now // DAY, state, why, self.owner, n) for (campaign, state, why), n in moved.items()
        ]

    def _figure(self, session: Session, message: Message) -> tuple[str, str]:
        """State and reason of a message that had ended: seldom, when a person sends it again."""
        row = session.one(
            "SELECT state, reason FROM outcome WHERE event = ? AND campaign = ?",
            (message.event, message.campaign),
        )
        return (row[0], row[1]) if row else ("", "")


def ranges(messages: Sequence[tuple[int, int, int, int]]) -> list[tuple[int, int, int, int, int]]:
    """(campaign, event, started, ended) of each message as (first, last event, campaign, started, ended): events in a
    row, whose times hardly differ."""
    found: list[tuple[int, int, int, int, int]] = []
    first = last = campaign = started = ended = 0
    for each in sorted(messages):
        if (
            each[1] == last + 1 and each[0] == campaign
            and abs(each[2] - started) <= APART and abs(each[3] - ended) <= APART
        ):  # fmt: skip
            last += 1
            continue
        if last:
            found.append((first, last, campaign, started, ended))
        campaign, first, started, ended = each
        last = first
    return [*found, (first, last, campaign, started, ended)] if messages else found


def _matching(
    messages: Sequence[tuple[int, int, int, int]],
) -> tuple[list[tuple[int, int, int, int, int]], str]:
    """The rows of these messages: by ranges `k` where those are few, else one by one."""
    rows = ranges(messages)
    if len(rows) * SHORT >= len(messages):
        single = [(event, event, campaign, started, ended) for campaign, event, started, ended in messages]
        return single, "outcome.event = k.first AND outcome.campaign = k.campaign"
    # Without the numbers PostgreSQL reads the whole table for them.
    first, last = min(row[0] for row in rows), max(row[1] for row in rows)
    return rows, (
        f"outcome.event BETWEEN {first} AND {last}"
        " AND outcome.event BETWEEN k.first AND k.last AND outcome.campaign = k.campaign"
    )


def _ending(receipt: Receipt) -> Ending:
    return Ending(receipt.message, 0, SENT, "", 1, receipt.started, receipt.ended)

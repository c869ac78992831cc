"""The journal's first half: one transaction decides a batch."""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import NamedTuple

from whereupon.connect.databases import Database
from whereupon.connect.session import Columns, CommitUnknown, Session
from whereupon.host.crash import point
from whereupon.model.decided import FAILED, WITHHELD, DeadLetter, Decision, Joined
from whereupon.storage.counting import Had, had, repeats
from whereupon.storage.positions import Gap, unread
from whereupon.storage.records import packed
from whereupon.storage.turns import Turns

BLOCK = 100_000
"""Numbers that a service takes at once."""
NUMBERING: Columns = {"name": "text", "next": "id"}
HOUR, DAY = 3_600_000, 86_400_000

POSITION: Columns = {"stream": "id", "topic": "text", "partition": "id", "next": "id"}
EVENT: Columns = {"id": "id", "person": "text", "event_id": "text", "stream": "id", "partition": "id",
         "at_offset": "id", "at": "id", "seen": "id"}  # fmt: skip
OUTCOME: Columns = {"event": "id", "campaign": "id", "version": "id", "channel": "id", "owner": "id", "state": "text",
           "reason": "text", "tries": "id", "decided": "id", "finished": "id"}  # fmt: skip
BATCH: Columns = {"id": "id", "last": "id", "stream": "id", "decided": "id", "owner": "id", "body": "blob"}
WAITING: Columns = {"event": "id", "campaign": "id", "owner": "id", "channel": "id", "person": "text", "next_at": "id",
           "tries": "id"}  # fmt: skip
DEAD: Columns = {"id": "id", "stage": "text", "event": "id", "campaign": "id", "stream": "id", "place": "text",
        "reason": "text", "raw": "blob", "at": "id", "owner": "id", "resend": "id"}  # fmt: skip
TALLY: Columns = {"campaign": "id", "day": "id", "state": "text", "reason": "text", "owner": "id", "n": "id"}
TALLY_KEY = ("campaign", "day", "state", "reason", "owner")
OPENED = "open"
"""The tally's word for queued, sending and waiting together."""


@dataclass(frozen=True, slots=True)
class Ask:
    """What a batch asks of the journal.

    `moves` maps partitions to (offset this service last knew, offset after the batch); `identities` are the
    (person, event id) of its events; `since` is the beginning of the longest limit window (UTC ms), None if no limit
    is asked; `fills` are the channels whose messages never count; `ordered` those on which some message waits;
    `most_dead` is how many dead letters may come of it.
    """

    stream: int
    topic: str
    identities: Sequence[tuple[str, str]]
    moves: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    since: int | None = None
    fills: frozenset[int] = frozenset()
    ordered: frozenset[int] = frozenset()
    most_dead: int = 4_000


@dataclass(frozen=True, slots=True)
class Read:
    """What the journal knows before a batch is settled. `lost` are the partitions that somebody else has moved;
    `behind` maps (channel, person) to when that person's last waiting message is due (UTC ms)."""

    lost: frozenset[int]
    repeats: frozenset[tuple[str, str]]
    had: Had
    ids: Iterator[int]
    behind: Mapping[tuple[int, str], int] = field(default_factory=dict)


@dataclass(slots=True)
class Numbers:
    """Numbers of ours that no other service hands out, taken from the database in blocks."""

    name: str
    next: int = 0
    end: int = 0

    def reserve(self, turns: Turns, most: int) -> None:
        """See that the next `most` numbers are ours."""
        if self.end - self.next >= most:
            return
        size = max(BLOCK, most)
        with turns.transaction() as session:
            session.insert_new("numbering", NUMBERING, [(self.name, 1)], key=("name",))
            session.run("UPDATE numbering SET next = next + ? WHERE name = ?", (size, self.name))
            ((end,),) = session.all("SELECT next FROM numbering WHERE name = ?", (self.name,))
        self.next, self.end = end - size, end

    def take(self, count: int) -> int:
        """The first of `count` reserved numbers, which are used up whatever becomes of them."""
        self.next += count
        return self.next - count


class _Unsure(NamedTuple):
    """A T1 whose answer was lost, and what follows if it stands."""

    ask: Ask
    decision: Decision
    then: Callable[[Decision], None]


def _nothing(decision: Decision) -> None:
    """What follows a decision that concerns nobody else."""


class Journal:
    """The Streams database as one owner (the number of this folder's service) writes it; T1s run one at a time.

    Raises Away or Unavailable while the database is away, DiskFull, and Refused if it refuses the batch as data.
    """

    def __init__(self, database: Database, *, owner: int, writers: threading.Lock | None) -> None:
        self.owner = owner
        self._turns = Turns(database, writers=writers)
        self._deciding = threading.Lock()
        self._events = Numbers("event")
        self._dead = Numbers("dead")
        self._hour = -1
        self._unsure: _Unsure | None = None

    def close(self) -> None:
        """Close the connection; a second call does nothing."""
        self._turns.close()

    def positions(self, stream: int) -> dict[str, dict[int, int]]:
        """Topic id → partition → offset of the next event to decide."""
        found: dict[str, dict[int, int]] = {}
        with self._turns.session() as session:
            rows = session.all("SELECT topic, partition, next FROM position WHERE stream = ?", (stream,))
        for topic, partition, offset in rows:
            found.setdefault(topic, {})[partition] = offset
        return found

    def begin(
        self, stream: int, topic: str, positions: Mapping[int, int], *, name: str = "", latest: bool = False
    ) -> None:
        """Note where new partitions begin, at once, so that a restart begins at the same place; and what wasn't read of
        the places that a person has let the stream leave, to begin at the earliest event, or the latest."""
        rows = [(stream, topic, partition, offset) for partition, offset in positions.items()]
        gaps = list(unread(self.positions(-stream), topic, positions, name=name, latest=latest))
        with self._deciding:
            if gaps:
                self._dead.reserve(self._turns, len(gaps))
            with self._turns.transaction() as session:
                session.insert_new("position", POSITION, rows, key=("stream", "topic", "partition"))
                self._record(session, stream, gaps)

    def _record(self, session: Session, stream: int, gaps: Sequence[Gap]) -> None:
        """Each once, whichever service comes first; a person has decided already what becomes of them."""
        gone = "DELETE FROM position WHERE stream = ? AND topic = ? AND partition = ?"
        for topic, places, letter in gaps:
            ours = [session.run(gone, (-stream, topic, partition)) for partition in places]
            if letter is not None and any(ours):
                number = self._dead.take(1)
                session.insert("dead", DEAD, dead_rows([letter], number, stream, session.now(), self.owner))
                session.run("UPDATE dead SET judged = ? WHERE id = ?", ("nobody can read them", number))

    def newest(self) -> int:
        """The next event number: all that is decided has a lower one."""
        return self._events.next

    def reserved(self) -> int:
        """The number of the next event, from a block of our own: nothing that we decide from now on has a lower one."""
        with self._deciding:
            self._events.reserve(self._turns, 1)
            return self._events.next

    def decide(
        self,
        ask: Ask,
        settle: Callable[[Read], tuple[Decision, Sequence[Joined]]],
        *,
        then: Callable[[Decision], None] = _nothing,
    ) -> Decision:
        """T1: lock, move positions, read, settle, write, commit. What `settle` returns is what is written: the
        decision, and its messages that wait behind an earlier one of the same person. `then` gets each decision that
        stands before the next one begins, also one whose answer was lost and that was found to stand later."""
        with self._deciding:
            self._settle_unsure()
            self._events.reserve(self._turns, len(ask.identities) + 1)
            self._dead.reserve(self._turns, ask.most_dead)
            decision = self._transacted(ask, settle, then)
        return decision

    def _transacted(
        self, ask: Ask, settle: Callable[[Read], tuple[Decision, Sequence[Joined]]],
        then: Callable[[Decision], None],
    ) -> Decision:  # fmt: skip
        made: list[Decision] = []
        try:
            with self._turns.transaction() as session:
                session.lock_rows(hashed(person) for person, _ in ask.identities)
                decision, joined = settle(self._read(session, ask, self._moved(session, ask)))
                made.append(decision)
                with session.together():
                    self._write(session, decision, joined)
                point("before-t1-commit")
        except CommitUnknown:
            self._unsure = _Unsure(ask, made[0], then)
            # Whether it stands or not: its numbers aren't used again, and its hour is noted once more.
            self._took(made[0])
            self._hour = -1
            if not self._settle_unsure():
                raise
            return made[0]
        point("after-t1-commit")
        self._took(decision)
        then(decision)
        return decision

    def _settle_unsure(self) -> bool:
        """Find out whether a T1 whose answer was lost stands; if so, what it decided goes its way."""
        if self._unsure is None:
            return False
        ask, decision, then = self._unsure
        stands = self._committed(ask, decision)
        self._unsure = None
        if stands:
            then(decision)
        return stands

    def _committed(self, ask: Ask, decision: Decision) -> bool:
        """Whether a T1 whose answer was lost stands: by its batch, or by the positions, which only we move."""
        if decision.first:
            with self._turns.session() as session:
                return session.one("SELECT id FROM batch WHERE id = ?", (decision.first,)) is not None
        stored = self.positions(ask.stream).get(ask.topic, {})
        return all(stored.get(each) == after for each, (_, after) in ask.moves.items())

    def _moved(self, session: Session, ask: Ask) -> frozenset[int]:
        lost = set()
        for partition, (known, after) in sorted(ask.moves.items()):
            moved = session.run(
                "UPDATE position SET next = ? WHERE stream = ? AND topic = ? AND partition = ? AND next = ?",
                (after, ask.stream, ask.topic, partition, known),
            )
            if not moved:
                lost.add(partition)
        return frozenset(lost)

    def _read(self, session: Session, ask: Ask, lost: frozenset[int]) -> Read:
        known = repeats(session, ask.stream, ask.identities) if ask.identities else frozenset()
        counted = Had({}, frozenset())
        if ask.since is not None:
            persons = {person for person, _ in ask.identities}
            counted = had(session, persons, since=ask.since, fills=ask.fills)
        behind = waiting_persons(session, self.owner, ask) if ask.ordered and ask.identities else {}
        return Read(lost, known, counted, iter(range(self._events.next, self._events.end)), behind)

    def _write(self, session: Session, decision: Decision, joined: Sequence[Joined]) -> None:
        record, owner = decision.record, self.owner
        now, stream = record.decided, record.stream
        events = record.events
        if events:
            rows = [(e.id, e.person, e.event_id, stream, e.partition, e.offset, e.at, now) for e in events]
            session.insert("event", EVENT, rows)
            self._note_hour(session, now, events[0].id)
        outcomes = [
            (e.id, t.campaign, t.version, t.channel, owner, t.state, t.reason, 0, now,
             now if t.state in (WITHHELD, FAILED) else None)
            for e in events for t in e.traces
        ]  # fmt: skip
        if outcomes:
            session.insert("outcome", OUTCOME, outcomes)
            session.add("tally", TALLY, self._tallied(outcomes, now), key=TALLY_KEY, amount="n")
        if events or record.repeats:
            first = events[0].id if events else self._events.next
            last = events[-1].id if events else first
            session.insert("batch", BATCH, [(first, last, stream, now, owner, packed(record))])
        if decision.dead:
            number = self._dead.take(len(decision.dead))
            session.insert("dead", DEAD, dead_rows(decision.dead, number, stream, now, owner))
        if joined:
            waiting = [
                (each.event, each.campaign, owner, each.channel, each.person, each.next_at, 0)
                for each in joined
            ]
            session.insert("waiting", WAITING, waiting)

    def _tallied(self, outcomes: Sequence[tuple[object, ...]], now: int) -> list[tuple[object, ...]]:
        return [
            (campaign, now // DAY, state if state in (WITHHELD, FAILED) else OPENED, why, self.owner, n)
            for (campaign, state, why), n in Counter(map(itemgetter(1, 5, 6), outcomes)).items()
        ]

    def _note_hour(self, session: Session, now: int, first: int) -> None:
        if now // HOUR == self._hour:
            return
        columns: Columns = {"hour": "id", "owner": "id", "first": "id"}
        session.insert_new("hour", columns, [(now // HOUR, self.owner, first)], key=("hour", "owner"))
        # A table run of this folder has a block of numbers of its own, and may have noted the hour before us.
        session.run(
            "UPDATE hour SET first = ? WHERE hour = ? AND owner = ? AND first > ?",
            (first, now // HOUR, self.owner, first),
        )

    def _took(self, decision: Decision) -> None:
        record = decision.record
        if record.events:
            self._hour = record.decided // HOUR
            self._events.next = record.events[-1].id + 1
        elif record.repeats:
            self._events.next += 1


def waiting_persons(session: Session, owner: int, ask: Ask) -> dict[tuple[int, str], int]:
    """(channel, person) → when the last waiting message of that person is due, for the persons of a batch."""
    columns: Columns = {"person": "text"}
    persons = sorted({(person,) for person, _ in ask.identities})
    channels = ", ".join(str(int(each)) for each in sorted(ask.ordered))
    rows = session.all(
        f"SELECT w.channel, w.person, MAX(w.next_at) FROM {session.given('k', columns)} JOIN waiting w"  # noqa: S608
        f" ON w.channel IN ({channels}) AND w.owner = ? AND w.person = k.person GROUP BY w.channel, w.person",
        (*session.bind(columns, persons), owner),
    )
    return {(channel, person): due for channel, person, due in rows}


def dead_rows(
    dead: Sequence[DeadLetter], first: int, stream: int, now: int, owner: int
) -> list[tuple[object, ...]]:
    """Rows of the table `dead`, numbered from `first`."""
    return [
        (
            number, each.stage, each.event, each.campaign, stream, storable(each.place, 200),
            storable(each.reason, 4000), each.raw, now, owner, 0,
        )
        for number, each in enumerate(dead, first)
    ]  # fmt: skip


def storable(text: str, most: int) -> str:
    """Text as all three servers take it: without U+0000 and lone surrogates, at most so many UTF-16 units."""
    if len(text) * 2 <= most and text.isascii() and "\0" not in text:
        return text
    units = text.replace("\0", "").encode("utf-16-le", "replace")
    return units[: 2 * most].decode("utf-16-le", "ignore")


def hashed(text: str) -> int:
    """A person as a signed 64-bit number, for locks."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big", signed=True)

"""Retention: what is old enough leaves the journal in small steps, so that no writer waits for long.

Ranges of ascending event numbers go, of at most 500 events a step: that holds the lock for some milliseconds. What a
person has still to judge stays, and so does what is open (line.md, *Retention*).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from whereupon.connect.session import Session
from whereupon.host.clock import Clock
from whereupon.model.decided import OPEN, UNKNOWN
from whereupon.storage.journal import DAY, HOUR, OPENED, TALLY, TALLY_KEY
from whereupon.storage.turns import Turns

STEP = 500
"""Events of one step."""
BODIES, BYTES = 7 * DAY, 10_000_000_000
EVENTS = 90 * DAY
LETTERS = ARCHIVE = REQUESTS = 30 * DAY
PAUSE = 3_600_000
"""Milliseconds between two passes."""
_SIZE = {"sqlite": "LENGTH", "postgresql": "OCTET_LENGTH", "sqlserver": "DATALENGTH"}
_KEPT = ", ".join(f"'{each}'" for each in (*OPEN, UNKNOWN))


@dataclass(frozen=True, slots=True)
class Keep:
    """How long things are kept, in milliseconds; `events` is never less than de-duplication and limits need."""

    events: int = EVENTS
    bodies: int = BODIES
    bytes: int = BYTES

    @classmethod
    def at_least(cls, needed: int) -> Keep:
        """As usual, but events so long (ms)."""
        return cls(events=max(EVENTS, needed))


class Retention:
    """One pass after the other; `turn` does one step of it and is called often."""

    def __init__(self, turns: Turns, archive: Path, *, clock: Clock) -> None:
        self._turns = turns
        self._archive = archive
        self._clock = clock
        self._pass: Iterator[None] | None = None
        self._due = 0

    @property
    def busy(self) -> bool:
        """Whether a pass is under way."""
        return self._pass is not None

    def turn(self, keep: Keep) -> None:
        """The next step, if a pass is under way or due."""
        now = self._clock.now()
        if self._pass is None:
            if 0 < self._due - now <= PAUSE:
                return
            self._pass, self._due = self._steps(keep, now), now + PAUSE
        if next(self._pass, self) is self:
            self._pass = None

    def _steps(self, keep: Keep, now: int) -> Iterator[None]:
        yield from self._bodies(keep, now)
        yield from self._events(now - keep.events)
        self._small(now, keep)
        yield
        self._clear_archive(now - ARCHIVE)

    # -- batches -----------------------------------------------------------------------------------------------

    def _bodies(self, keep: Keep, now: int) -> Iterator[None]:
        """The old ones, then as many more from the lowest number on as make the rest small enough."""
        old, begin = now - keep.bodies, -1
        while batches := self._batches(begin, old):
            begin = batches[-1][0]
            self._drop_bodies(batches)
            yield
        surplus, begin = self._size() - keep.bytes, -1
        while surplus > 0 and (batches := self._batches(begin, now + DAY)):
            # No more than that needs; one that stays is not asked again in this pass.
            while len(batches) > 1 and sum(weight for _, _, weight in batches[:-1]) >= surplus:
                batches.pop()
            begin = batches[-1][0]
            surplus -= self._drop_bodies(batches)
            yield

    def _size(self) -> int:
        with self._turns.session() as session:
            row = session.one(f"SELECT COALESCE(SUM({_SIZE[session.dialect.name]}(body)), 0) FROM batch")  # noqa: S608
        return int(row[0]) if row else 0

    def _batches(self, begin: int, before: int) -> list[tuple[int, int, int]]:
        """The next batches decided before a time, together of about a step's events: number, last event, bytes."""
        with self._turns.session() as session:
            size = f"{_SIZE[session.dialect.name]}(body)"
            rows = session.all(
                session.dialect.limited(
                    f"SELECT id, last, {size} FROM batch WHERE id > ? AND decided < ? ORDER BY id",  # noqa: S608
                    20,
                ),
                (begin, before),
            )
        count, taken = 0, list[tuple[int, int, int]]()
        for number, last, weight in rows:
            count += last - number + 1
            if taken and count > STEP:
                break
            taken.append((number, last, weight))
        return taken

    def _drop_bodies(self, batches: list[tuple[int, int, int]]) -> int:
        """How many bytes went."""
        freed = 0
        with self._turns.transaction() as session:
            for number, last, weight in batches:
                if not self._needed(session, number, last):
                    session.run("DELETE FROM batch WHERE id = ?", (number,))
                    freed += weight
        return freed

    def _needed(self, session: Session, first: int, last: int) -> bool:
        """Whether a message of these events may still leave: an open or unknown one, or one that a person judges."""
        waits = session.one(
            f"SELECT 1 FROM outcome WHERE event BETWEEN ? AND ? AND state IN ({_KEPT})",  # noqa: S608
            (first, last),
        )
        return waits is not None or bool(
            session.one("SELECT 1 FROM dead WHERE event BETWEEN ? AND ? AND judged IS NULL", (first, last))
        )

    # -- events ------------------------------------------------------------------------------------------------

    def _events(self, before: int) -> Iterator[None]:
        """Events that were decided before this time (UTC ms), with all that came of them."""
        end, begin = self._end(before), -1
        while numbers := self._step(begin, end, before):
            begin = numbers[-1]
            self._drop_events(_ranges(numbers))
            yield

    def _end(self, before: int) -> int:
        """A number above those of all old events: services number in blocks of their own, and some more slowly."""
        with self._turns.session() as session:
            rows = session.all(
                "SELECT MIN(first) FROM hour WHERE hour >= ? GROUP BY owner", (before // HOUR,)
            )
        return max((row[0] for row in rows), default=2**62)

    def _step(self, begin: int, end: int, before: int) -> list[int]:
        with self._turns.session() as session:
            rows = session.all(
                session.dialect.limited(
                    "SELECT id FROM event WHERE id > ? AND id < ? AND seen < ? ORDER BY id", STEP
                ),
                (begin, end, before),
            )
        return [row[0] for row in rows]

    def _drop_events(self, ranges: list[tuple[int, int]]) -> None:
        """One step; what is open or unknown stays, with its event."""
        kept = f"(SELECT event FROM outcome WHERE event BETWEEN ? AND ? AND state IN ({_KEPT}))"  # noqa: S608
        with self._turns.transaction() as session:
            for first, last in ranges:
                session.run(
                    f"DELETE FROM attempt WHERE event BETWEEN ? AND ? AND event NOT IN {kept}",  # noqa: S608
                    (first, last, first, last),
                )
                session.run(
                    f"DELETE FROM event WHERE id BETWEEN ? AND ? AND id NOT IN {kept}",  # noqa: S608
                    (first, last, first, last),
                )
                session.run(
                    f"DELETE FROM outcome WHERE event BETWEEN ? AND ? AND state NOT IN ({_KEPT})",  # noqa: S608
                    (first, last),
                )

    # -- small tables and files --------------------------------------------------------------------------------

    def _small(self, now: int, keep: Keep) -> None:
        events = now - keep.events
        with self._turns.transaction() as session:
            self._fold_tally(session, events // DAY)
            session.run("DELETE FROM hour WHERE hour < ?", (events // HOUR,))
            session.run("DELETE FROM dead WHERE judged IS NOT NULL AND at < ?", (now - LETTERS,))
            session.run("DELETE FROM request WHERE answered < ?", (now - REQUESTS,))
            session.run("DELETE FROM run WHERE ended < ? AND state = 'done'", (events,))

    def _fold_tally(self, session: Session, before: int) -> None:
        """Old days go, but for what is open: its sum over all days is the number of open messages."""
        rows = session.all(
            "SELECT campaign, owner, SUM(n) FROM tally WHERE day < ? AND state = ? GROUP BY campaign, owner",
            (before, OPENED),
        )
        session.run("DELETE FROM tally WHERE day < ?", (before,))
        folded = [(campaign, before, OPENED, "", owner, count) for campaign, owner, count in rows if count]
        if folded:
            session.add("tally", TALLY, folded, key=TALLY_KEY, amount="n")

    def _clear_archive(self, before: int) -> None:
        """Files of the stash that were loaded long ago."""
        for path in self._archive.glob("*.stash"):
            if path.stat().st_mtime_ns // 1_000_000 < before:
                path.unlink(missing_ok=True)


def _ranges(numbers: list[int]) -> list[tuple[int, int]]:
    """Ascending numbers as (first, last) of each run without a gap."""
    found: list[tuple[int, int]] = []
    for number in numbers:
        if found and found[-1][1] == number - 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found

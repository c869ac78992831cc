"""Runs of table campaigns: how far each one is, so that a run that was killed goes on where it stood."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import Literal

import msgspec

from whereupon.connect.databases import Database
from whereupon.connect.session import Columns, Session, number_of
from whereupon.model.decided import WITHHELD
from whereupon.model.errors import Locked
from whereupon.storage.journal import OPENED
from whereupon.storage.turns import Turns, writers

RUN: Columns = {
    "id": "id", "campaign": "id", "version": "id", "state": "text", "started": "id", "ended": "id", "place": "id",
    "first": "id", "total": "id", "done": "id", "inserted": "id", "updated": "id", "rejected": "id", "said": "text",
}  # fmt: skip
SAID = 1_000
"""Rejected rows that a run names; the others are counted."""
State = Literal["running", "stopped", "failed", "done"]


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a campaign over its table; times are UTC ms.

    `place` is the contact ID up to which all rows are done, `first` the first event number of a run that communicates;
    `said` are (person, reason) of rejected rows, at most SAID of them.
    """

    id: int
    campaign: int
    version: int
    started: int
    state: State = "running"
    ended: int | None = None
    place: int = 0
    first: int = 0
    total: int = 0
    done: int = 0
    inserted: int = 0
    updated: int = 0
    rejected: int = 0
    said: tuple[tuple[str, str], ...] = ()

    def after(
        self, place: int, *, rows: int, inserted: int = 0, updated: int = 0,
        rejected: tuple[tuple[str, str], ...] = (),
    ) -> Run:  # fmt: skip
        """The run some rows further."""
        return replace(
            self,
            place=place,
            done=self.done + rows,
            inserted=self.inserted + inserted,
            updated=self.updated + updated,
            rejected=self.rejected + len(rejected),
            said=(self.said + rejected)[:SAID],
        )


class Runs:
    """The table of runs, in the Streams database, and the lock that lets a campaign run once at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._turns = Turns(database, writers=writers(database))
        self._lock: Session | None = None

    def close(self) -> None:
        """Give lock and connections back; a second call does nothing."""
        self._turns.close()
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def alone(self, campaign: int, name: str) -> None:
        """Take the campaign's lock, held until `close`; raises Locked while another run of it goes on, wherever."""
        if self._lock is None:
            self._lock = self._database.session()
        if not self._lock.try_lock(f"whereupon run of campaign {campaign}"):
            raise Locked(f"{name} is running already.", hint="Wait until that run has ended, or stop it.")

    def unfinished(self, campaign: int) -> Run | None:
        """The campaign's last run, if it hasn't come to its end."""
        with self._turns.session() as session:
            row = session.one(
                f"SELECT {', '.join(RUN)} FROM run WHERE id = (SELECT MAX(id) FROM run WHERE campaign = ?)",  # noqa: S608
                (campaign,),
            )
        found = _run(row) if row else None
        return found if found and found.state != "done" else None

    def begin(self, campaign: int, version: int, *, now: int) -> Run:
        """A new run."""
        with self._turns.transaction() as session:
            session.lock_rows([number_of("run")])
            row = session.one("SELECT COALESCE(MAX(id), 0) FROM run")
            run = Run((row[0] if row else 0) + 1, campaign, version, now)
            session.insert("run", RUN, [_row(run)])
        return run

    def keep(self, run: Run) -> Run:
        """Note how far a run is."""
        with self._turns.transaction() as session:
            session.upsert("run", RUN, [_row(run)], key=("id",))
        return run

    def end(self, run: Run, *, state: State, now: int) -> Run:
        """Note how a run ended; gives it as it stands."""
        with self._turns.transaction() as session:
            session.run("UPDATE run SET state = ?, ended = ? WHERE id = ?", (state, now, run.id))
            (row,) = session.all(f"SELECT {', '.join(RUN)} FROM run WHERE id = ?", (run.id,))  # noqa: S608
        return _run(row)

    def open_messages(self, campaign: int) -> int:
        """How many messages of a campaign are open, by the tally that T1 and T2 keep."""
        with self._turns.session() as session:
            row = session.one(
                "SELECT COALESCE(SUM(n), 0) FROM tally WHERE campaign = ? AND state = ?", (campaign, OPENED)
            )
        return int(row[0]) if row else 0

    def outcomes(self, run: Run) -> dict[str, int]:
        """How the messages of a run ended: state, or state and reason of those withheld, with their number."""
        with self._turns.session() as session:
            rows = session.all(
                "SELECT state, reason, COUNT(*) FROM outcome WHERE event >= ? AND campaign = ?"
                " GROUP BY state, reason ORDER BY state, reason",
                (run.first, run.campaign),
            )
        counts: Counter[str] = Counter()
        for state, reason, count in rows:
            counts[f"{state}: {reason}" if state == WITHHELD else state] += count
        return dict(counts)


def _row(run: Run) -> tuple[object, ...]:
    return (
        run.id, run.campaign, run.version, run.state, run.started, run.ended, run.place, run.first, run.total, run.done,
        run.inserted, run.updated, run.rejected, msgspec.json.encode(run.said).decode(),
    )  # fmt: skip


def _run(row: tuple[object, ...]) -> Run:
    values = dict(zip(RUN, row, strict=True))
    said = msgspec.json.decode(str(values["said"]), type=tuple[tuple[str, str], ...])
    return Run(**{**values, "said": said})  # type: ignore[arg-type]

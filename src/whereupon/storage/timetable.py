"""Scheduled work as the database keeps it: when each job is due next, so that a stop or a crash forgets none."""

from __future__ import annotations

from dataclasses import dataclass

from whereupon.connect.databases import Database
from whereupon.connect.session import Columns
from whereupon.model.schedules import Schedule, next_after
from whereupon.storage.turns import Turns, writers

JOB: Columns = {"name": "text", "schedule": "text", "next_run": "id", "started": "id", "ended": "id", "state": "text",
       "late": "bool", "note": "text"}  # fmt: skip
LATE = 60_000
"""Milliseconds after its time from which on a run is called late."""
AWRY = 30_000
"""Milliseconds by which the clocks of two services, or one that is set all the time, may differ."""
AHEAD = 2 * 86_400_000
"""Milliseconds by which a run may lie ahead of a clock that was set back, and still counts as having been."""


@dataclass(frozen=True, slots=True)
class Job:
    """A job as the database knows it; times are UTC ms."""

    name: str
    schedule: str
    next_run: int | None = None
    started: int | None = None
    ended: int | None = None
    state: str = "waiting"
    late: bool = False
    note: str = ""


class Jobs:
    """The table of jobs."""

    def __init__(self, database: Database) -> None:
        self._turns = Turns(database, writers=writers(database))

    def close(self) -> None:
        """Close the connection; a second call does nothing."""
        self._turns.close()

    def all(self) -> dict[str, Job]:
        """Every job by name."""
        with self._turns.session() as session:
            rows = session.all("SELECT name, schedule, next_run, started, ended, state, late, note FROM job")
        return {
            name: Job(name, schedule, next_run, started, ended, state, bool(late), note)
            for name, schedule, next_run, started, ended, state, late, note in rows
        }

    def plan(self, name: str, schedule: Schedule, *, now: int, zone: str) -> Job:
        """The job, with its next time: kept if its schedule is the same and the clock wasn't set back since, else
        counted from now on. A time of day that has had its run is waited out, at most for two days."""
        known = self.all().get(name)
        since = now
        if known is not None and known.schedule == str(schedule):
            if _stands(known, schedule, now, zone):
                return known
            since = now - AWRY  # a time that came while the clock was set isn't missed
        job = Job(name, str(schedule), next_after(schedule, since, zone))
        self._keep(job)
        return job

    def begin(self, job: Job, schedule: Schedule, *, now: int, zone: str) -> Job:
        """Note that a due job runs now, and when it is due again: what was missed is caught up once."""
        late = job.next_run is not None and now - job.next_run > LATE
        begun = Job(job.name, job.schedule, next_after(schedule, now, zone), now, None, "running", late)
        self._keep(begun)
        return begun

    def end(self, job: Job, *, now: int, state: str, note: str) -> None:
        """Note how a run ended."""
        self._keep(Job(job.name, job.schedule, job.next_run, job.started, now, state, job.late, note[:2000]))

    def _keep(self, job: Job) -> None:
        row = (job.name, job.schedule, job.next_run, job.started, job.ended, job.state, job.late, job.note)
        with self._turns.transaction() as session:
            session.upsert("job", JOB, [row], key=("name",))


def _stands(job: Job, schedule: Schedule, now: int, zone: str) -> bool:
    """Whether a job's next time can be believed: by a clock that was ahead it is too far off."""
    soonest = next_after(schedule, now + AWRY, zone)
    if job.next_run is None:
        return job.started is not None or soonest is None
    if soonest is None or job.next_run <= soonest:
        return True
    return not schedule.flows and job.started is not None and now < job.started <= now + AHEAD

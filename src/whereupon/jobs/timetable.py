"""The durable clock: what is scheduled runs once at its time, once late if it was missed, and never twice at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from whereupon.connect.session import Session
from whereupon.engine.assembly import Workshop
from whereupon.host.logs import logger
from whereupon.host.processes import spawn, this_command
from whereupon.model.errors import Locked, WhereuponError
from whereupon.model.running import Running
from whereupon.model.schedules import Schedule
from whereupon.storage.loading import load
from whereupon.storage.repository import Repository
from whereupon.storage.timetable import Job, Jobs

log = logger("timetable")


@dataclass(frozen=True, slots=True)
class Task:
    """Something scheduled; `act` returns a note for people. `lock` names what keeps it from running twice at once."""

    name: str
    schedule: Schedule
    lock: str
    act: Callable[[], str]


class Timetable:
    """Asked once a second; runs what is due, one after the other."""

    def __init__(self, shop: Workshop, repository: Repository) -> None:
        self._shop = shop
        self._repository = repository
        self._jobs = Jobs(shop.databases.system)
        self._locks: Session | None = None
        self._revision, self._tasks, self._zone = -1, list[Task](), "UTC"

    def close(self) -> None:
        """Close the connections; a second call does nothing."""
        self._jobs.close()
        if self._locks is not None:
            self._locks.close()
            self._locks = None

    def turn(self) -> None:
        """Run what is due."""
        revision = self._repository.revision()
        if revision != self._revision:
            running = self._repository.running()
            self._tasks, self._zone = list(self._wanted(running)), running.setup.system.time_zone
            self._revision = revision
        for task in self._tasks:
            if self._due(task) is not None:
                self._run(task)

    def _due(self, task: Task) -> Job | None:
        now = self._shop.clock.now()
        job = self._jobs.plan(task.name, task.schedule, now=now, zone=self._zone)
        return job if job.next_run is not None and job.next_run <= now else None

    def _wanted(self, running: Running) -> Iterator[Task]:
        folder = self._shop.system.id
        when = running.setup.realtime_data.load_communications
        if when.timed:
            yield Task(f"load communications of {folder}", when, f"load/{folder}", self._load)
        for campaign in running.campaigns:
            schedule = campaign.campaign.schedule
            if schedule.timed and campaign.campaign.audience.table:
                name = campaign.campaign.name
                yield Task(f"run {name}", schedule, f"run/{campaign.id}", partial(self._start_run, name))

    def _run(self, task: Task) -> None:
        if self._locks is None:
            self._locks = self._shop.databases.system.session()
        if not self._locks.try_lock(task.lock):
            return
        try:
            # Another service may have run it between the look and the lock.
            if (job := self._due(task)) is not None:
                now = self._shop.clock.now()
                self._perform(self._jobs.begin(job, task.schedule, now=now, zone=self._zone), task)
        finally:
            self._locks.release(task.lock)

    def _perform(self, job: Job, task: Task) -> None:
        try:
            state, note = "done", task.act()
        except Locked as error:
            state, note = "skipped", error.message
        except WhereuponError as error:
            state, note = "failed", str(error)
            log.warning("a scheduled job failed", job=task.name, reason=note)
        self._jobs.end(job, now=self._shop.clock.now(), state=state, note=note)
        log.info("scheduled job ended", job=task.name, state=state, note=note, late=job.late)

    def _load(self) -> str:
        shop = self._shop
        return str(load(shop.databases.system, shop.system.stash, folder_id=shop.system.id, clock=shop.clock))

    def _start_run(self, name: str) -> str:
        """Table campaigns run in a process of their own, so that the line keeps the interpreter to itself."""
        folder = self._shop.system.path
        spawn(
            [*this_command(), "run", name, "--system", str(folder), "--quiet"],
            detached=True,
            log_file=self._shop.system.logs / "runs.log",
        )
        return "started"

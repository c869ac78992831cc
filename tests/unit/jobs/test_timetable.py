"""The durable clock: what is due runs once, once late if it was missed, and never twice at once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tests.unit.jobs.table_world import FILL, LETTER, TableWorld, set_up
from whereupon.connect.servers import SqliteSession
from whereupon.host.clock import FakeClock
from whereupon.jobs import timetable as module
from whereupon.jobs.timetable import Timetable
from whereupon.model.errors import Locked, SetupError
from whereupon.storage.loading import Loaded
from whereupon.storage.timetable import Job

LONDON = ZoneInfo("Europe/London")
LOAD = "load communications of 0123456789abcdef"


def at(text: str) -> int:
    """A time in London as UTC milliseconds."""
    return int(datetime.fromisoformat(text).replace(tzinfo=LONDON).timestamp() * 1000)


class Hours:
    """A system with a schedule, its clock, and what was run."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch, now: str) -> None:
        self.clock = FakeClock(at(now))
        nightly = {**FILL, "schedule": "daily 01:30"}
        setup = set_up()
        campaigns = set_up(nightly, {**LETTER, "name": "Weekly", "schedule": "weekly MON 09:00"}).campaigns[
            2:
        ]
        self.world = TableWorld(
            folder, setup=setup.model_copy(update={"campaigns": campaigns}), clock=self.clock
        )
        self.loads = 0
        self.failure: Exception | None = None
        self.spawned: list[list[str]] = []
        patch.setattr(module, "load", self._load)
        patch.setattr(module, "spawn", lambda command, **more: self.spawned.append(list(command)))
        self.timetable = Timetable(self.world.shop, self.world.repository)

    def _load(self, *_: object, **__: object) -> Loaded:
        self.loads += 1
        if self.failure is not None:
            raise self.failure
        return Loaded(new=3)

    def until(self, time: str) -> None:
        """Let the clock go to a time, in steps of ten minutes, asked at each."""
        while self.clock.now() < at(time):
            self.clock.advance(600)
            self.timetable.turn()

    def job(self, name: str = LOAD) -> Job:
        """A job as the database knows it."""
        return self.timetable._jobs.all()[name]

    def close(self) -> None:
        """Give everything back."""
        self.timetable.close()
        self.world.close()


@pytest.fixture
def hours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hours]:
    """A system on an evening."""
    found = Hours(tmp_path, monkeypatch, "2026-03-10 20:00")
    yield found
    found.close()


def test_communications_are_loaded_once_a_day_at_their_time(hours: Hours) -> None:
    hours.until("2026-03-11 02:50")
    assert hours.loads == 0
    hours.until("2026-03-12 12:00")
    assert hours.loads == 2
    job = hours.job()
    assert (job.state, job.late, job.note) == ("done", False, "3 communications loaded")
    assert job.next_run == at("2026-03-13 03:00")


def test_what_was_missed_is_caught_up_once_and_marked_late(hours: Hours) -> None:
    hours.timetable.turn()
    hours.timetable.close()
    hours.clock.set(at("2026-03-15 17:00"))
    hours.timetable = Timetable(hours.world.shop, hours.world.repository)
    for _ in range(3):
        hours.timetable.turn()
    assert hours.loads == 1
    assert hours.job().late
    assert hours.job().next_run == at("2026-03-16 03:00")


def test_what_runs_elsewhere_is_not_run_a_second_time(hours: Hours) -> None:
    hours.timetable.turn()
    other = hours.world.shop.databases.system.session()
    assert other.try_lock("load/0123456789abcdef")
    hours.clock.set(at("2026-03-11 03:00"))
    hours.timetable.turn()
    assert hours.loads == 0
    other.close()
    hours.timetable.turn()
    assert hours.loads == 1


def test_what_another_service_ran_between_the_look_and_the_lock_is_not_run_again(
    hours: Hours, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Timetable(hours.world.shop, hours.world.repository)
    hours.timetable.turn()
    hours.clock.set(at("2026-03-11 03:00"))
    try_lock = SqliteSession.try_lock

    def late(session: SqliteSession, name: str) -> bool:
        monkeypatch.setattr(SqliteSession, "try_lock", try_lock)
        other.turn()
        return try_lock(session, name)

    monkeypatch.setattr(SqliteSession, "try_lock", late)
    hours.timetable.turn()
    other.close()
    assert hours.loads == 1


def test_a_failed_job_says_why_and_is_due_again(hours: Hours, logs: object) -> None:
    logs.expect("a scheduled job failed")  # type: ignore[attr-defined]
    hours.failure = SetupError("The database is gone.", hint="Find it.")
    hours.until("2026-03-11 03:00")
    assert (hours.job().state, hours.job().note) == ("failed", "The database is gone. Find it.")
    hours.failure = Locked("Being loaded by hand.")
    hours.until("2026-03-12 03:00")
    assert (hours.job().state, hours.job().note) == ("skipped", "Being loaded by hand.")


def test_a_table_campaign_runs_in_a_process_of_its_own(hours: Hours) -> None:
    hours.until("2026-03-11 12:00")
    assert [each[-5:] for each in hours.spawned] == [
        ["run", "Fill TealGreen", "--system", str(hours.world.folder), "--quiet"]
    ]
    hours.until("2026-03-16 12:00")
    assert [each[-4] for each in hours.spawned].count("Weekly") == 1


def test_a_new_schedule_is_taken_up_without_a_restart(hours: Hours) -> None:
    hours.timetable.turn()
    soon = set_up(realtime_data={"load_communications": "every 1 hour"})
    hours.world.apply(soon)
    hours.until("2026-03-11 00:00")
    assert hours.loads == 4
    assert hours.spawned == [], "the nightly campaign is manual now"


def test_the_hour_that_a_clock_skips_or_repeats_has_one_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spring = Hours(tmp_path / "spring", monkeypatch, "2026-03-28 12:00")
    spring.until("2026-03-29 12:00")
    autumn = Hours(tmp_path / "autumn", monkeypatch, "2026-10-24 12:00")
    autumn.until("2026-10-25 12:00")
    counts = [len(each.spawned) for each in (spring, autumn)]
    for each in (spring, autumn):
        each.close()
    assert counts == [1, 1]

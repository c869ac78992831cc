"""Scheduled work as the database keeps it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.batches import NOW, system
from tests.tsql import RecordingDatabase, problems
from whereupon.connect.databases import Database
from whereupon.model.schedules import schedule
from whereupon.storage.timetable import LATE, Job, Jobs

MINUTE, DAY = 60_000, 86_400_000
HOURLY = schedule("every 1 hour")
HOUR = 3_600_000


@pytest.fixture
def found(tmp_path: Path) -> Iterator[Database]:
    made = system(tmp_path)
    yield made
    made.close()


@pytest.fixture
def jobs(found: Database) -> Iterator[Jobs]:
    with closing(Jobs(found)) as made:
        yield made


def plan(jobs: Jobs, text: str = "every 1 hour", *, now: int = NOW) -> Job:
    return jobs.plan("load", schedule(text), now=now, zone="Europe/London")


def begin(jobs: Jobs, job: Job, *, now: int) -> Job:
    return jobs.begin(job, HOURLY, now=now, zone="Europe/London")


def test_a_job_is_due_at_its_next_time_and_that_stays_through_a_restart(found: Database, jobs: Jobs) -> None:
    assert plan(jobs) == Job("load", "every 1 hour", NOW + HOUR)
    with closing(Jobs(found)) as restarted:
        assert plan(restarted, now=NOW + 3 * HOUR + 1) == Job("load", "every 1 hour", NOW + HOUR)


def test_what_was_missed_is_caught_up_once_and_called_late(jobs: Jobs) -> None:
    job = plan(jobs)
    missed = NOW + 50 * HOUR + 7 * MINUTE
    begun = begin(jobs, job, now=missed)
    assert begun == Job("load", "every 1 hour", NOW + 51 * HOUR, missed, None, "running", late=True)
    assert plan(jobs, now=missed) == begun


def test_a_run_in_time_is_not_late(jobs: Jobs) -> None:
    job = plan(jobs)
    assert not begin(jobs, job, now=NOW + HOUR + LATE).late
    assert begin(jobs, job, now=NOW + HOUR + LATE + 1).late


def test_the_end_of_a_run_is_noted_and_its_next_time_stays(jobs: Jobs) -> None:
    begun = begin(jobs, plan(jobs), now=NOW + 2 * HOUR)
    jobs.end(begun, now=NOW + 2 * HOUR + 5, state="failed", note="n" * 5_000)
    kept = jobs.all()["load"]
    assert (kept.state, kept.started, kept.ended, kept.late) == (
        "failed",
        NOW + 2 * HOUR,
        NOW + 2 * HOUR + 5,
        True,
    )
    assert kept.next_run == NOW + 3 * HOUR
    assert len(kept.note) == 2_000


def test_a_schedule_that_was_changed_counts_from_now_on(jobs: Jobs) -> None:
    plan(jobs)
    changed = plan(jobs, "daily 03:00", now=NOW + 5 * HOUR)
    assert changed == Job("load", "daily 03:00", NOW + DAY + 3 * HOUR)
    assert plan(jobs, "Daily  3:00", now=NOW + 9 * HOUR) == changed


def test_what_runs_once_is_not_due_again(jobs: Jobs) -> None:
    once = schedule("once 2026-01-01 09:00")
    job = jobs.plan("load", once, now=NOW, zone="Europe/London")
    assert job.next_run == NOW + 9 * HOUR
    begun = jobs.begin(job, once, now=NOW + 9 * HOUR, zone="Europe/London")
    assert begun.next_run is None
    assert jobs.plan("load", once, now=NOW + 10 * HOUR, zone="Europe/London").next_run is None


def run_at(jobs: Jobs, text: str, now: int) -> Job:
    """A run that is due now, begun."""
    job = plan(jobs, text, now=now - HOUR)
    return jobs.begin(job, schedule(text), now=now, zone="Europe/London")


@pytest.mark.parametrize("text", ["every 15 minutes", 'cron "*/15 * * * *"'])
def test_what_runs_every_so_often_goes_on_when_the_clock_is_set_back(jobs: Jobs, text: str) -> None:
    run_at(jobs, text, NOW)
    earlier = NOW - 2 * HOUR + MINUTE
    assert plan(jobs, text, now=earlier).next_run == NOW - 2 * HOUR + 15 * MINUTE


def test_a_time_that_came_while_the_clock_was_set_back_is_not_missed(jobs: Jobs) -> None:
    run_at(jobs, "every 15 minutes", NOW)
    assert plan(jobs, "every 15 minutes", now=NOW - 2 * HOUR + 1_000).next_run == NOW - 2 * HOUR


def test_what_ran_at_a_time_of_day_does_not_run_again_when_the_clock_is_set_back(jobs: Jobs) -> None:
    ran = run_at(jobs, "daily 00:00", NOW)
    for earlier in (NOW - 1, NOW - 2 * HOUR, NOW - DAY):
        assert plan(jobs, "daily 00:00", now=earlier) == ran


def test_a_clock_that_was_ahead_by_years_is_not_waited_for(jobs: Jobs) -> None:
    planned = plan(jobs, "weekly Monday 09:00", now=NOW + 3_650 * DAY)
    assert plan(jobs, "weekly Monday 09:00").next_run == NOW + 4 * DAY + 9 * HOUR
    assert planned.next_run is not None
    run_at(jobs, "daily 00:00", NOW + 3_650 * DAY)
    assert plan(jobs, "daily 00:00", now=NOW + HOUR).next_run == NOW + DAY


@pytest.mark.parametrize("text", ["every 1 minute", "daily 00:00"])
def test_a_clock_that_is_set_a_little_all_the_time_changes_nothing(jobs: Jobs, text: str) -> None:
    ran = run_at(jobs, text, NOW)
    for jitter in (-1_000, 1_000, -20_000):
        assert plan(jobs, text, now=NOW + jitter) == ran


def test_what_runs_once_never_runs_again_wherever_the_clock_is_set(jobs: Jobs) -> None:
    once = "once 2026-01-01 09:00"
    ran = run_at(jobs, once, NOW + 9 * HOUR)
    assert plan(jobs, once, now=NOW - 400 * DAY) == ran
    missed = jobs.plan("other", schedule(once), now=NOW + DAY, zone="Europe/London")
    assert missed.next_run is None
    assert jobs.plan("other", schedule(once), now=NOW, zone="Europe/London").next_run == NOW + 9 * HOUR


def test_a_job_without_a_time_is_never_due(jobs: Jobs) -> None:
    assert plan(jobs, "manual").next_run is None


def test_jobs_are_kept_by_their_names(jobs: Jobs) -> None:
    plan(jobs)
    jobs.plan("run Fill TealGreen", schedule("daily 04:00"), now=NOW, zone="UTC")
    assert {name: job.schedule for name, job in jobs.all().items()} == {
        "load": "every 1 hour",
        "run Fill TealGreen": "daily 04:00",
    }


def test_sql_server_could_be_asked_the_same() -> None:
    recording = RecordingDatabase()
    jobs = Jobs(recording)
    job = plan(jobs)
    jobs.end(begin(jobs, job, now=NOW), now=NOW, state="done", note="")
    assert problems(recording.statements) == []


def test_it_is_closed_twice(jobs: Jobs) -> None:
    assert jobs.all() == {}
    jobs.close()
    jobs.close()

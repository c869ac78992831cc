"""Row 41: a machine that was off for three days, and schedules of every kind."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Bar
from tests.faults.checker import Account
from tests.faults.machine import LOAD, Machine
from whereupon.model.schedules import next_after
from whereupon.storage.timetable import LATE

Report = Callable[[Mapping[str, Any]], None]
pytestmark = [pytest.mark.fault(41), pytest.mark.slow]

SCHEDULES = (
    "every 5 minutes", "every 2 hours", "daily 00:00", "daily 01:30", "daily 23:59", "weekly Monday 09:00",
    "weekly Thursday 18:00", "monthly 1 06:30", "monthly 31 23:59", 'cron "*/15 8-18 * * MON-FRI"',
    'cron "30 1 * * *"',
)  # fmt: skip
ZONE = "Europe/London"
OFF = 3 * 86_400


class Counted:
    """A machine, and how often each job ran."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.ran: Counter[str] = Counter()
        self.machine = Machine(folder, patch, SCHEDULES, lambda name: self.ran.update([name]))
        self.clock, self.jobs = self.machine.clock, self.machine.jobs

    def on(self, *seconds: float) -> None:
        """Switched on, asked at once and after each of these waits, then switched off."""
        with self.machine.timetable() as timetable:
            timetable.turn()
            for each in seconds:
                self.clock.advance(each)
                timetable.turn()


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Counted]:
    """A machine that was never on before."""
    made = Counted(tmp_path / "system", monkeypatch)
    yield made
    made.machine.world.close()


def test_after_three_days_off_each_schedule_that_was_missed_runs_once_and_late(
    machine: Counted, seed: int, bar: Bar, fault_report: Report
) -> None:
    chance, began = random.Random(seed), time.monotonic()
    rounds, missed = bar(quick=10, full=200), 0
    for _ in range(rounds):
        # It runs for a while, with whatever is due then, and is on time.
        machine.on(chance.uniform(1, 86_400), 1.0)
        before = machine.jobs()
        machine.ran.clear()
        machine.clock.advance(OFF + chance.uniform(0, 3_600))
        now = machine.clock.now()
        due = {name for name, job in before.items() if job.next_run is not None and job.next_run <= now}
        machine.on(0, 0, 0)
        assert machine.ran == dict.fromkeys(due, 1), now
        after = machine.jobs()
        late = {name for name, job in after.items() if job.late and (job.started or 0) >= now}
        assert late == {each for each in due if now - (before[each].next_run or 0) > LATE}, now
        assert {name: job.next_run for name, job in after.items()} == {
            name: next_after(each, now, ZONE) for name, each in machine.machine.tasks.items()
        }
        missed += len(due)
    row = Account().row(41, seed=seed, kills=0, seconds=time.monotonic() - began)
    fault_report({**row, "missed": missed})
    assert missed >= 8 * rounds


def test_the_run_after_a_late_one_comes_at_its_time_and_is_not_called_late(machine: Counted) -> None:
    machine.on()
    machine.clock.advance(OFF)
    machine.on()
    assert machine.jobs()[LOAD].late
    machine.on(86_400 - (machine.clock.now() // 1000 - 3 * 3600) % 86_400)
    assert machine.ran[LOAD] == 2
    assert not machine.jobs()[LOAD].late

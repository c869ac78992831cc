"""Row 39: a clock that is set forward and back by days and hours, or a little all the time."""

from __future__ import annotations

import glob
import json
import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Bar
from tests.faults.checker import account
from tests.faults.machine import LOAD, Machine
from tests.faults.service import System, Trickle, local, setup, sign_ins, to_local, web_hook
from tests.faults.sinks import KeyedSink
from tests.servers.http import Answer
from tests.servers.processes import wait_until
from tests.world import PLAIN, World, setup_of, sign_in
from whereupon.host.clock import FakeClock
from whereupon.jobs.timetable import Timetable
from whereupon.model.events import Result

Report = Callable[[Mapping[str, Any]], None]
pytestmark = [pytest.mark.fault(39), pytest.mark.slow]

HOUR, DAY = 3_600, 86_400
WALK = 9_000
"""Seconds that are walked through in small steps, with the clock set in the middle of them."""
STEPS = {"a day forward": DAY, "a day back": -DAY, "two hours back": -2 * HOUR, "a little all the time": 0}
FLOWING = {"every 5 minutes": 300, 'cron "*/15 * * * *"': 900}
DAILY = {"run By daily 00:40": timedelta(minutes=40), 'run By cron "30 1 * * *"': timedelta(minutes=90),
         LOAD: timedelta(hours=3)}  # fmt: skip
GAP = 30
"""Seconds by which nothing may be silent for longer than its schedule says."""
FAKETIME = next(iter(glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")), "")


class Watched:
    """A machine by a clock that can be set, and when each job ran: by that clock, and by one that nobody sets."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch, chance: random.Random) -> None:
        self.ran: dict[str, list[tuple[float, float]]] = defaultdict(list)
        schedules = ["daily 00:40", 'cron "30 1 * * *"', *FLOWING]
        self.machine = Machine(folder, patch, schedules, self._note)
        self.clock, self._chance, self._jitter = self.machine.clock, chance, 0

    def _note(self, name: str) -> None:
        self.ran[name].append((self.clock.monotonic(), self.clock.now() / 1000))

    def walk(self, timetable: Timetable, seconds: float, *, by: float, jitter: bool = False) -> None:
        """Let time pass in steps; with jitter the clock is up to a second wrong at each."""
        for _ in range(round(seconds / by)):
            self.clock.advance(by)
            if jitter:
                wrong = self._chance.randint(-1_000, 1_000)
                self.clock.set(self.clock.now() - self._jitter + wrong)
                self._jitter = wrong
            timetable.turn()


@pytest.mark.parametrize("step", STEPS)
def test_each_due_slot_runs_once_and_nothing_falls_silent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, seed: int, bar: Bar
) -> None:
    chance = random.Random(seed)
    for number in range(bar(quick=1, full=6)):
        watched = Watched(tmp_path / f"{number}", monkeypatch, chance)
        clock, first = watched.clock, watched.clock.now() / 1000
        with closing(watched.machine.world), watched.machine.timetable() as timetable:
            timetable.turn()
            watched.walk(timetable, DAY, by=1_800)
            fine, before = clock.monotonic(), chance.randrange(0, WALK, 25)
            jitter = not STEPS[step]
            watched.walk(timetable, before, by=25, jitter=jitter)
            clock.set(clock.now() + 1000 * STEPS[step])
            watched.walk(timetable, WALK - before, by=25, jitter=jitter)
            until = clock.monotonic()
            watched.walk(timetable, 2.5 * DAY, by=1_800)
        for name, after in DAILY.items():
            assert slots(watched.ran[name], after) == expected(first, clock.now() / 1000, after), name
        for text, every in FLOWING.items():
            moments = [at for at, _ in watched.ran[f"run By {text}"] if fine <= at <= until]
            gaps = [then - at for at, then in zip([fine, *moments], [*moments, until], strict=True)]
            assert max(gaps) <= every + GAP, text
            # A clock that is set makes one more run than there would have been.
            assert len(moments) <= WALK / every + 2, text


def slots(runs: list[tuple[float, float]], after: timedelta) -> Counter[int]:
    """How often each day had its run, whatever clock change lay between."""
    return Counter(int((shown - after.total_seconds()) // DAY) for _, shown in runs)


def expected(first: float, last: float, after: timedelta) -> dict[int, int]:
    """One run on each day."""
    seconds = after.total_seconds()
    return dict.fromkeys(range(int((first - seconds) // DAY) + 1, int((last - seconds) // DAY) + 1), 1)


@pytest.mark.parametrize("step", STEPS)
def test_back_offs_are_unaffected_and_new_events_go(tmp_path: Path, step: str) -> None:
    clock = FakeClock()
    world = World(tmp_path, clock=clock)
    with closing(world):
        world.start(setup_of({**PLAIN, "expires": "3 days"}))
        world.channel.answer(Result.UNAVAILABLE, retry_after=600.0)
        world.send(sign_in(1))
        wait_until(lambda: world.outcomes() == ["waiting"])
        for number in range(1, 11):
            clock.advance(59.0)
            wrong = STEPS[step] if number == 5 else (-1) ** number if not STEPS[step] else 0
            clock.set(clock.now() + 1000 * wrong)
            world.send(sign_in(number + 1))
            wait_until(lambda sent=number: world.outcomes() == ["waiting"] + ["sent"] * sent)  # type: ignore[misc]
        clock.advance(11.0)
        assert world.settle(11) == ["sent"] * 11


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[KeyedSink]:
    """A sink that knows messages by their person."""
    made = KeyedSink(tmp_path / "sink", identify='"urn":"([^"]*)')
    yield made
    made.stop()


@pytest.mark.process
@pytest.mark.skipif(not FAKETIME, reason="cannot run here: libfaketime is not installed (Debian: faketime)")
def test_a_service_whose_clock_is_set_loses_nothing_and_never_falls_silent(
    tmp_path: Path,
    sink: KeyedSink,
    system_of: Callable[..., System],
    seed: int,
    bar: Bar,
    monkeypatch: pytest.MonkeyPatch,
    fault_report: Report,
) -> None:
    rounds = bar(quick=1, full=5)
    wanted = setup(stream=local(), channels=[web_hook(sink.url)], expires="30 days")
    system = system_of({**wanted, "realtime_data": {"load_communications": "daily 03:00"}})
    clock = tmp_path / "clock"
    clock.write_text("+0", encoding="ascii")
    for name, value in {
        "LD_PRELOAD": FAKETIME, "FAKETIME_TIMESTAMP_FILE": str(clock), "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    system.start()
    for name in ("LD_PRELOAD", "FAKETIME_TIMESTAMP_FILE"):
        monkeypatch.delenv(name)
    sink.script({f"p{number}": [Answer(503, retry_after="2")] for number in range(0, 100_000, 50)})
    began, shift = time.monotonic(), 0
    with Trickle(to_local(system), sign_ins(range(100_000)), rate=50) as trickle:
        for step in [*STEPS.values(), 1, -1, 1, -1] * rounds:
            shift += step
            clock.write_text(f"{shift:+d}", encoding="ascii")
            # What is sent from now on arrives: nobody waits for the clock to come back.
            least = sum(sink.arrived().values()) + (100 if abs(step) > 1 else 25)
            wait_until(lambda least=least: sum(sink.arrived().values()) >= least, within=GAP)  # type: ignore[misc]
            wait_until(lambda: days_loaded(system), within=GAP, what="The day's load")
    system.settle(events=len(trickle.produced), within=120)
    seconds = time.monotonic() - began
    system.stop()
    result = account(trickle.produced, sink.arrived(), system.activity())
    fault_report(result.row(39, seed=seed, kills=0, seconds=seconds))
    assert not result.problems
    assert result.delivered == result.produced
    loads = days_loaded(system)
    assert set(loads.values()) == {1}, loads


def days_loaded(system: System) -> Counter[str]:
    """How often communications were loaded on each day, by the service's own log: a day's slot is at 03:00."""
    lines = [json.loads(line) for line in (system.folder / "Logs" / "service.log").read_text().splitlines()]
    ran = [line["at"] for line in lines if line["event"] == "scheduled job ended"]
    return Counter(str((datetime.fromisoformat(each) - timedelta(hours=3)).date()) for each in ran)

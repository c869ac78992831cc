"""Row 33: a file may grow to an exact byte and no further, whichever file and byte that is; then the power goes."""

from __future__ import annotations

import contextlib
import random
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Bar
from tests.faults.checker import account
from tests.faults.service import System, local, setup, sign_ins, to_local, web_hook
from tests.faults.sinks import KeyedSink
from tests.faults.stashes import communications
from tests.servers.processes import Child, wait_until

if sys.platform != "linux":
    pytest.skip(
        "cannot run here: only Linux limits the files of a process that runs", allow_module_level=True
    )
import resource

Report = Callable[[Mapping[str, Any]], None]
pytestmark = [pytest.mark.fault(33), pytest.mark.process, pytest.mark.slow]
EVENTS = 8
"""Events of one try."""
PLACES = 200
STEP = 41
"""So many bytes beyond a file's end; for every other place so many times as many, to come beyond its first write."""


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[KeyedSink]:
    """A sink that takes its time."""
    sink = KeyedSink(tmp_path / "slow", delay=0.2)
    yield sink
    sink.stop()


def test_wherever_a_write_fails_the_service_says_so_and_a_restart_finds_all_in_order(
    slow: KeyedSink, system_of: Callable[..., System], seed: int, bar: Bar, fault_report: Report
) -> None:
    tries, chance = bar(quick=10, full=PLACES), random.Random(seed)
    system = system_of(setup(stream=local(), channels=[web_hook(slow.url)]))
    produced = list(sign_ins(range(tries * EVENTS)))
    began, failed = time.monotonic(), 0
    for turn in range(tries):
        events = [value for _, value in produced[turn * EVENTS :][:EVENTS]]
        beyond = (turn * PLACES // tries + 1) * (STEP if turn % 2 else 1)
        match turn % 5:
            case 0 | 1:
                failed += receipts_fall_short(system, slow, events, beyond, freed=turn % 5 == 0)
            case 2 | 3:
                failed += falls_short(system, events, beyond, chance)
            case _:
                failed += starts_short(system, events, beyond, chance)
        undamaged(system)
    system.start()
    system.settle(events=len(produced))
    system.stop()
    system.command("load-communications")
    result = account([each for each, _ in produced], slow.arrived(), system.activity())
    row = result.row(33, seed=seed, kills=tries, seconds=time.monotonic() - began)
    fault_report({**row, "failed": failed})
    assert (result.delivered, result.problems) == (len(produced), [])
    assert sorted(row[0] for row in communications(system)) == sorted(slow.arrived())
    assert failed >= tries // 2


def receipts_fall_short(
    system: System, sink: KeyedSink, events: list[bytes], beyond: int, *, freed: bool
) -> bool:
    """The disk is full when the answers come: the stash is the first to be written."""
    child, asked = system.start(), sink.attempts()
    opened = max(system.folder.glob("Stash/*.open"), default=None)
    to_local(system)(events)
    sink.wait_for(asked + 1, within=30)
    limit(child, (opened.stat().st_size if opened else 0) + beyond % 1_500)
    return ends(system, child, freed=freed)


def falls_short(system: System, events: list[bytes], beyond: int, chance: random.Random) -> bool:
    """The disk fills up at any moment while events flow."""
    child = system.start()
    most = chance.choice(files(system)).stat().st_size + beyond
    to_local(system)(events)
    threading.Event().wait(chance.uniform(0, 0.05))
    limit(child, most)
    return ends(system, child, freed=chance.random() < 0.5)


def ends(system: System, child: Child, *, freed: bool) -> bool:
    """The power goes, perhaps after the disk was freed and all has come to rest; whether it had said what was wrong."""
    said = says(child)
    if freed:
        limit(child, resource.RLIM_INFINITY)
        system.settle()
    child.kill()
    assert "Traceback" not in child.last_words(100_000), child.last_words()
    return said


def starts_short(system: System, events: list[bytes], beyond: int, chance: random.Random) -> bool:
    """The disk is full before the service has begun: it starts or it ends, and says why."""
    to_local(system)(events)
    child = system.launch()
    limit(child, chance.choice(files(system)).stat().st_size + beyond)
    said = says(child)
    child.kill()
    assert "Something unexpected" not in child.last_words(100_000), child.last_words()
    return said


def files(system: System) -> list[Path]:
    """The files that the service writes."""
    kinds = ("TealHols.db*", "SD_TealHols.db*", "Stash/*.open", "Logs/*", "*.wire")
    found = [path for kind in kinds for path in system.folder.glob(kind)]
    return sorted(each for each in found if each.suffix != ".lock")


def limit(child: Child, most: int) -> None:
    """From now on no write of the process goes beyond this byte of a file."""
    with contextlib.suppress(ProcessLookupError):
        resource.prlimit(child.process.pid, resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))


def says(child: Child) -> bool:
    """Whether it says within a second or two that something can't be written."""
    with contextlib.suppress(AssertionError):
        wait_until(lambda: "can't" in child.last_words() or not child.alive, within=1.5)
    return "can't" in child.last_words()


def undamaged(system: System) -> None:
    """Both databases of the system are whole."""
    for path in (system.folder / "TealHols.db", system.folder / "SD_TealHols.db"):
        with closing(sqlite3.connect(path)) as database:
            assert database.execute("PRAGMA quick_check").fetchall() == [("ok",)], path

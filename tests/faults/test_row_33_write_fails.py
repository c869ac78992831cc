"""Row 33: a file may grow to an exact byte and no further, whichever file and byte that is; then the power goes."""

from __future__ import annotations

import contextlib
import random
import sqlite3
import subprocess
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
from tests.faults.service import WHEREUPON, System, local, setup, sign_ins, to_local, web_hook
from tests.faults.sinks import KeyedSink
from tests.faults.stashes import communications
from tests.servers.processes import wait_until

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
FRAME = 4_120
"""Bytes that SQLite adds to its log for each page; a few of them are a transaction."""


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
        most = turn * PLACES // tries + 1 + FRAME * chance.randrange(6)
        with Limited(system) as service:
            match turn % 5:
                case 0 | 1:
                    receipts_fall_short(service, system, slow, events, most % 1_500)
                case 2 | 3:
                    falls_short(service, system, events, most)
                case _:
                    starts_short(service, system, events, most)
            failed += service.complains()
            if turn % 5 in (0, 2):
                service.limit(resource.RLIM_INFINITY)
                system.settle(events=EVENTS * (turn + 1))
        assert "Traceback" not in service.said
        assert "unexpected" not in service.said
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
    assert failed == tries


class Limited:
    """A service whose files can be limited; its words come through a pipe, which knows no limit."""

    def __init__(self, system: System) -> None:
        self._said: list[str] = []
        self._process = subprocess.Popen(
            [*WHEREUPON, "service", "run", "--system", str(system.folder)], env=system.environment,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self._process.stdout or ():
            self._said.append(line)

    def __enter__(self) -> Limited:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait(10)
        self._reader.join(10)
        if self._process.stdout is not None:
            self._process.stdout.close()

    @property
    def said(self) -> str:
        """All its words."""
        return "".join(self._said.copy())

    def begin(self) -> None:
        """Wait until it works."""
        wait_until(lambda: "The service runs." in self.said, within=120, what="The service")

    def limit(self, most: int) -> None:
        """From now on no write of it goes beyond this byte of a file."""
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))

    def complains(self) -> bool:
        """Whether it says, before its end or within 20 s, that something can't be written."""
        with contextlib.suppress(AssertionError):
            wait_until(lambda: "can't" in self.said or self._process.poll() is not None, within=20)
        self._reader.join(10 if self._process.poll() is not None else 0)
        return "can't" in self.said


def receipts_fall_short(
    service: Limited, system: System, sink: KeyedSink, events: list[bytes], most: int
) -> None:
    """The disk is full when the answers come: the stash is the first to be written."""
    service.begin()
    asked = sink.attempts()
    to_local(system)(events)
    sink.wait_for(asked + 1, within=90)
    service.limit(most)


def falls_short(service: Limited, system: System, events: list[bytes], most: int) -> None:
    """The disk is full when events come."""
    service.begin()
    service.limit(most)
    to_local(system)(events)


def starts_short(service: Limited, system: System, events: list[bytes], most: int) -> None:
    """The disk is full before the service has begun: it starts or it ends, and says why."""
    to_local(system)(events)
    service.limit(most)


def undamaged(system: System) -> None:
    """Both databases of the system are whole."""
    for path in (system.folder / "TealHols.db", system.folder / "SD_TealHols.db"):
        with closing(sqlite3.connect(path)) as database:
            assert database.execute("PRAGMA quick_check").fetchall() == [("ok",)], path

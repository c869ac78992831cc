"""Row 32: the disk of the system's folder is filled and freed, again and again."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Bar
from tests.faults.checker import Produced, account
from tests.faults.service import Send, System, Trickle, local, made, setup, sign_ins, void, web_hook
from tests.faults.sinks import KeyedSink
from tests.faults.stashes import communications
from tests.servers.processes import wait_until
from whereupon.components.streams.local import append

if sys.platform != "linux" or os.geteuid() != 0:
    pytest.skip("cannot run here: only root mounts a small disk", allow_module_level=True)

Report = Callable[[Mapping[str, Any]], None]
pytestmark = [pytest.mark.fault(32), pytest.mark.process, pytest.mark.slow]
SIZE = 8_000_000
SCARCE = 370_000
"""Bytes that are left where the disk isn't quite full: less than a twentieth."""
RESUMED = 5.0
"""Seconds in which it goes on."""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 8 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", place],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"cannot run here: {done.stderr.strip()}")
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


class Ballast:
    """A file that leaves so many bytes of the disk."""

    def __init__(self, disk: Path) -> None:
        self._disk = disk
        self._file = disk / "ballast"

    def leave(self, free: int) -> None:
        """Fill the disk up to here."""
        with self._file.open("ab", buffering=0) as file, contextlib.suppress(OSError):
            while (more := shutil.disk_usage(self._disk).free - free) > 0:
                file.write(bytes(more))

    def remove(self) -> None:
        """Free it."""
        self._file.unlink()


def test_on_a_full_disk_the_service_pauses_and_says_so_and_goes_on_by_itself(
    disk: Path, keyed: KeyedSink, tmp_path: Path, seed: int, bar: Bar, fault_report: Report
) -> None:
    cycles, elsewhere = bar(quick=3, full=20), tmp_path / "elsewhere"
    # The shop's events come from another disk, which isn't full.
    stream = {**local(), "provider": {"folder": str(elsewhere)}}
    wanted = setup(stream=stream, channels=[web_hook(keyed.url)])
    began, numbers = time.monotonic(), itertools.count()
    with made(disk, wanted) as system:
        child = system.start()
        produced = flow(elsewhere, sign_ins(itertools.islice(numbers, 150)), rate=60)
        with Trickle(to(elsewhere), sign_ins(numbers), rate=10) as trickle:
            resumed = [cycle(system, disk, keyed, free=SCARCE if n % 2 else 0) for n in range(cycles)]
        produced += trickle.produced
        system.settle(events=len(produced))
        assert child.alive
        assert "Traceback" not in child.last_words(1_000_000)
        system.stop()
        assert "Nothing to change" in system.apply(wanted)
        undamaged(system)
        system.command("load-communications")
        result = account(produced, keyed.arrived(), system.activity())
        row = result.row(32, seed=seed, kills=cycles, seconds=time.monotonic() - began)
        fault_report({**row, "resumed": max(resumed)})
        assert (result.delivered, result.problems) == (len(produced), [])
        assert sorted(row[0] for row in communications(system)) == sorted(keyed.arrived())
    assert statistics.median(resumed) <= RESUMED, resumed


def cycle(system: System, disk: Path, keyed: KeyedSink, *, free: int) -> float:
    """Fill the disk, wait until the service stands still for that reason, free it; the seconds until it goes on."""
    ballast = Ballast(disk)
    keyed.wait_for(keyed.attempts() + 1, within=90)
    ballast.leave(free)
    wait_until(lambda: "disk" in system.status()["streams"][0]["state"], within=90, what="The pause")
    assert not free or shutil.disk_usage(disk).free
    if not free:
        refused(system)
    before = keyed.attempts()
    ballast.remove()
    freed = time.monotonic()
    keyed.wait_for(before + 1, within=90)
    return time.monotonic() - freed


def refused(system: System) -> None:
    """A change that the disk has no room for is refused in plain words."""
    file = next(system.folder.parent.glob("setup-*.yaml"))
    changed = file.read_text(encoding="utf-8").replace("Welcome back", "Good to see you, and " * 1_000)
    elsewhere = system.folder.parents[1] / "changed.yaml"
    elsewhere.write_text(changed, encoding="utf-8")
    done = system.run("apply", str(elsewhere))
    assert done.returncode
    assert "disk" in done.stderr
    assert "unexpected" not in done.stderr


def flow(folder: Path, events: Iterator[tuple[Produced, bytes]], *, rate: float) -> list[Produced]:
    """Let these events flow; the logs of the databases are as large then as they will be."""
    with Trickle(to(folder), events, rate=rate) as trickle:
        trickle.rest()
    return trickle.produced


def to(folder: Path) -> Send:
    """Appends to a stream outside the system's folder."""
    return lambda values: void(append(folder, "sign-ins", values) if values else 0)


def undamaged(system: System) -> None:
    """Both databases of the system are whole."""
    for path in (system.folder / "TealHols.db", system.folder / "SD_TealHols.db"):
        with closing(sqlite3.connect(path)) as database:
            assert database.execute("PRAGMA quick_check").fetchall() == [("ok",)], path

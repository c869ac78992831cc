"""The demo as a new user has it: everything real, and nothing left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
import pytest

from tests.servers.processes import wait_until

pytestmark = [pytest.mark.process, pytest.mark.req("NEW-04"), pytest.mark.usefixtures("home")]
COMMAND = [sys.executable, "-m", "whereupon", "demo"]
FIELDS = [
    "events",
    "sent",
    "withheld",
    "failed",
    "unknown",
    "dead_letters",
    "repeats",
    "unaccounted",
    "p50_ms",
    "p99_ms",
]


def services_of(folder: Path) -> list[psutil.Process]:
    """Processes whose command line names a folder below this one."""
    return [
        each for each in psutil.process_iter(["cmdline"])
        if any(word.startswith(str(folder)) for word in each.info["cmdline"] or ()) and each.pid != os.getpid()
    ]  # fmt: skip


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary folders are made."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    for name in ("TMPDIR", "TEMP", "TMP"):
        monkeypatch.setenv(name, str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return folder


def test_every_event_is_accounted_for_and_nothing_is_left(place: Path) -> None:
    done = subprocess.run(
        [*COMMAND, "--events", "200", "--json"], capture_output=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    totals = json.loads(done.stdout.splitlines()[-1])
    assert list(totals) == FIELDS
    assert (totals["events"], totals["failed"], totals["unknown"], totals["unaccounted"]) == (200, 0, 0, 0)
    assert totals["sent"] >= 100
    assert totals["withheld"]["not in store"] >= 1
    assert totals["withheld"]["limit"] >= 1
    assert totals["dead_letters"] >= 1
    assert totals["repeats"] >= 1
    counted = totals["sent"] + sum(totals["withheld"].values()) + totals["dead_letters"] + totals["repeats"]
    assert counted == 200
    assert 0 < totals["p50_ms"] < 500
    assert list(place.iterdir()) == []
    assert services_of(place) == []


def test_a_kept_system_is_there_for_its_user(tmp_path: Path) -> None:
    folder = tmp_path / "Demo"
    done = subprocess.run(
        [*COMMAND, "--events", "20", "--keep", folder], capture_output=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert str(folder).encode() in done.stdout
    assert services_of(tmp_path) == []
    command = [sys.executable, "-m", "whereupon", "activity", "--json", "--system", str(folder)]
    rows = subprocess.run(command, capture_output=True, timeout=60, check=True).stdout.splitlines()
    assert len(rows) == 20
    assert any(folder.joinpath("Stash").iterdir())


@pytest.mark.skipif(sys.platform == "win32", reason="it sends Ctrl+C as Linux and macOS do")
def test_ctrl_c_ends_everything_that_it_started(place: Path) -> None:
    with subprocess.Popen(
        [*COMMAND, "--events", "5000"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        wait_until(lambda: bool(services_of(place)), within=90, what="the service")
        for line in process.stdout:
            if line.startswith(b"sent"):
                break
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
    assert (process.returncode, said) == (130, b"")
    assert list(place.iterdir()) == []
    assert services_of(place) == []

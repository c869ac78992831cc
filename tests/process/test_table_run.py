"""Table runs as real processes, killed in the middle: what was begun is finished, and each person comes once."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import yaml

from tests.servers.processes import wait_until
from tests.unit.jobs.table_world import LETTER, crowd, csv, set_up

pytestmark = pytest.mark.process
PEOPLE = 5_000
KILLED = 137


@pytest.fixture
def system(tmp_path: Path) -> Path:
    """The folder of a system whose table has five thousand people."""
    (tmp_path / "people.csv").write_text(csv(crowd(PEOPLE)), encoding="utf-8")
    setup = set_up({**LETTER, "name": "To all", "limits": []}).model_dump(
        mode="json", by_alias=True, exclude_defaults=True
    )
    (tmp_path / "system.yaml").write_text(yaml.safe_dump({"version": 1, **setup}), encoding="utf-8")
    folder = tmp_path / "system"
    done = whereupon("apply", str(tmp_path / "system.yaml"), "--system", str(folder))
    assert done.wait(60) == 0
    return folder


def whereupon(*words: str, crash_at: str = "") -> subprocess.Popen[bytes]:
    """The command, begun; it dies at a point if one is named."""
    environment = {**os.environ, **({"WHEREUPON_CRASH_AT": crash_at} if crash_at else {})}
    return subprocess.Popen([sys.executable, "-m", "whereupon", *words], env=environment)


def ran(system: Path, campaign: str, *, crash_at: str = "") -> int:
    """A run to its end; the exit code."""
    return whereupon("run", campaign, "--quiet", "--system", str(system), crash_at=crash_at).wait(120)


def rows(file: Path, sql: str) -> list[tuple[object, ...]]:
    """What a database holds."""
    connection = sqlite3.connect(file)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


def sent(system: Path) -> Counter[str]:
    """How often each person was written to."""
    file = system / "sent.jsonl"
    lines = file.read_bytes().splitlines() if file.exists() else []
    return Counter(json.loads(line)["fields"]["email"] for line in lines)


@pytest.mark.req("RTT-09")
def test_a_fill_that_was_killed_goes_on_where_it_stood(system: Path) -> None:
    assert ran(system, "Fill TealGreen", crash_at="fill-before-place:2") == KILLED
    assert rows(system / "SD_TealHols.db", "SELECT state, done FROM run") == [("running", 2_000)]
    assert ran(system, "Fill TealGreen") == 0
    ((state, done, inserted, updated),) = rows(
        system / "SD_TealHols.db", "SELECT state, done, inserted, updated FROM run"
    )
    assert (state, done, inserted, updated) == ("done", PEOPLE, 3_000, 2_000)
    assert rows(system / "PM_TealHols.db", "SELECT COUNT(*) FROM record") == [(PEOPLE,)]


@pytest.mark.parametrize(
    "point", ["after-t1-commit:3", "bulk-before-place:2", "before-t2:2", "after-stash:2"]
)
def test_a_run_that_was_killed_writes_to_each_person_once(system: Path, point: str) -> None:
    assert ran(system, "To all", crash_at=point) == KILLED
    assert ran(system, "To all") == 0
    assert len(sent(system)) == PEOPLE
    assert set(sent(system).values()) == {1}


def test_run_and_service_are_killed_and_each_person_is_written_to_once(system: Path) -> None:
    service = whereupon("service", "run", "--system", str(system))
    wait_until(lambda: (system / "service.lock").exists() and (system / "Logs").exists())
    run = whereupon("run", "To all", "--quiet", "--system", str(system))
    try:
        wait_until(lambda: len(sent(system)) > 500, within=120)
    finally:
        for process in (run, service):
            process.kill()
            process.wait(10)
    assert len(sent(system)) < PEOPLE
    again = whereupon("service", "run", "--system", str(system))
    try:
        assert ran(system, "To all") == 0
    finally:
        again.terminate()
        assert again.wait(20) == 0
    assert len(sent(system)) == PEOPLE
    assert set(sent(system).values()) == {1}

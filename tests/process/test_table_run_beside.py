"""A table run through a web hook beside sign-ins (line.md, *Cases to walk through*): they go first, nobody is left."""

from __future__ import annotations

import itertools
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.conftest import Bar
from tests.faults.service import WHEREUPON, Part, System, Trickle, local, setup, sign_ins, to_local, web_hook
from tests.faults.sinks import KeyedSink
from tests.servers.processes import wait_until

pytestmark = [pytest.mark.fault(), pytest.mark.process, pytest.mark.slow]
RATE = 50
OF_SIGN_INS = "e.person LIKE 'p%'"
TO_ALL = "(SELECT MAX(campaign) FROM outcome)"
"""The run's campaign: the last that was made."""
LETTER = {
    "name": "To all",
    "audience": {"table": "People"},
    "message": {
        "content": [
            {"field": "email", "from": "Email Address"},
            {"field": "subject", "template": "Dear $data.get('People').get(0).get('Forename')"},
        ],
        "delivery": {"channel": "ESP"},
    },
    "schedule": "manual",
    "publish": True,
}


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[KeyedSink]:
    """A receiver that takes a while."""
    made = KeyedSink(tmp_path / "sink", delay=0.01)
    yield made
    made.stop()


def with_people(folder: Path, count: int, channel: Part) -> dict[str, Any]:
    """The set-up: sign-ins through the web hook, and a letter to everybody in the table through the same."""
    folder.mkdir()
    with (folder / "people.csv").open("w", encoding="utf-8") as file:
        file.write("person_urn,email,forename\n")
        file.writelines(f"t{n},t{n}@example.org,T{n}\n" for n in range(count))
    found = setup(stream=local(), channels=[channel])
    (people,) = found["data"]["tables"]
    known = {name: value for name, value in people.items() if name not in ("connection", "table")}
    found["data"]["tables"] = [{**known, "file": "people.csv"}]
    found["campaigns"].append(LETTER)
    return found


def slowest(system: System, since: int, until: int) -> int:
    """Milliseconds from hand-over to receipt of the sign-ins of this time: the 99th percentile."""
    of = f"FROM outcome o JOIN event e ON e.id = o.event WHERE {OF_SIGN_INS} AND e.at >= {since} AND e.at < {until}"
    count = system.count(f"SELECT COUNT(*) {of}")
    assert count >= 100
    assert not system.count(f"SELECT COUNT(*) {of} AND o.state <> 'sent'")
    return system.count(f"SELECT o.finished - e.at {of} ORDER BY 1 LIMIT 1 OFFSET {count * 99 // 100}")


def sent(system: System) -> int:
    """How many of the table have got their letter."""
    return system.count(f"SELECT COUNT(*) FROM outcome WHERE campaign = {TO_ALL} AND state = 'sent'")


def begun(system: System) -> subprocess.Popen[bytes]:
    """The run of the table as a process of its own."""
    words = [*WHEREUPON, "run", "To all", "--quiet", "--system", str(system.folder)]
    return subprocess.Popen(words, env=system.environment)


def resident(system: System) -> int:
    """Bytes of memory that the service has."""
    return int(psutil.Process(system.service.process.pid).memory_info().rss)


def now() -> int:
    """The time by the machine's clock, in milliseconds."""
    return time.time_ns() // 1_000_000


def test_a_table_run_lets_sign_ins_go_first_and_writes_to_each_person_once_whoever_is_killed(
    tmp_path: Path, sink: KeyedSink, system_of: Callable[..., System], bar: Bar
) -> None:
    people, beside = bar(quick=5_000, full=1_000_000), bar(quick=4.0, full=30.0)
    # On a small machine the run's process takes a core from the service: a few turns of its scheduler are no queue.
    spare = bar(quick=1_500, full=50)
    # Few connections: what is open of the run is seconds of work.
    channel = web_hook(sink.url, concurrency=bar(quick=4, full=32))
    system = system_of(with_people(tmp_path / "here", people, channel))
    system.start()
    with Trickle(to_local(system), sign_ins(itertools.count()), rate=RATE) as trickle:
        threading.Event().wait(1)
        alone, before = now(), resident(system)
        threading.Event().wait(beside)
        run, together, most = begun(system), now(), before
        wait_until(lambda: sent(system), within=120, what="The run's first letter")
        while sent(system) < people // 2:
            assert run.poll() is None
            most = max(most, resident(system))
            threading.Event().wait(0.1)
        end = now()
        # They are decided in order: when a later one is, none of those before is missing.
        wait_until(
            lambda: decided(system, end) and not under_way(system, end), within=120, what="The sign-ins"
        )
        for process in (run, system.service.process):
            process.kill()
            process.wait(10)
    usual, busy = slowest(system, alone, together), slowest(system, together, end)
    sys.stdout.write(f"p99 {usual} ms alone, {busy} ms beside; {(most - before) / 1e6:.1f} MB more\n")
    assert busy <= 1.5 * usual + spare
    assert most - before <= 30_000_000
    assert sent(system) < people
    system.start()
    assert begun(system).wait(60 + people // 100) == 0
    system.settle(events=people + len(trickle.produced), within=120)
    system.stop()
    assert sum(sink.arrived().values()) == people + len(trickle.produced)
    assert sent(system) == people


def decided(system: System, since: int) -> int:
    """Sign-ins since then that were decided."""
    return system.count(f"SELECT COUNT(*) FROM event e WHERE {OF_SIGN_INS} AND e.at >= {since}")


def under_way(system: System, until: int) -> int:
    """Sign-ins until then that have no end yet."""
    return system.count(
        "SELECT COUNT(*) FROM outcome o JOIN event e ON e.id = o.event"
        f" WHERE {OF_SIGN_INS} AND e.at < {until} AND o.state <> 'sent'"
    )

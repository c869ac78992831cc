"""Row 18: kill -9 of the database server during look-ups, decisions and loads."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from tests.conftest import Bar
from tests.faults.checker import account
from tests.faults.service import (
    DATABASE_SECRETS,
    System,
    Trickle,
    local,
    on_postgresql,
    setup,
    sign_ins,
    to_local,
    web_hook,
)
from tests.faults.sinks import KeyedSink
from tests.servers.postgresql import PostgreSQL

Report = Callable[[Mapping[str, Any]], None]
pytestmark = [pytest.mark.fault(18), pytest.mark.outside, pytest.mark.process, pytest.mark.slow]


def test_a_killed_database_loses_nothing_and_doubles_nothing(
    postgresql: PostgreSQL, keyed: KeyedSink, system_of: Callable[..., System], seed: int, bar: Bar,
    fault_report: Report,
) -> None:  # fmt: skip
    kills = bar(quick=5, full=50)
    databases = on_postgresql(postgresql, "row18")
    wanted = setup(stream=local(), channels=[web_hook(keyed.url)], databases=databases, store=True)
    system = system_of(wanted, secrets=DATABASE_SECRETS)
    system.know([f"p{each}" for each in range(1_000)])
    child = system.start()
    began = time.monotonic()
    loads = Loads(system)
    with Trickle(to_local(system), sign_ins(itertools.count(), persons=1_000), rate=200) as trickle, loads:
        for _ in range(kills):
            before = keyed.attempts()
            keyed.wait_for(before + 100, within=90)
            postgresql.kill()
            postgresql.restart()
    system.settle(events=len(trickle.produced))
    assert child.alive
    system.stop()
    system.command("load-communications")
    result = account(trickle.produced, keyed.arrived(), system.activity())
    seconds = time.monotonic() - began
    fault_report({**result.row(18, seed=seed, kills=kills, seconds=seconds), "loads": loads.codes})
    assert result.settled, result.problems
    assert not result.problems
    assert result.delivered == len(trickle.produced)
    keys = postgresql.rows(
        databases["system"].rpartition("/")[2].partition("?")[0], "SELECT key FROM communications"
    )
    assert sorted(key for (key,) in keys) == sorted(keyed.arrived())


class Loads:
    """Loads communications again and again, as an impatient operator would; `codes` are how the commands ended."""

    def __init__(self, system: System) -> None:
        self.codes: list[int] = []
        self._system = system
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="loads", daemon=True)

    def _run(self) -> None:
        while not self._stop.wait(0.05):
            self.codes.append(self._system.run("load-communications").returncode)

    def __enter__(self) -> Loads:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(60)
        assert set(self.codes) <= {0, 4}, self.codes

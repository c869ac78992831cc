"""Row 37: `load-communications` killed again and again in the middle of its work."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Bar
from tests.faults.checker import account
from tests.faults.service import (
    DATABASE_SECRETS,
    WHEREUPON,
    System,
    local,
    on_postgresql,
    setup,
    sign_ins,
    to_local,
    web_hook,
)
from tests.faults.sinks import KeyedSink
from tests.faults.stashes import aside, body, communications, counts, left, row, taken
from tests.servers.postgresql import PostgreSQL
from tests.servers.processes import Child

Report = Callable[[Mapping[str, Any]], None]
pytestmark = [pytest.mark.fault(37), pytest.mark.process, pytest.mark.slow]
BAD = b"12 00000000 no such line\n"
LONGEST = 8
"""Lines of a file; each file is a transaction of the load at least."""


def test_a_load_that_is_killed_anywhere_is_begun_again_and_loads_each_line_once(
    keyed: KeyedSink, system_of: Callable[..., System], seed: int, bar: Bar, fault_report: Report
) -> None:
    system = system_of(setup(stream=local(), channels=[web_hook(keyed.url)]))
    killed_while_loading(system, keyed, bar(quick=6, full=50), seed, fault_report)


@pytest.mark.outside
def test_into_postgresql_as_well(
    postgresql: PostgreSQL, keyed: KeyedSink, system_of: Callable[..., System], seed: int, bar: Bar,
    fault_report: Report,
) -> None:  # fmt: skip
    databases = on_postgresql(postgresql, "row37")
    wanted = setup(stream=local(), channels=[web_hook(keyed.url)], databases=databases)
    system = system_of(wanted, secrets=DATABASE_SECRETS)
    killed_while_loading(system, keyed, bar(quick=3, full=50), seed, fault_report)


def killed_while_loading(system: System, keyed: KeyedSink, kills: int, seed: int, report: Report) -> None:
    """Send, kill as many loads, let one end; then the table holds each message once and nothing else."""
    events, chance = 200 * kills, random.Random(seed)
    produced = list(sign_ins(range(events)))
    system.start()
    to_local(system)([value for _, value in produced])
    system.settle(events=events, within=120)
    system.stop()
    stash = system.folder / "Stash"
    lines = taken(stash)
    files = divided(stash, lines, chance)
    began = time.monotonic()
    for turn in range(kills):
        Load(system).kill_beyond(int((turn + chance.random()) * events / (kills + 1)), chance)
    before = len(communications(system))
    system.command("load-communications")
    seconds = time.monotonic() - began
    result = account([each for each, _ in produced], keyed.arrived(), system.activity())
    report({**result.row(37, seed=seed, kills=kills, seconds=seconds), "files": len(files)})
    assert (result.delivered, result.problems) == (events, [])
    assert 0 < before < events  # the kills came in the middle
    assert sorted(communications(system)) == sorted(row(body(each)) for each in lines)
    assert counts(system) == files
    assert not left(stash)
    assert {each.stem for each in (stash / "Archive").iterdir()} == set(files)
    assert all(set(aside(stash, name)) == {BAD.rstrip()} for name, (_, bad) in files.items() if bad)


def divided(stash: Path, lines: list[bytes], chance: random.Random) -> dict[str, tuple[int, int]]:
    """Put the lines into many files, every tenth line in two of them and a bad one among them; (lines, bad) of each."""
    files: dict[str, tuple[int, int]] = {}
    begin = 0
    while begin < len(lines):
        some = lines[begin : begin + chance.randint(1, LONGEST)]
        begin += len(some)
        again = [chance.choice(lines)] if chance.random() < 0.1 * len(some) else []
        bad = chance.random() < 0.2
        content = b"".join(each + b"\n" for each in some + again) + BAD * bad
        name = f"{len(files):013d}-000"
        (stash / f"{name}.stash").write_bytes(content)
        files[name] = (len(some) + len(again), int(bad))
    return files


class Load:
    """A load in a process of its own."""

    def __init__(self, system: System) -> None:
        self._system = system
        log = system.folder.parent / "load.log"
        words = [*WHEREUPON, "load-communications", "--system", str(system.folder)]
        self._child = Child(words, log=log, environment=system.environment)

    def kill_beyond(self, rows: int, chance: random.Random) -> None:
        """Kill it once it has committed something and the table has so many rows, a few milliseconds later."""
        pause = threading.Event()
        with (
            closing(self._system.databases().system) as place,
            closing(place.session(write=False)) as session,
        ):
            first = there = self._rows(session)
            while there <= max(rows, first) and self._child.alive:
                pause.wait(0.002)
                there = self._rows(session)
        pause.wait(chance.uniform(0, 0.01))
        assert self._child.alive, f"The load ended before it could be killed: {self._child.last_words()}"
        self._child.kill()

    def _rows(self, session: Any) -> int:
        return int(session.one("SELECT COUNT(*) FROM communications")[0])

"""Row 51: a thread of the service dies, each one in turn."""

from __future__ import annotations

import itertools
import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Bar
from tests.faults.checker import Produced, account
from tests.faults.service import System, Trickle, local, mail, setup, sign_ins, to_local, web_hook
from tests.faults.sinks import KeyedSink, UnkeyedSink
from tests.servers.processes import ROOT, Child, wait_until

Report = Callable[[Mapping[str, Any]], None]
pytestmark = [pytest.mark.fault(51), pytest.mark.process, pytest.mark.slow]

ENDING = (
    "poll SignIn", "line SignIn", "lane ESP", "finish", "lease", "timetable", "keeper", "wire of the service",
    "MainThread",
)  # fmt: skip
"""Without one of these the service is of no use: it ends, so that it is started anew."""
NAMED = {"poll SignIn": "SignIn", "line SignIn": "SignIn", "lane ESP": "ESP", "wire of the service": "wire"}
"""How the service calls what it lost, where that isn't the thread."""
DETECTED = 5.0


class Dying:
    """A service in a process where threads can be killed by name."""

    def __init__(self, system: System, log: Path) -> None:
        found = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
        environment = {**system.environment, "PYTHONPATH": found}
        words = [sys.executable, "-m", "tests.faults.dying", "service", "run", "--system", str(system.folder)]
        self.log = system.folder / "Logs" / "service.log"
        self.child = Child(words, log=log, environment=environment, tied=True)
        self.child.wait_for(lambda: "The service runs." in self._said(), within=90, what="The service")

    def kill(self, thread: str) -> None:
        """Let a thread die."""
        assert self.child.process.stdin is not None
        self.child.process.stdin.write(f"{thread}\n".encode())
        self.child.process.stdin.flush()
        wait_until(lambda: f"killed {thread}\n" in self._said(), what=f"The death of {thread}")

    def ended(self) -> int:
        """The code that it ends with, soon."""
        wait_until(lambda: not self.child.alive, within=40, what="The end of the service")
        return int(self.child.process.wait())

    def told(self) -> list[tuple[float, str]]:
        """What its log says of unexpected ends: the time in seconds, and the words."""
        lines = [json.loads(each) for each in self.log.read_text(encoding="utf-8").splitlines()]
        return [
            (datetime.fromisoformat(line["at"]).timestamp(), f"{line['event']} {line.get('threads', '')}")
            for line in lines
            if line["level"] in {"error", "critical"}
        ]

    def _said(self) -> str:
        return self.child.log.read_text(encoding="utf-8", errors="replace")


def test_a_service_that_lost_a_thread_ends_and_says_which(
    keyed: KeyedSink, tmp_path: Path, system_of: Callable[..., System], bar: Bar, fault_report: Report
) -> None:
    rounds = bar(quick=1, full=3)
    system, numbers = system_of(setup(stream=local(), channels=[web_hook(keyed.url)])), itertools.count()
    produced, began = list[Produced](), time.monotonic()
    for number, thread in enumerate(ENDING * rounds):
        service = Dying(system, tmp_path / f"dying-{number}.log")
        try:
            with Trickle(to_local(system), sign_ins(numbers), rate=100) as trickle:
                wait_until(lambda: len(trickle.produced) > 20)
                before = len(service.told())
                service.kill(thread)
                assert service.ended() == 1, thread
        finally:
            service.child.kill()
            produced += trickle.produced
            numbers = itertools.count(len(produced))
        told = service.told()[before:]
        if thread == "MainThread":
            continue
        assert [words for _, words in told] == [
            f"The thread {thread} ended by an unexpected error. ",
            f"threads ended; the service stops and is to be started anew {NAMED.get(thread, thread)}",
        ]
        assert told[1][0] - told[0][0] <= DETECTED
    system.start()
    system.settle(events=len(produced), within=120)
    seconds = time.monotonic() - began
    system.stop()
    result = account(produced, keyed.arrived(), system.activity())
    row = result.row(51, seed=0, kills=len(ENDING) * rounds, seconds=seconds)
    fault_report({**row, "threads": len(ENDING)})
    assert not result.problems
    assert result.delivered == result.produced


def test_a_sender_that_dies_is_replaced_and_every_mail_has_its_end(
    tmp_path: Path, system_of: Callable[..., System], bar: Bar
) -> None:
    deaths, apart = bar(quick=2, full=20), 10
    # The server takes these mails and says nothing: the sender dies while it waits for the answer.
    silent = [number * apart for number in range(1, deaths + 1)]
    faults = [{"stage": "end", "then": "hang", "recipient": f"p{number}@example.org"} for number in silent]
    sink = UnkeyedSink(tmp_path / "sink", faults=faults)
    system = system_of(setup(stream=local(), channels=[mail(sink.port, concurrency=1, timeout=1)]))
    service = Dying(system, tmp_path / "dying.log")
    events = list(sign_ins(range((deaths + 1) * apart)))
    try:
        to_local(system)([value for _, value in events])
        for number in silent:
            wait_until(lambda least=number: sink.arrived().total() > least, within=20)  # type: ignore[misc]
            service.kill("Mail-0")
        wait_until(lambda: sink.arrived().total() == len(events), within=20)
        system.settle(events=len(events), within=90)
        assert service.child.alive
    finally:
        service.child.stop(within=15)
    result = account([each for each, _ in events], sink.arrived(), system.activity())
    sink.stop()
    assert not result.problems
    assert (result.delivered, result.unknown) == (len(events) - deaths, deaths)
    assert max(sink.arrived().values()) == 1

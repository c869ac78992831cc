"""The watcher restarts what crashes, gives up what is hopeless, and takes no time in these tests."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.servers.processes import wait_until
from whereupon.control.state import ServiceState, read_state
from whereupon.control.watcher import (
    PAUSES,
    Child,
    ServiceProcess,
    Watcher,
    answers,
    pause_before_restart,
    watch,
    watcher_lock,
)
from whereupon.control.wire import WireServer, Words
from whereupon.host.clock import FakeClock
from whereupon.host.processes import alive
from whereupon.model.errors import Locked, SetupError


@dataclass
class Life:
    """How long a fake child lives and how it ends; `then` is called when it has started."""

    seconds: float = 1e9
    code: int = 0
    words: str = ""
    then: Callable[[], None] = lambda: None


@dataclass
class FakeChild:
    """A child that ends by the clock, or when it is stopped."""

    pid: int
    life: Life
    clock: FakeClock
    ends: float
    stopped: bool = False

    def exit_code(self) -> int | None:
        """How it ended."""
        if self.clock.monotonic() >= self.ends:
            return self.life.code
        return -15 if self.stopped else None

    def last_words(self) -> str:
        """What it said."""
        return self.life.words

    def stop(self) -> None:
        """End."""
        self.stopped = True


@dataclass
class Watched:
    """A watcher over children that live the lives they are given."""

    lives: list[Life]
    ready: bool = True
    clock: FakeClock = field(default_factory=lambda: FakeClock(hurried=True))
    told: list[ServiceState] = field(default_factory=list)
    children: list[FakeChild] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.watcher = Watcher(
            self._start,
            ready=lambda: self.ready,
            tell=self.told.append,
            clock=self.clock,
            wake=threading.Event(),
        )

    def _start(self) -> Child:
        life = self.lives[len(self.children)]
        child = FakeChild(100 + len(self.children), life, self.clock, self.clock.monotonic() + life.seconds)
        self.children.append(child)
        life.then()
        return child

    def states(self) -> list[str]:
        """The states in their order."""
        return [each.state for each in self.told]


@pytest.fixture(autouse=True)
def _warned(logs: Any) -> None:
    logs.allow("is started again|is lost")


def test_a_service_that_ends_by_itself_is_not_started_again() -> None:
    watched = Watched([Life(5, 0)])
    assert watched.watcher.run() == 0
    assert watched.states() == ["starting", "running", "stopped"]


def test_a_service_that_does_not_answer_yet_is_starting() -> None:
    watched = Watched([Life(5, 0)], ready=False)
    watched.watcher.run()
    assert watched.states() == ["starting", "stopped"]


def test_a_crash_is_followed_by_a_pause_and_a_restart() -> None:
    watched = Watched([Life(5, -9, "no disk"), Life(5, 0)])
    assert watched.watcher.run() == 0
    assert watched.states() == ["starting", "running", "crashed", "starting", "running", "stopped"]
    crashed, again = watched.told[2:4]
    assert (crashed.last_words, crashed.restarts, again.restarts, again.pid) == ("no disk", 0, 1, 101)
    assert (again.since or watched.told[0].since) != crashed.since


def test_after_three_restarts_in_a_row_the_service_is_lost_with_its_last_words() -> None:
    watched = Watched([Life(1, -11, f"life {number}") for number in range(9)])
    assert watched.watcher.run() == 1
    assert len(watched.children) == 4
    assert watched.states().count("crashed") == 3
    lost = watched.told[-1]
    assert (lost.state, lost.pid) == ("lost", None)
    assert lost.last_words == "The service went down 4 times in a row, at last with exit code -11.\nlife 3"


def test_a_minute_of_good_running_counts_anew() -> None:
    watched = Watched([*[Life(1, 1)] * 3, Life(61, 1), *[Life(1, 1)] * 9])
    assert watched.watcher.run() == 1
    assert len(watched.children) == 7


def test_the_pauses_grow_and_end() -> None:
    assert [pause_before_restart(number) for number in range(1, 5)] == [*PAUSES, None]
    watched = Watched([Life(0, 1)] * 9)
    began = watched.clock.monotonic()
    watched.watcher.run()
    assert watched.clock.monotonic() - began == sum(PAUSES)


@pytest.mark.parametrize("code", [2, 3, 5])
def test_a_mistake_in_the_set_up_is_not_tried_again(code: int) -> None:
    watched = Watched([Life(1, code, "The topic has no name.")])
    assert watched.watcher.run() == 1
    assert watched.told[-1].last_words == (
        f"The service went down at once, at last with exit code {code}.\nThe topic has no name."
    )


def test_a_service_that_cannot_even_be_started_is_lost() -> None:
    def refuses() -> None:
        raise SetupError("There is no such program.", hint="Install it.")

    watched = Watched([Life(then=refuses)])
    assert watched.watcher.run() == 1
    assert (
        watched.told[-1].last_words == "The service can't be started.\nThere is no such program. Install it."
    )


def test_a_stop_ends_the_child_and_the_watching() -> None:
    watched = Watched([Life()])
    watched.lives[0].then = watched.watcher.stop
    assert watched.watcher.run() == 0
    assert watched.children[0].stopped
    assert watched.states() == ["starting", "stopping", "stopped"]


def test_a_stop_before_the_start_starts_nothing() -> None:
    watched = Watched([])
    watched.watcher.stop()
    assert watched.watcher.run() == 0
    assert watched.states() == ["stopped"]


def test_a_restart_ends_the_child_and_starts_another_without_counting() -> None:
    watched = Watched([Life(1, 1), Life(), Life(5, 0)])
    watched.lives[1].then = watched.watcher.restart
    assert watched.watcher.run() == 0
    assert watched.children[1].stopped
    assert watched.told[-3].restarts == 0
    assert watched.states()[-5:] == ["starting", "stopping", "starting", "running", "stopped"]


def test_a_stop_in_the_pause_after_a_crash_is_heard() -> None:
    watched = Watched([Life(1, 1)])
    tell = watched.told.append

    def hears(state: ServiceState) -> None:
        tell(state)
        if state.state == "crashed":
            watched.watcher.stop()

    watched.watcher = Watcher(
        watched._start, ready=lambda: True, tell=hears, clock=watched.clock, wake=threading.Event()
    )
    assert watched.watcher.run() == 0
    assert watched.states() == ["starting", "running", "crashed", "stopped"]


def process(program: str) -> tuple[ServiceProcess, threading.Event]:
    wake = threading.Event()
    return ServiceProcess([sys.executable, "-c", program], wake), wake


def test_a_real_child_leaves_its_exit_code_and_last_words_without_secrets() -> None:
    program = (
        "import sys; [print('line', n, file=sys.stderr) for n in range(50)]; sys.exit('password=hunter2')"
    )
    child, wake = process(program)
    assert wake.wait(20)
    assert child.exit_code() == 1
    assert child.last_words().splitlines()[0] == "line 31"
    assert child.last_words().splitlines()[-1] == "password=•••"


def test_a_real_child_is_stopped() -> None:
    child, _ = process("import time; time.sleep(60)")
    assert child.exit_code() is None
    child.stop()
    assert not alive(child.pid)
    assert child.exit_code() is not None


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM to be deaf to")
def test_a_real_child_that_is_deaf_is_killed(monkeypatch: pytest.MonkeyPatch, logs: Any) -> None:
    logs.expect("didn't end within its time")
    monkeypatch.setattr("whereupon.control.watcher.GRACE", 0.3)
    child, _ = process(
        "import signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "print(1, file=sys.stderr, flush=True); time.sleep(60)"
    )
    wait_until(child.last_words)
    child.stop()
    assert child.exit_code() == -9


def test_a_folder_has_one_watcher(tmp_path: Path) -> None:
    with (
        watcher_lock(tmp_path),
        pytest.raises(Locked, match=rf"The watcher of {tmp_path.name} already runs here \(process"),
    ):
        watch(tmp_path, ["never started"])


def test_a_command_that_is_not_there_is_told_in_the_folder(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert watch(tmp_path, ["/no-such-program"]) == 1
    assert "/no-such-program can't be started" in read_state(tmp_path).last_words
    assert "is lost" in (tmp_path / "Logs" / "watcher.log").read_text(encoding="utf-8")


def test_a_service_that_refuses_to_say_how_it_is_answers_all_the_same(tmp_path: Path) -> None:
    def refuses() -> Words:
        raise SetupError("It says nothing.")

    assert not answers(tmp_path)
    with WireServer(tmp_path, status=refuses):
        assert answers(tmp_path)

"""What a new process finds out about a service, by locks and wire, and how it starts and stops one."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest

from whereupon.control import launch
from whereupon.control.launch import restart, service_lock, start, state, stop
from whereupon.control.state import ServiceState, read_state, state_file, write_state
from whereupon.control.watcher import watcher_lock
from whereupon.control.wire import WireServer, Words
from whereupon.host.clock import FakeClock
from whereupon.model.errors import Locked, Unavailable


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "Logs").mkdir()
    return tmp_path


@pytest.fixture
def held() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


class Runs:
    """A service within the test's own process, which gives its lock back when it is told to stop."""

    def __init__(self, folder: Path, held: ExitStack, name: str = "service") -> None:
        self.lock = service_lock(folder) if name == "service" else watcher_lock(folder)
        held.enter_context(self.lock)
        self.told: list[str] = []
        held.enter_context(
            WireServer(
                folder, status=dict, commands={"stop": self._stop, "restart": self._restart}, name=name
            )
        )

    def _stop(self, words: Words) -> Words:
        self.told.append("stop")
        threading.Thread(target=self.lock.release).start()
        return {}

    def _restart(self, words: Words) -> Words:
        self.told.append("restart")
        return {}


def test_where_nothing_ever_ran_the_service_is_stopped(folder: Path) -> None:
    assert state(folder) == ServiceState()
    assert stop(folder) == ServiceState()


def test_a_service_that_answers_runs_also_without_a_watcher(folder: Path, held: ExitStack) -> None:
    Runs(folder, held)
    assert (state(folder).state, state(folder).pid) == ("running", os.getpid())


def test_a_service_that_was_starting_runs_once_it_answers(folder: Path, held: ExitStack) -> None:
    write_state(folder, ServiceState("starting", os.getpid(), restarts=2))
    Runs(folder, held)
    assert (state(folder).state, state(folder).restarts) == ("running", 2)


@pytest.mark.parametrize(
    ("written", "told"),
    [("running", "not responding"), ("starting", "starting"), ("stopping", "stopping")],
)
def test_a_service_that_does_not_answer_is_told_by_what_it_was(
    folder: Path, held: ExitStack, written: str, told: str
) -> None:
    held.enter_context(service_lock(folder))
    write_state(folder, ServiceState(written, os.getpid()))  # type: ignore[arg-type]
    assert state(folder).state == told


def test_a_service_that_has_not_signed_its_lock_yet_is_starting(folder: Path, held: ExitStack) -> None:
    lock = service_lock(folder)
    held.enter_context(lock)
    lock.path.write_bytes(b"")
    assert state(folder) == ServiceState("starting")
    write_state(folder, ServiceState("starting", 12))
    assert state(folder).pid == 12
    with pytest.raises(Unavailable, match="doesn't stop"):
        stop(folder, clock=FakeClock(hurried=True))


def test_between_two_lives_the_watcher_tells_the_state(folder: Path, held: ExitStack) -> None:
    held.enter_context(watcher_lock(folder))
    write_state(folder, ServiceState("crashed", last_words="no disk"))
    assert (state(folder).state, state(folder).last_words) == ("crashed", "no disk")


def test_what_was_killed_with_its_watcher_is_stopped_and_said_to_have_ended_so(folder: Path) -> None:
    since = datetime(2026, 3, 1, tzinfo=UTC)
    write_state(folder, ServiceState("running", 12, since))
    assert state(folder) == ServiceState(
        "stopped", None, since, last_words="It and its watcher ended without a word."
    )


def test_a_lost_service_stays_lost_until_it_is_started(folder: Path) -> None:
    write_state(folder, ServiceState("lost", last_words="no disk"))
    assert state(folder).state == "lost"


def test_what_runs_on_another_computer_is_believed_and_can_only_be_stopped_there(
    folder: Path, held: ExitStack
) -> None:
    lock = service_lock(folder)
    held.enter_context(lock)
    signed = {"pid": 1, "host": "elsewhere", "since": "2026-03-01T08:15:00+00:00"}
    lock.path.write_text(json.dumps(signed), encoding="utf-8")
    assert state(folder).state == "running"
    with pytest.raises(Locked, match=r"process 1 on elsewhere.*Stop it there"):
        stop(folder)


@pytest.mark.parametrize("name", ["service", "watcher"])
def test_a_stop_asks_watcher_or_service_and_waits_for_its_end(
    folder: Path, held: ExitStack, name: str
) -> None:
    runs = Runs(folder, held, name)
    write_state(folder, ServiceState("running", os.getpid()))
    assert stop(folder).state == "stopped"
    assert runs.told == ["stop"]


def test_a_service_that_does_not_stop_is_told(folder: Path, held: ExitStack) -> None:
    held.enter_context(service_lock(folder))
    held.enter_context(WireServer(folder, status=dict, commands={"stop": lambda words: {}}))
    with pytest.raises(Unavailable, match=r"doesn't stop\. Running"):
        stop(folder, clock=FakeClock(hurried=True))


def test_a_second_start_is_told_who_runs(folder: Path, held: ExitStack) -> None:
    Runs(folder, held)
    with pytest.raises(Locked, match=rf"already runs here\. Running since .*process {os.getpid()}"):
        start(folder)


def test_a_start_that_fails_tells_the_watchers_words(folder: Path) -> None:
    (folder / "Logs" / "watcher.out").write_text("old words", encoding="utf-8")
    with pytest.raises(Unavailable, match=r"went down\. no such module") as told:
        start(folder, command=[sys.executable, "-c", "import sys; sys.exit('no such module')"])
    assert "old words" not in str(told.value)


def test_a_start_that_finds_the_service_lost_tells_its_last_words(folder: Path) -> None:
    program = f"""
import sys
from pathlib import Path
from whereupon.control.state import ServiceState, write_state
write_state(Path({str(folder)!r}), ServiceState("lost", last_words="no disk"))
"""
    with pytest.raises(Unavailable, match=r"went down\. no disk"):
        start(folder, command=[sys.executable, "-c", program])
    assert read_state(folder).state == "lost"


def test_a_start_that_takes_too_long_is_given_up(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "PATIENCE", 0.1)
    with pytest.raises(Unavailable, match=r"doesn't answer after 0\.1 s"):
        start(folder, command=[sys.executable, "-c", "import time; time.sleep(2)"])


def test_a_restart_that_brings_no_other_process_is_told(folder: Path, held: ExitStack) -> None:
    Runs(folder, held)
    watcher = Runs(folder, held, "watcher")
    with pytest.raises(Unavailable, match="didn't come back"):
        restart(folder, clock=FakeClock(hurried=True))
    assert watcher.told == ["restart"]


def test_a_restart_of_a_stopped_service_is_a_start(folder: Path) -> None:
    with pytest.raises(Unavailable, match="no way"):
        restart(folder, command=[sys.executable, "-c", "import sys; sys.exit('no way')"])
    assert not state_file(folder).exists()

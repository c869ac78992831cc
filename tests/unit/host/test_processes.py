"""Processes are started, known again, and ended kindly; ours hears when it is asked to end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from tests.servers.processes import wait_until
from whereupon.host.clock import FakeClock
from whereupon.host.processes import alive, on_stop, spawn, started, terminate, this_command, user_name
from whereupon.model.errors import SetupError

PYTHON = [sys.executable, "-u", "-c"]
STAYS = [*PYTHON, "import time; print('here'); time.sleep(60)"]
DEAF = [
    *PYTHON,
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('here'); time.sleep(60)",
]


def reaped(process: subprocess.Popen[bytes]) -> int:
    with process:
        return process.wait(10)


def test_what_a_process_says_goes_to_its_file(tmp_path: Path) -> None:
    log = tmp_path / "words"
    for word in ("one", "two"):
        program = "import os, sys; print(os.environ['WORD']); print('more', file=sys.stderr)"
        assert reaped(spawn([*PYTHON, program], env={"WORD": word}, log_file=log)) == 0
    assert log.read_text(encoding="utf-8").split() == ["one", "more", "two", "more"]


def test_the_last_words_can_be_kept_by_the_caller() -> None:
    process = spawn([*PYTHON, "import sys; print('lost'); sys.exit('the end')"], keep_words=True)
    assert process.stderr is not None
    assert process.stderr.read().strip() == b"the end"
    assert reaped(process) == 1


def test_a_command_that_is_not_there_says_so() -> None:
    with pytest.raises(SetupError, match=r"no-such-program can't be started: No such file"):
        spawn(["/no-such-program"])


def test_a_detached_process_has_a_session_of_its_own_and_leaves_no_zombie(tmp_path: Path) -> None:
    process = spawn(STAYS, detached=True)
    pid = process.pid
    assert alive(pid)
    if sys.platform != "win32":
        assert os.getsid(pid) == pid
    del process
    assert terminate(pid, 10)
    wait_until(lambda: not psutil.pid_exists(pid))


def test_a_process_is_known_again_by_its_start() -> None:
    process = spawn(STAYS)
    at = started(process.pid)
    assert at is not None
    assert alive(process.pid, at)
    assert not alive(process.pid, at - 100)
    process.kill()
    wait_until(lambda: not alive(process.pid))
    assert started(process.pid) is None
    reaped(process)
    assert not alive(process.pid, at)
    assert started(-1) is None


def test_a_process_that_is_asked_to_end_ends_by_itself(tmp_path: Path) -> None:
    process = spawn(STAYS, log_file=tmp_path / "words")
    assert terminate(process.pid, 10)
    assert reaped(process) == -signal.SIGTERM
    assert terminate(process.pid, 10)


@pytest.mark.skipif(sys.platform == "win32", reason="a deaf process is told by CTRL_BREAK there")
def test_a_deaf_process_is_ended_after_its_grace(tmp_path: Path) -> None:
    words = tmp_path / "words"
    process = spawn(DEAF, log_file=words)
    wait_until(lambda: "here" in words.read_text(encoding="utf-8"))
    assert not terminate(process.pid, 10, clock=FakeClock(hurried=True))
    assert reaped(process) == -signal.SIGKILL


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no SIGTERM")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_request_to_end_calls_back_and_the_former_handlers_return(number: signal.Signals) -> None:
    heard: list[int] = []
    former = signal.getsignal(number)
    with on_stop(lambda: heard.append(1)):
        os.kill(os.getpid(), number)
        wait_until(lambda: heard)
    assert signal.getsignal(number) is former


def test_a_thread_leaves_the_signals_to_the_main_one() -> None:
    former = signal.getsignal(signal.SIGTERM)
    seen: list[object] = []

    def listens() -> None:
        with on_stop(lambda: None):
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=listens)
    thread.start()
    thread.join(10)
    assert seen == [former]


def test_this_program_is_started_by_its_interpreter_or_frozen_by_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert this_command() == [sys.executable, "-m", "whereupon"]
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert this_command() == [sys.executable]


def test_the_author_is_the_operating_systems_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "somebody-else")
    assert user_name() == psutil.Process().username().rpartition("\\")[2]
    assert user_name() != "somebody-else"

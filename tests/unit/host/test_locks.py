"""One holder at a time, named to the second, gone with its process."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.servers.processes import wait_until
from whereupon.host.clock import FakeClock
from whereupon.host.locks import FolderLock, Holder, holder, locked_by
from whereupon.host.machine import machine
from whereupon.model.errors import Locked, SetupError

HOLDS = """
import sys
from pathlib import Path
from whereupon.host.locks import FolderLock
with FolderLock(Path(sys.argv[1]), "The service of TealHols already runs"):
    print("held", flush=True)
    sys.stdin.read()
"""


def lock(path: Path) -> FolderLock:
    return FolderLock(path, "The service of TealHols already runs", clock=FakeClock(hurried=True))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "service.lock"


def test_the_second_is_told_who_holds_the_lock(path: Path) -> None:
    with lock(path):
        since = datetime.now().astimezone().strftime("%H:%M")
        with pytest.raises(Locked) as told, lock(path):
            pass
    assert told.value.message.startswith(
        f"The service of TealHols already runs here (process {os.getpid()} since "
    )
    assert since[:2] in told.value.message
    assert told.value.hint == "Stop it first, or use another folder."


def test_a_released_lock_can_be_taken_again_and_its_file_proves_nothing(path: Path) -> None:
    first = lock(path)
    first.acquire()
    first.release()
    first.release()
    assert path.exists()
    assert locked_by(path) is None
    with lock(path):
        assert locked_by(path) is not None


def test_nobody_holds_a_lock_whose_file_is_not_there(path: Path) -> None:
    assert locked_by(path) is None
    assert not path.exists()


def test_asking_who_holds_a_lock_does_not_take_it_away(path: Path) -> None:
    with lock(path):
        assert locked_by(path) == locked_by(path)
        found = holder(path)
        assert found is not None
        assert (found.pid, found.here) == (os.getpid(), True)


def test_a_lock_ends_with_its_process_however_it_dies(path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline().strip() == b"held"
        assert (locked_by(path) or "").startswith(f"process {other.pid} since ")
        with pytest.raises(Locked, match=f"process {other.pid} since"):
            lock(path).acquire()
        other.kill()
        other.wait(10)
    wait_until(lambda: locked_by(path) is None)
    with lock(path):
        pass


def test_a_holder_says_its_computer_and_day_when_they_are_not_ours() -> None:
    yesterday = datetime.now(UTC) - timedelta(days=2)
    day = yesterday.astimezone().strftime("%Y-%m-%d %H:%M")
    assert str(Holder(12, "elsewhere", yesterday)) == f"process 12 on elsewhere since {day}"


@pytest.mark.parametrize("written", ["", "{", "[]", json.dumps({"pid": 1})])
def test_a_holder_that_has_not_signed_yet_is_another_process(path: Path, written: str) -> None:
    with lock(path):
        path.write_text(written, encoding="utf-8")
        assert locked_by(path) == "another process"


def test_a_momentary_question_does_not_refuse_the_real_holder(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([False, False, True])
    monkeypatch.setattr(machine, "lock", lambda descriptor, shared: next(answers))
    with lock(path):
        pass


def test_a_folder_that_is_not_there_cannot_be_locked(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="can't be opened"):
        lock(tmp_path / "gone" / "service.lock").acquire()


def test_a_disk_without_locks_says_what_to_do(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(descriptor: int, *, shared: bool) -> bool:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(machine, "lock", none)
    with pytest.raises(SetupError, match=r"No locks available.*local disk"):
        lock(path).acquire()


def test_two_who_ask_at_the_same_time_are_no_holders(path: Path) -> None:
    with lock(path):
        pass
    with path.open("rb+") as other:
        assert machine.lock(other.fileno(), shared=True)
        assert locked_by(path) is None

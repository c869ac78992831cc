"""What Linux and macOS do in their own way."""

from __future__ import annotations

import sys

import pytest

if sys.platform == "win32":
    pytest.skip("the ways of Linux and macOS", allow_module_level=True)

import os
import signal
from collections.abc import Iterator
from pathlib import Path

from whereupon.host import posix


def test_a_lock_belongs_to_one_open_file(tmp_path: Path) -> None:
    one, two = (os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT) for _ in range(2))
    assert posix.lock(one)
    assert not posix.lock(two)
    posix.unlock(one)
    assert posix.lock(two)
    os.close(one)
    os.close(two)


def test_a_closed_terminal_is_no_request_to_stop_under_nohup() -> None:
    assert signal.SIGHUP in posix.stop_signals()
    former = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert posix.stop_signals() == [signal.SIGTERM, signal.SIGINT]
    finally:
        signal.signal(signal.SIGHUP, former)


def test_a_detached_process_leaves_the_session_and_another_only_the_group() -> None:
    assert posix.starting(detached=True) == {"start_new_session": True}
    assert posix.starting(detached=False) == {"process_group": 0}


@pytest.fixture
def listener(home: Path) -> Iterator[posix.Listener]:
    made = posix.Listener("talks")
    yield made
    made.close()


def visited(listener: posix.Listener) -> tuple[posix.Talk, posix.Talk]:
    ours = posix.connect(listener.address, 5)
    theirs = listener.accept(5)
    assert theirs is not None
    return ours, theirs


def test_lines_go_both_ways_however_they_are_cut(listener: posix.Listener) -> None:
    ours, theirs = visited(listener)
    ours.send(b"one\ntwo", 5)
    assert [theirs.receive(5, 100), theirs.receive(5, 100)] == [b"one", b"two"]
    theirs.send(b"x" * 200_000, 5)
    assert len(ours.receive(5, 1_000_000)) == 200_000
    for each in (ours, theirs):
        each.close()
        each.close()


def test_a_slow_a_gone_and_a_chatty_one_are_told_apart(listener: posix.Listener) -> None:
    ours, theirs = visited(listener)
    with pytest.raises(TimeoutError):
        ours.receive(0.01, 100)
    theirs.send(b"x" * 101, 5)
    with pytest.raises(OSError, match="too long"):
        ours.receive(5, 100)
    ours.close()
    with pytest.raises(ConnectionError):
        theirs.receive(5, 100)
    theirs.close()


def test_nobody_comes_within_the_time_or_after_the_end(home: Path) -> None:
    listener = posix.Listener("talks")
    assert listener.accept(0.01) is None
    listener.close()
    assert not listener.present
    with pytest.raises(OSError, match="Bad file descriptor"):
        listener.accept(5)


def test_a_runtime_folder_that_is_too_long_or_gone_is_replaced(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = Path("/tmp") / f"w{os.getpid()}"
    runtime.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    assert posix._runtime_folder().parent == runtime
    posix._runtime_folder().rmdir()
    runtime.rmdir()
    shared = Path(f"/tmp/whereupon-{os.getuid()}")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(home / ("x" * 90)))
    assert posix._runtime_folder() == shared
    assert shared.stat().st_mode & 0o777 == 0o700
    (home / "file").write_bytes(b"")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(home / "file"))
    assert posix._runtime_folder() == shared


def test_a_folder_of_somebody_else_is_never_used(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = home / "elsewhere"
    elsewhere.mkdir()
    (home / "run" / f"whereupon-{os.getuid()}").symlink_to(elsewhere)
    assert not posix._runtime_folder().is_relative_to(home)
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000)
    monkeypatch.setattr(Path, "mkdir", lambda *_, **__: None)
    with pytest.raises(PermissionError, match="somebody else"):
        posix._runtime_folder()


def test_an_address_that_cannot_be_bound_is_given_back(
    listener: posix.Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(OSError, match="Another process answers"):
        posix.Listener("talks")
    monkeypatch.setattr(posix, "_clear", lambda address: None)
    with pytest.raises(OSError, match="in use"):
        posix.Listener("talks")

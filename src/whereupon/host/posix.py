"""The ways of Linux and macOS: time, files, locks, signals, sockets."""

from __future__ import annotations

import sys

if sys.platform == "win32":  # pragma: no cover - nobody imports it there
    raise ImportError("These are the ways of Linux and macOS.")

import contextlib
import errno
import fcntl
import os
import signal
import socket
import tempfile
import time
from pathlib import Path
from typing import Any

# CLOCK_BOOTTIME counts the time asleep; macOS has that in CLOCK_MONOTONIC.
_UPTIME = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
# macOS: fsync alone leaves the data in the drive's own memory.
_FULL_SYNC = getattr(fcntl, "F_FULLFSYNC", None)
# macOS takes 103 bytes, Linux 107.
_LONGEST_ADDRESS = 100


def uptime() -> float:
    """Seconds that only go forward, the time asleep counted."""
    return time.clock_gettime(_UPTIME)


def sync(descriptor: int) -> None:
    """Return when the disk holds what was written. Raises OSError."""
    if _FULL_SYNC is not None:  # pragma: no cover - macOS alone has it
        with contextlib.suppress(OSError):  # not every file system knows it; fsync tells the truth then
            fcntl.fcntl(descriptor, _FULL_SYNC)
            return
    os.fsync(descriptor)


def sync_folder(path: Path) -> None:
    """Return when the disk holds the names in this folder. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def keep_private(path: Path) -> None:
    """Nobody but the owner may read, write or enter. Raises OSError."""
    path.chmod(0o700 if path.is_dir() else 0o600)


def lock(descriptor: int, *, shared: bool = False) -> bool:
    """Take the lock on an open file if nobody has it (`shared`: but with others who share); it ends with the process.

    Raises OSError where there are no locks.
    """
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def unlock(descriptor: int) -> None:
    """Give the lock back."""
    fcntl.flock(descriptor, fcntl.LOCK_UN)


def stop_signals() -> list[signal.Signals]:
    """The signals that ask a process to end; a closed terminal is none under nohup."""
    asked = [signal.SIGTERM, signal.SIGINT]
    return asked if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else [*asked, signal.SIGHUP]


def starting(*, detached: bool) -> dict[str, Any]:
    """What subprocess.Popen is told: a process of its own group, `detached` from the terminal too."""
    return {"start_new_session": True} if detached else {"process_group": 0}


def ask_to_stop(pid: int) -> None:
    """Ask a process to end by itself."""
    os.kill(pid, signal.SIGTERM)


class Talk:
    """Lines of bytes with one other process; raises OSError where the other is gone, TimeoutError where it is slow."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._read = b""

    def send(self, line: bytes, timeout: float) -> None:
        """Send one line, given without its end."""
        self._end.settimeout(timeout)
        self._end.sendall(line + b"\n")

    def receive(self, timeout: float, most: int) -> bytes:
        """The next line without its end, of at most `most` bytes."""
        self._end.settimeout(timeout)
        while b"\n" not in self._read:
            read = self._end.recv(65536)
            if not read:
                raise ConnectionResetError(errno.ECONNRESET, "The other side has gone")
            self._read += read
            if len(self._read) > most:
                raise OSError(errno.EMSGSIZE, "The line is too long")
        line, _, self._read = self._read.partition(b"\n")
        return line

    def close(self) -> None:
        """End the talk, also under the feet of a thread that waits in it; a second call does nothing."""
        with contextlib.suppress(OSError):
            self._end.shutdown(socket.SHUT_RDWR)
        self._end.close()


class Listener:
    """A place where other processes of this user find this one; `address` tells them where."""

    def __init__(self, name: str) -> None:
        self.address = str(_runtime_folder() / f"{name}.sock")
        _clear(self.address)
        self._door = socket.socket(socket.AF_UNIX)
        try:
            self._door.bind(self.address)
            self._door.listen()
        except OSError:
            self._door.close()
            raise

    @property
    def present(self) -> bool:
        """False if somebody took the address away, as a clean-up of temporary folders does."""
        return os.path.exists(self.address)

    def accept(self, timeout: float) -> Talk | None:
        """The next one who comes, or nobody within `timeout` seconds. Raises OSError once closed."""
        self._door.settimeout(timeout)
        try:
            end, _ = self._door.accept()
        except TimeoutError:
            return None
        return Talk(end)

    def close(self) -> None:
        """Take nobody any more; whoever waits in `accept` is woken by a last visitor."""
        with contextlib.suppress(OSError):
            connect(self.address, 1.0).close()
            os.unlink(self.address)
        self._door.close()


def connect(address: str, timeout: float) -> Talk:
    """Speak with the process that listens there. Raises OSError."""
    end = socket.socket(socket.AF_UNIX)
    try:
        end.settimeout(timeout)
        end.connect(address)
    except OSError:
        end.close()
        raise
    return Talk(end)


def _runtime_folder() -> Path:
    """The user's own folder for sockets; one below /tmp where that is gone (after a log-out) or its path too long."""
    own = f"whereupon-{os.getuid()}"
    shared = Path("/tmp") / own  # noqa: S108 - checked to be ours below
    for folder in (Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()) / own, shared):
        with contextlib.suppress(OSError):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            owned = folder.lstat().st_uid == os.getuid() and not folder.is_symlink()
            if owned and len(os.fsencode(folder)) + 40 <= _LONGEST_ADDRESS:
                folder.chmod(0o700)
                return folder
    raise PermissionError(errno.EACCES, f"{shared} belongs to somebody else")


def _clear(address: str) -> None:
    """Remove the socket file that a killed process left; whether it is dead is asked, not guessed."""
    try:
        connect(address, 1.0).close()
    except (FileNotFoundError, ConnectionRefusedError):
        Path(address).unlink(missing_ok=True)
        return
    raise OSError(errno.EADDRINUSE, "Another process answers there")

"""The ways of Windows: time, files, locks, console signals, named pipes."""

from __future__ import annotations

import sys

if sys.platform != "win32":
    raise ImportError("These are the ways of Windows.")

import ctypes
import errno
import msvcrt
import os
import signal
import subprocess
from multiprocessing.connection import Client
from multiprocessing.connection import Listener as PipeListener
from pathlib import Path
from typing import Any

# A locked range can't be read by others; the holder's words at the file's head have to be.
_LOCKED_BYTE = 1 << 30
# LockFileEx: its flags, and the two errors that say that somebody else has the lock.
_AT_ONCE, _EXCLUSIVE = 1, 2
_LOCK_VIOLATION, _IO_PENDING = 33, 997

_kernel = ctypes.WinDLL("kernel32", use_last_error=True)
_kernel.GetTickCount64.restype = ctypes.c_uint64


def uptime() -> float:
    """Seconds that only go forward, the time asleep counted."""
    return int(_kernel.GetTickCount64()) / 1000


def sync(descriptor: int) -> None:
    """Return when the disk holds what was written. Raises OSError."""
    os.fsync(descriptor)


def sync_folder(path: Path) -> None:
    """Nothing: NTFS keeps names in its own journal, and folders can't be synced."""


def keep_private(path: Path) -> None:
    """Nobody but the owner, the system and its administrators may read, write or enter. Raises OSError."""
    below = "(OI)(CI)F" if path.is_dir() else "F"
    rights = [f"*S-1-3-4:{below}", f"*S-1-5-18:{below}", f"*S-1-5-32-544:{below}"]
    done = subprocess.run(
        ["icacls", str(path), "/inheritance:r", "/grant:r", f"{_account()}:{below}", *rights],
        capture_output=True,
        check=False,
        creationflags=subprocess.CREATE_NO_WINDOW,
    )
    if done.returncode:
        raise PermissionError(13, done.stderr.decode("utf-8", "replace").strip(), str(path))


def _account() -> str:
    return f"{os.environ.get('USERDOMAIN', '.')}\\{os.environ.get('USERNAME', '')}"


class _Overlapped(ctypes.Structure):
    _fields_ = (
        ("internal", ctypes.c_void_p),
        ("internal_high", ctypes.c_void_p),
        ("offset", ctypes.c_uint32),
        ("offset_high", ctypes.c_uint32),
        ("event", ctypes.c_void_p),
    )


def lock(descriptor: int, *, shared: bool = False) -> bool:
    """Take the lock on an open file if nobody has it (`shared`: but with others who share); it ends with the process.

    Raises OSError where there are no locks.
    """
    flags = _AT_ONCE if shared else _AT_ONCE | _EXCLUSIVE
    place = _Overlapped(offset=_LOCKED_BYTE)
    handle = ctypes.c_void_p(msvcrt.get_osfhandle(descriptor))
    if _kernel.LockFileEx(handle, flags, 0, 1, 0, ctypes.byref(place)):
        return True
    code = ctypes.get_last_error()
    if code not in (_LOCK_VIOLATION, _IO_PENDING):
        raise ctypes.WinError(code)
    return False


def unlock(descriptor: int) -> None:
    """Give the lock back."""
    place = _Overlapped(offset=_LOCKED_BYTE)
    handle = ctypes.c_void_p(msvcrt.get_osfhandle(descriptor))
    _kernel.UnlockFileEx(handle, 0, 1, 0, ctypes.byref(place))


def stop_signals() -> list[signal.Signals]:
    """The signals that ask a process to end."""
    return [signal.SIGTERM, signal.SIGINT, signal.SIGBREAK]


def starting(*, detached: bool) -> dict[str, Any]:
    """What subprocess.Popen is told: a group of its own for CTRL_BREAK, `detached` with a hidden console of its own."""
    flags = subprocess.CREATE_NEW_PROCESS_GROUP
    return {"creationflags": flags | subprocess.CREATE_NO_WINDOW if detached else flags}


def ask_to_stop(pid: int) -> None:
    """Ask a process on our console to end by itself."""
    os.kill(pid, signal.CTRL_BREAK_EVENT)


class Talk:
    """Lines of bytes with one other process; raises OSError where the other is gone, TimeoutError where it is slow."""

    def __init__(self, end: Any) -> None:
        self._end = end

    def send(self, line: bytes, timeout: float) -> None:
        """Send one line, given without its end; a pipe holds it until it is read, so nothing is waited for."""
        self._end.send_bytes(line + b"\n")

    def receive(self, timeout: float, most: int) -> bytes:
        """The next line without its end, of at most `most` bytes."""
        if not self._end.poll(timeout):
            raise TimeoutError(errno.ETIMEDOUT, "No answer")
        try:
            return bytes(self._end.recv_bytes(most)).rstrip(b"\n")
        except EOFError as error:
            raise ConnectionResetError(errno.ECONNRESET, "The other side has gone") from error

    def close(self) -> None:
        """End the talk; a second call does nothing."""
        self._end.close()


class Listener:
    """A place where other processes of this user find this one; `address` tells them where."""

    def __init__(self, name: str) -> None:
        self.address = rf"\\.\pipe\whereupon-{name}"
        self._door = PipeListener(self.address, "AF_PIPE")
        self._closed = False

    @property
    def present(self) -> bool:
        """True: nobody else can take a pipe's name away."""
        return True

    def accept(self, timeout: float) -> Talk | None:
        """The next one who comes; `close` ends the waiting. Raises OSError once closed."""
        talk = Talk(self._door.accept())
        if self._closed:
            talk.close()
            raise OSError(errno.EBADF, "Closed")
        return talk

    def close(self) -> None:
        """Take nobody any more. Waiting for a pipe has no other end than somebody who comes."""
        self._closed = True
        connect(self.address, 1.0).close()
        self._door.close()


def connect(address: str, timeout: float) -> Talk:
    """Speak with the process that listens there. Raises OSError."""
    return Talk(Client(address, "AF_PIPE"))

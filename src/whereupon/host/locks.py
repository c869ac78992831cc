"""One holder at a time: a lock of the operating system on a file that tells who holds it."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from whereupon.host.clock import Clock
from whereupon.host.machine import machine
from whereupon.model.errors import Locked, SetupError

# Whoever asks `locked_by` holds the lock for a moment; a real holder is still there after this.
_PATIENCE = 0.5
_PAUSE = 0.02


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a lock: process id, computer, and since when; a `pid` of 0 says that it couldn't be read."""

    pid: int = 0
    host: str = ""
    since: datetime = datetime(1970, 1, 1, tzinfo=UTC)

    @property
    def here(self) -> bool:
        """True if it is a process of this computer."""
        return self.pid > 0 and self.host == socket.gethostname()

    def __str__(self) -> str:
        if not self.pid:
            return "another process"
        since = self.since.astimezone()
        when = since.strftime(
            "%H:%M" if since.date() == datetime.now(UTC).astimezone().date() else "%Y-%m-%d %H:%M"
        )
        return f"process {self.pid}{'' if self.here else f' on {self.host}'} since {when}"


class FolderLock:
    """A lock that the operating system takes back when the process dies, however it dies.

    `words` say what the holder does: "The service of TealHols already runs"; the second is told that, " here" and who
    it is. `hint` says what the second may do.
    """

    def __init__(self, path: Path, words: str, *, hint: str = "", clock: Clock | None = None) -> None:
        self.path = path
        self._words = words
        self._hint = hint or "Stop it first, or use another folder."
        self._clock = clock or Clock()
        self._descriptor = -1

    def acquire(self) -> None:
        """Take the lock. Raises Locked, naming the holder; SetupError where the folder can't have one."""
        descriptor = _open(self.path)
        try:
            if not self._taken(descriptor):
                raise Locked(f"{self._words} here ({_signature(self.path)}).", hint=self._hint)
            _sign(descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor

    def release(self) -> None:
        """Give the lock back; a second call does nothing. The file stays, as it proves nothing."""
        if self._descriptor >= 0:
            machine.unlock(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def _taken(self, descriptor: int) -> bool:
        deadline = self._clock.monotonic() + _PATIENCE
        never = threading.Event()
        while not _locked(descriptor, self.path):
            if self._clock.monotonic() >= deadline:
                return False
            self._clock.wait(never, _PAUSE)
        return True


def holder(path: Path) -> Holder | None:
    """Who holds the lock at `path`, proved by trying it and never by the file's existence; None if nobody does."""
    if not path.exists():
        return None
    descriptor = _open(path)
    try:
        # Shared, because two who ask at the same time are no holders.
        if _locked(descriptor, path, shared=True):
            machine.unlock(descriptor)
            return None
        return _signature(path)
    finally:
        os.close(descriptor)


def locked_by(path: Path) -> str | None:
    """Who holds the lock, in words ("process 1234 since 08:15"), proved by trying it; None if nobody does."""
    found = holder(path)
    return str(found) if found else None


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise SetupError(
            f"{path} can't be opened: {error.strerror or error}.",
            hint="Check that the folder exists and is yours.",
        ) from error


def _locked(descriptor: int, path: Path, *, shared: bool = False) -> bool:
    try:
        return machine.lock(descriptor, shared=shared)
    except OSError as error:
        raise SetupError(
            f"{path} can't be locked: {error.strerror or error}.",
            hint="Put the system's folder on a local disk.",
        ) from error


def _sign(descriptor: int) -> None:
    since = datetime.now(UTC).isoformat(timespec="seconds")
    signature = json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": since})
    os.lseek(descriptor, 0, os.SEEK_SET)
    os.ftruncate(descriptor, 0)
    os.write(descriptor, signature.encode("utf-8"))


def _signature(path: Path) -> Holder:
    # While the holder writes its words there are none yet, or half of them.
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        signed = json.loads(path.read_bytes())
        return Holder(int(signed["pid"]), str(signed["host"]), datetime.fromisoformat(signed["since"]))
    return Holder()

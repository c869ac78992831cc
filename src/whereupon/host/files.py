"""Files that are whole or not there: atomic replacement, and appending with what a full or failing disk does to it."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from whereupon.host.clock import Clock
from whereupon.host.crash import point
from whereupon.host.machine import machine
from whereupon.model.errors import Unavailable

_BINARY = getattr(os, "O_BINARY", 0)
# Windows: access denied and sharing violation, which a virus scanner or a backup causes for a moment.
_SHARED = (5, 32)
_PATIENCE = 30.0


class AppendFailed(Unavailable):
    """A record could not be appended; the file is cut to its last whole record, or will be before the next one."""


class SyncFailed(Unavailable):
    """The disk didn't confirm what was appended: nothing of it may be believed, and a new file has to be begun."""


def write_atomically(
    path: Path, content: bytes | str, *, private: bool = False, clock: Clock | None = None
) -> None:
    """Make `path` hold `content`, whole and lasting, or leave it as it was. `private`: for its owner's eyes alone.

    On Windows somebody else's hold on the file is waited for, up to 30 s. Raises Unavailable.
    """
    data = content.encode("utf-8") if isinstance(content, str) else content
    try:
        temporary = _written_beside(path, data, private=private)
        point(f"before-rename{path.suffix}")
        try:
            _when_unshared(lambda: os.replace(temporary, path), clock or Clock())
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
        point(f"after-rename{path.suffix}")
        sync_folder(path.parent)
        point(f"after-rename-sync{path.suffix}")
    except OSError as error:
        raise Unavailable(
            f"{path} can't be written: {error.strerror or error}.",
            hint="Look at the free space of the disk and at your rights in this folder.",
        ) from error


def _written_beside(path: Path, data: bytes, *, private: bool) -> Path:
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.new")
    descriptor = os.open(
        temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY, 0o600 if private else 0o666
    )
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            point(f"before-sync{path.suffix}")
            machine.sync(file.fileno())
        if private:
            machine.keep_private(temporary)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return temporary


def _when_unshared(action: Callable[[], None], clock: Clock) -> None:
    deadline = clock.monotonic() + _PATIENCE
    never = threading.Event()
    while True:
        try:
            return action()
        except OSError as error:
            if getattr(error, "winerror", None) not in _SHARED or clock.monotonic() > deadline:
                raise
            clock.wait(never, 0.05)


def rename(path: Path, to: Path) -> None:
    """Give a file another name, also one that another file has, and make it last. Raises OSError."""
    point(f"before-rename{to.suffix}")
    path.replace(to)
    point(f"after-rename{to.suffix}")
    sync_folder(to.parent)
    point(f"after-rename-sync{to.suffix}")


def sync_folder(path: Path) -> None:
    """Make new and renamed names in this folder last; nothing to do where the platform has no such call."""
    machine.sync_folder(path)


def private_folder(path: Path) -> Path:
    """Make the folder if it isn't there, for its owner alone, and return it. Raises Unavailable."""
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        machine.keep_private(path)
    except OSError as error:
        raise Unavailable(
            f"The folder {path} can't be made private: {error.strerror or error}.",
            hint="Choose a folder of your own, on a disk that can be written.",
        ) from error
    return path


def free_bytes(path: Path) -> int:
    """Free bytes on the disk that holds `path`, as far as this user may use them."""
    return shutil.disk_usage(path).free


class AppendFile:
    """A file that only grows, record by record. Not for several threads at once.

    `good_size` is the size in bytes up to the last whole record. After AppendFailed one may try again; after
    SyncFailed every further call fails, because a second fsync would call lost data safe.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._torn = self._lost = False
        try:
            self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | _BINARY, 0o600)
            self.good_size = os.fstat(self._descriptor).st_size
            # The new name must last as well as what is appended under it.
            sync_folder(path.parent)
        except OSError as error:
            raise self._failed(AppendFailed, "opened", error) from error

    def append(self, data: bytes) -> None:
        """Add one record, or nothing of it. Raises AppendFailed, SyncFailed."""
        self._must_be_trusted()
        point(f"before-append{self.path.suffix}")
        try:
            self._cut()
            self._torn = True
            self._write(data)
        except OSError as error:
            with contextlib.suppress(OSError):
                self._cut()
            raise self._failed(AppendFailed, "appended to", error) from error
        self._torn = False
        self.good_size += len(data)

    def sync(self) -> None:
        """Return when the disk holds all that was appended. Raises SyncFailed."""
        self._must_be_trusted()
        point(f"before-sync{self.path.suffix}")
        try:
            self._sync()
        except OSError as error:
            self._lost = True
            raise self._failed(SyncFailed, "made safe on the disk", error) from error
        point(f"after-sync{self.path.suffix}")

    def close(self) -> None:
        """Give the file back; a second call does nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _write(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            left = left[os.write(self._descriptor, left) :]

    def _sync(self) -> None:
        machine.sync(self._descriptor)

    def _cut(self) -> None:
        if self._torn:
            os.ftruncate(self._descriptor, self.good_size)
            self._torn = False

    def _must_be_trusted(self) -> None:
        if self._lost:
            raise SyncFailed(
                f"{self.path} is not to be trusted since the disk failed.", hint="A new file has to be begun."
            )

    def _failed(self, kind: type[Unavailable], verb: str, error: OSError) -> Unavailable:
        return kind(
            f"{self.path} can't be {verb}: {error.strerror or error}.",
            hint="Look at the free space and the health of the disk.",
        )

"""Deliver into a file: one line of JSON for each message, safe on the disk before it counts as sent."""

from __future__ import annotations

import contextlib
import glob
import os
import re
import tempfile
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, BinaryIO

import msgspec
from pydantic import Field

from whereupon.host.files import AppendFile, free_bytes, rename
from whereupon.kit.config import SendingConfig, Ui
from whereupon.kit.registry import channel
from whereupon.kit.roles import Channel, Context, Nothing, Stage
from whereupon.model.errors import Unavailable
from whereupon.model.events import Message, Receipt, Result

WINDOW = timedelta(hours=24)
BATCH = 1000
"""Lines that are written at once, with one fsync."""
GENERATION = 250_000
"""Keys after which the oldest may be forgotten: at most twice as many are held, some 50 MB."""


class FileConfig(SendingConfig):
    """Appends a line of JSON to a file for every message."""

    path: str = Field(
        "",
        title="File",
        description="Where the lines go, relative to the system's folder; Outbox/<channel>.jsonl if empty. Full files "
        "are kept beside it under the time of their last line.",
    )
    rotate_at: Annotated[int, Ui(advanced=True)] = Field(
        64,
        ge=1,
        le=1024,
        title="New file at (MB)",
        description="A new file is begun at this size, and each day (UTC).",
    )


class Line(msgspec.Struct, gc=False):
    """One line of the file; `at` is when it was written, ISO 8601 in UTC."""

    key: str
    at: str
    campaign: str = ""
    person: str = ""
    fields: dict[str, str] = {}


class Written(msgspec.Struct, gc=False):
    """What is read back of a line."""

    key: str
    at: datetime


_decoder = msgspec.json.Decoder(Written)


@channel("file", title="File", config=FileConfig)
class FileChannel(Channel[Nothing, FileConfig]):
    """Knows the messages of the last 24 hours again, also after a restart, and at least the last 250,000."""

    deduplicates, key_window = True, WINDOW

    def __init__(self, provider: Nothing, config: FileConfig, context: Context) -> None:
        super().__init__(provider, config, context)
        self.path = context.folder / (config.path or f"Outbox/{_file_name(context.name)}.jsonl")
        self._encoder = msgspec.json.Encoder()
        self._waiting: deque[Message] = deque()
        self._keys = Keys()
        self._day = ""
        # Opened with the first message, because a test or doctor may have this channel beside a running service.
        self._file: AppendFile | None = None

    @property
    def connections(self) -> int:
        """As many as are written at once."""
        return BATCH

    @property
    def largest(self) -> int:
        """As set."""
        return self.config.largest

    def check(self) -> Iterator[Stage]:
        """The folder can be written, and its disk has room."""
        folder = next(each for each in self.path.parents if each.exists())
        try:
            with tempfile.TemporaryFile(dir=folder) as trial:
                trial.write(b"\n")
        except OSError as error:
            hint = "Choose a folder that can be written, or give Whereupon the right to."
            said = f"{folder} can't be written: {error.strerror}."
            yield Stage("Folder", ok=False, message=said, hint=hint)
            return
        yield Stage("Folder", ok=True, message=f"{folder} can be written.")
        free = free_bytes(folder) // 1_000_000
        hint = "Make room on this disk, or choose another."
        yield Stage(
            "Disk", ok=free >= 100, message=f"{free:,} MB are free.", hint="" if free >= 100 else hint
        )

    def offer(self, messages: Sequence[Message]) -> int:
        """Take what is written at once."""
        taken = min(len(messages), BATCH - len(self._waiting))
        self._waiting.extend(messages[:taken])
        return taken

    def collect(self, wait: float) -> Sequence[Receipt]:
        """Write what was offered: one append and one fsync."""
        messages, self._waiting = self._waiting, deque()
        if not messages:
            return ()
        now = self.context.clock.now()
        try:
            self._write(messages, now)
        except Unavailable as error:
            # The disk is to blame, no message; and nothing of this batch is in the file.
            return [self._receipt(each, Result.AWAY, str(error), now) for each in messages]
        return [self._receipt(each, Result.ACCEPTED, "", now) for each in messages]

    def withdraw(self) -> Sequence[Receipt]:
        """What was offered and not written yet."""
        messages, self._waiting = self._waiting, deque()
        return [Receipt(each, Result.NOT_OFFERED) for each in messages]

    def close(self) -> None:
        """Give the file back."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _write(self, messages: Sequence[Message], now: int) -> None:
        at = _iso(now)
        file = self._current(at)
        new = {each.key: each for each in messages if each.key not in self._keys}
        if not new:
            return
        lines = [Line(each.key, at, each.campaign_name, each.person, each.fields) for each in new.values()]
        size = file.good_size
        file.append(self._encoder.encode_lines(lines))
        try:
            file.sync()
        except Unavailable:
            self._distrust(file, size, at)
            raise
        for key in new:
            self._keys.add(key, now)
        self._day = at[:10]

    def _current(self, at: str) -> AppendFile:
        """The file to append to; a new one where its day or its room is over."""
        file = self._file = self._file or self._open()
        full = file.good_size >= self.config.rotate_at * 1_000_000
        if file.good_size and (full or self._day != at[:10]):
            self._put_away(at)
            file = self._file = AppendFile(self.path)
        return file

    def _open(self) -> AppendFile:
        """Read back what the last 24 hours hold, and go on behind the last whole line."""
        now = self.context.clock.now()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            cut_torn_line(self.path)
            lines = list(lines_since(self._files(), now - WINDOW // timedelta(milliseconds=1)))
        except OSError as error:
            raise Unavailable(
                f"{self.path} can't be used: {error.strerror or error}.",
                hint="Choose a file in a folder that can be written.",
            ) from error
        for line in reversed(lines):
            self._keys.add(line.key, _milliseconds(line.at))
        self._day = lines[0].at.date().isoformat() if lines else ""
        return AppendFile(self.path)

    def _files(self) -> list[Path]:
        """The file and the full ones beside it, newest first; their names sort by time."""
        full = self.path.parent.glob(f"{glob.escape(self.path.stem)}.*{glob.escape(self.path.suffix)}")
        there = [self.path] if self.path.exists() else []
        return there + sorted(full, reverse=True)

    def _put_away(self, at: str) -> None:
        """Give the file the name of a full one, so that the next line begins a new one."""
        self.close()
        stamp = re.sub(r"[-:.]", "", at)
        target = self.path.with_name(f"{self.path.stem}.{stamp}{self.path.suffix}")
        # A reader may hold the file open, which Windows doesn't rename, and a clock set back repeats a name: the
        # file grows on until the next try.
        with contextlib.suppress(OSError):
            if not target.exists():
                rename(self.path, target)

    def _distrust(self, file: AppendFile, size: int, at: str) -> None:
        """The disk didn't confirm: take back what was appended, and never write to this file again."""
        with contextlib.suppress(OSError):
            os.truncate(file.path, size)
        self._put_away(at)

    def _receipt(self, message: Message, result: Result, answer: str, started: int) -> Receipt:
        return Receipt(message, result, answer[:500], started=started, ended=self.context.clock.now())


class Keys:
    """The keys of the last 24 hours, in two generations, so that they can be forgotten and never grow without end."""

    def __init__(self, generation: int = GENERATION) -> None:
        self._generation = generation
        self._recent: set[int] = set()
        self._older: set[int] = set()
        self._since = 0

    def __contains__(self, key: str) -> bool:
        return (mark := hash(key)) in self._recent or mark in self._older

    def add(self, key: str, at: int) -> None:
        """Know this key, written `at` (UTC ms), for 24 hours and until as many others came as a generation holds."""
        day = WINDOW // timedelta(milliseconds=1)
        if not self._recent:
            self._since = at
        elif len(self._recent) >= self._generation or at - self._since >= day:
            self._recent, self._older, self._since = set(), self._recent, at
        # 64 bits of a hash take a quarter of a key's room; two keys share one once in 10^13 messages.
        self._recent.add(hash(key))


def lines_since(files: Iterable[Path], at: int) -> Iterator[Written]:
    """The lines written since `at` (UTC ms), the last first, at most a generation of them. Raises OSError."""
    left = GENERATION
    for file in files:
        for raw in reversed(file.read_bytes().splitlines()):
            try:
                line = _decoder.decode(raw)
            except msgspec.DecodeError:
                continue  # somebody edited the file; a line that isn't ours has no key to know again
            if left == 0 or _milliseconds(line.at) < at:
                return
            left -= 1
            yield line


def cut_torn_line(path: Path) -> None:
    """Cut off what stands behind the last line break: the process died while it wrote. Raises OSError."""
    if not path.exists():
        return
    with path.open("r+b") as file:
        end = file.seek(0, os.SEEK_END)
        size = end
        while size and not _ends_a_line(file, size):
            start = max(0, size - 65_536)
            file.seek(start)
            size = start + file.read(size - start).rfind(b"\n") + 1
        if size < end:
            file.truncate(size)


def _ends_a_line(file: BinaryIO, size: int) -> bool:
    file.seek(size - 1)
    return file.read(1) == b"\n"


def _milliseconds(at: datetime) -> int:
    return round(at.timestamp() * 1000)


def _iso(now: int) -> str:
    return datetime.fromtimestamp(now / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _file_name(name: str) -> str:
    """A channel's name as a file's, on every platform."""
    return re.sub(r"[^\w .-]", "_", name).strip(" .") or "channel"

"""The stash: communications held in files while triggers run, one line each, safe on the disk before the journal knows.

A line is `length crc32 json`: the JSON's length in bytes and its zlib.crc32 in hexadecimal, so that a torn or damaged
line shows. A file is open (`.open`) while its owner writes it, and closed (`.stash`) after the journal knows its last.
"""

from __future__ import annotations

import threading
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from whereupon.host.clock import Clock
from whereupon.host.crash import point
from whereupon.host.files import AppendFile, SyncFailed, private_folder, rename, write_atomically
from whereupon.model.errors import Unavailable
from whereupon.model.events import Receipt

LARGEST = 64_000_000
LONGEST = 3600.0
"""Bytes and seconds after which a new file is begun (line.md, *Stash and communications*)."""
OPENED, CLOSED = ".open", ".stash"
ARCHIVE = "Archive"
"""The folder of files whose lines are all loaded."""


class Line(msgspec.Struct, frozen=True, gc=False):
    """One communication: columns of the table, and the journal's numbers that settle it."""

    key: str
    campaign: str
    version: int
    stream: str
    event_id: str
    person: str
    channel: str
    address: str
    provider_id: str
    sent_at: int
    event: int
    campaign_id: int


@dataclass(slots=True)
class Reading:
    """What a stash file holds: its whole lines, how many bytes its last whole line ends at, and what was damaged."""

    lines: list[Line] = field(default_factory=list)
    good: int = 0
    torn: bytes = b""
    damaged: list[bytes] = field(default_factory=list)


_LINE = msgspec.json.Decoder(Line)


def line(receipt: Receipt, *, channel: str) -> Line:
    """The communication that an accepted message is."""
    message = receipt.message
    return Line(
        message.key, message.campaign_name, message.version, message.stream, message.event_id, message.person,
        channel, message.address, receipt.provider_id, receipt.ended, message.event, message.campaign,
    )  # fmt: skip


def encoded(communication: Line) -> bytes:
    """A communication as a line."""
    body = msgspec.json.encode(communication)
    return b"%d %08x %b\n" % (len(body), zlib.crc32(body), body)


def decoded(raw: bytes) -> Line | None:
    """A communication from its line without the line break; None if it is damaged."""
    try:
        length, crc, body = raw.split(b" ", 2)
        if len(body) != int(length) or zlib.crc32(body) != int(crc, 16):
            return None
        return _LINE.decode(body)
    except (ValueError, msgspec.MsgspecError):
        return None


def read(path: Path) -> Reading:
    """All whole lines of a stash file. A torn tail and damaged lines in the middle are set apart."""
    reading = Reading()
    whole = path.read_bytes()
    *lines, tail = whole.split(b"\n")
    for number, raw in enumerate(lines):
        found = decoded(raw)
        if found is not None:
            reading.lines.append(found)
        elif number == len(lines) - 1 and not tail:
            tail = raw + b"\n"
            break
        else:
            reading.damaged.append(raw)
    reading.torn = tail
    reading.good = len(whole) - len(tail)
    return reading


@dataclass(slots=True, eq=False)
class Page:
    """A file that is written; `unknown` counts the lines that were handed over and that the journal doesn't know."""

    file: AppendFile
    began: float
    unknown: int = 0
    lost: bool = False
    """The disk failed: nothing of it may be believed before the next start has read it."""


class Stash:
    """The files of one owner under `<system>/Stash`; any thread may write, one makes safe, turns and closes.

    Raises AppendFailed (nothing of it is there: try again), or SyncFailed: the next try begins a new file.
    """

    def __init__(self, folder: Path, *, clock: Clock) -> None:
        self.folder = private_folder(folder)
        self._clock = clock
        self._lock = threading.Lock()
        self._page: Page | None = None
        self._turned: list[Page] = []

    def append(self, lines: Sequence[Line]) -> None:
        """Add these lines, safe on the disk when it returns."""
        if lines:
            page = self.write(lines)
            self.secure(page)
            page.unknown -= len(lines)

    def write(self, lines: Sequence[Line]) -> Page:
        """Add these lines: they outlive the process when it returns, and the machine once their page is secure."""
        data = b"".join(map(encoded, lines))
        with self._lock:
            page = self._page = self._page or self._open()
            point("before-stash")
            page.file.append(data)
            page.unknown += len(lines)
        return page

    def secure(self, page: Page) -> None:
        """Return when the disk holds all that was written on this page."""
        try:
            page.file.sync()
        except SyncFailed:
            with self._lock:
                self._lose(page)
            raise
        point("after-stash")

    def known(self, page: Page, count: int) -> None:
        """The journal knows so many lines of a page."""
        with self._lock:
            page.unknown -= count

    def turn(self) -> None:
        """Begin a new file if this one is old or large enough, and close those of which the journal knows all lines."""
        page = self._page
        if page is not None and (
            page.file.good_size >= LARGEST or self._clock.monotonic() - page.began >= LONGEST
        ):
            self._put_away()
        if self._turned:
            self._close_known()

    def close(self) -> None:
        """Close the file; one with lines that the journal doesn't know stays open for the next start."""
        self._put_away()
        self._close_known()

    def unsettled(self) -> Iterator[tuple[Path, Reading]]:
        """Files that an earlier run left open, with what they hold."""
        with self._lock:
            ours = {each.file.path for each in (*self._turned, self._page) if each is not None}
        for path in sorted(self.folder.glob(f"*{OPENED}")):
            if path not in ours:
                yield path, read(path)

    def settled(self, path: Path, reading: Reading) -> None:
        """The journal knows all lines of this file: cut off and keep aside its torn tail, close it."""
        if reading.torn:
            write_atomically(path.with_suffix(".torn"), reading.torn)
            with path.open("rb+") as file:
                file.truncate(reading.good)
        _rename(path, path.with_suffix(CLOSED))

    def _open(self) -> Page:
        number = 0
        while True:
            path = self.folder / f"{self._clock.now():013d}-{number:03d}{OPENED}"
            closed = path.with_suffix(CLOSED)
            # A clock that was set back must not give a name again of which the loader knows how far it came.
            if not any(each.exists() for each in (path, closed, self.folder / ARCHIVE / closed.name)):
                return Page(AppendFile(path), self._clock.monotonic())
            number += 1

    def _put_away(self) -> None:
        with self._lock:
            if self._page is not None:
                self._turned.append(self._page)
                self._page = None

    def _close_known(self) -> None:
        for page in [each for each in self._turned if not each.unknown]:
            page.file.close()
            self._turned.remove(page)
            _rename(page.file.path, page.file.path.with_suffix(CLOSED))

    def _lose(self, page: Page) -> None:
        page.lost = True
        page.file.close()
        if page in self._turned:
            self._turned.remove(page)
        if self._page is page:
            self._page = None


def _rename(path: Path, to: Path) -> None:
    try:
        rename(path, to)
    except OSError as error:
        raise Unavailable(
            f"{path} can't be renamed: {error.strerror or error}.", hint="Close programs that hold the file."
        ) from error

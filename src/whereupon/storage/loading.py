"""Loading communications: lines of the stash become rows of the communications table, each once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from whereupon.connect.databases import Database
from whereupon.connect.session import Columns
from whereupon.host.clock import Clock
from whereupon.host.crash import point
from whereupon.host.files import AppendFile, private_folder, rename
from whereupon.host.locks import FolderLock
from whereupon.model.errors import Away, Unavailable
from whereupon.storage.stash import ARCHIVE, CLOSED, OPENED, Line, decoded
from whereupon.storage.turns import Turns, writers

MOST = 5_000
"""Lines of one transaction."""
AGAIN = (0.1, 0.2, 0.4, 0.8, 1.6)
"""Seconds before each new try of a transaction that the database undid, because of a deadlock, say."""
COMMUNICATION: Columns = {
    "key": "text", "campaign": "text", "version": "id", "stream": "text", "event_id": "text", "person": "text",
    "channel": "text", "address": "text", "provider_id": "text", "sent_at": "id", "loaded_at": "id", "event": "id",
    "campaign_id": "id",
}  # fmt: skip
LOADED: Columns = {"folder": "text", "name": "text", "bytes": "id", "lines": "id", "bad": "id", "at": "id"}


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a load did: rows that are new, lines that were loaded before, lines that can't be read, files put away."""

    new: int = 0
    known: int = 0
    bad: int = 0
    archived: int = 0

    def __add__(self, other: Loaded) -> Loaded:
        return Loaded(
            self.new + other.new,
            self.known + other.known,
            self.bad + other.bad,
            self.archived + other.archived,
        )

    def __str__(self) -> str:
        said = f"{self.new:,} communications loaded"
        said += f", {self.known:,} were there already" if self.known else ""
        return said + (f", {self.bad:,} lines can't be read and were set aside" if self.bad else "")


@dataclass(frozen=True, slots=True)
class Piece:
    """A line of a file: where it ends, the communication, or what stands there instead."""

    end: int
    line: Line | None
    raw: bytes


def load(database: Database, stash: Path, *, folder_id: str, clock: Clock) -> Loaded:
    """Load all whole lines of a folder's stash. May be ended anywhere and begun again; one load at a time a folder.

    Raises Locked while another load runs, and what the database raises.
    """
    lock = FolderLock(stash / "load.lock", "Communications of this folder are being loaded")
    with lock, closing(Turns(database, writers=writers(database))) as turns:
        total = Loaded()
        for path in sorted((*stash.glob(f"*{CLOSED}"), *stash.glob(f"*{OPENED}"))):
            total += _load_file(turns, path, folder_id, clock)
        return total


def _load_file(turns: Turns, path: Path, folder_id: str, clock: Clock) -> Loaded:
    try:
        return _load_lines(turns, path, folder_id, clock)
    except FileNotFoundError:  # its owner has closed it since it was found
        return _load_lines(turns, path.with_suffix(CLOSED), folder_id, clock)


def _load_lines(turns: Turns, path: Path, folder_id: str, clock: Clock) -> Loaded:
    with turns.session() as session:
        row = session.one(
            "SELECT bytes, lines, bad FROM loaded WHERE folder = ? AND name = ?", (folder_id, path.stem)
        )
    begin, lines, bad = row or (0, 0, 0)
    closed = path.suffix == CLOSED
    total = Loaded()
    for pieces in _chunks(path, begin, closed=closed):
        damaged = [each.raw for each in pieces if each.line is None]
        _set_aside(path, damaged)
        lines, bad, begin = lines + len(pieces) - len(damaged), bad + len(damaged), pieces[-1].end
        found = {each.line.key: each.line for each in pieces if each.line is not None}
        rows = [_row(each, clock.now()) for each in found.values()]
        progress = (folder_id, path.stem, begin, lines, bad, clock.now())
        new = _patiently(partial(_write, turns, rows, progress), clock)
        point("after-load-commit")
        total += Loaded(new, len(pieces) - len(damaged) - new, len(damaged))
    if closed and begin == path.stat().st_size:
        _archive(path)
        total += Loaded(archived=1)
    return total


def _write(turns: Turns, rows: Sequence[tuple[object, ...]], progress: tuple[object, ...]) -> int:
    """How many of these rows are new."""
    with turns.transaction() as session:
        new = session.insert_new("communications", COMMUNICATION, rows, key=("key",)) if rows else 0
        session.upsert("loaded", LOADED, [progress], key=("folder", "name"))
        point("before-load-commit")
    return new


def _patiently(write: Callable[[], int], clock: Clock) -> int:
    for seconds in AGAIN:
        try:
            return write()
        except Away:
            raise
        except Unavailable:
            clock.wait(threading.Event(), seconds)
    return write()


def _chunks(path: Path, begin: int, *, closed: bool) -> Iterator[Sequence[Piece]]:
    """The lines from `begin` on, up to MOST at a time; not the damaged last one of an open file, which may be torn."""
    pieces: list[Piece] = []
    with path.open("rb") as file:
        file.seek(begin)
        for raw in file:
            if not raw.endswith(b"\n") and not closed:
                break
            begin += len(raw)
            pieces.append(Piece(begin, decoded(raw.rstrip(b"\n")), raw))
            if len(pieces) > MOST:
                yield pieces[:MOST]
                pieces = pieces[MOST:]
    if pieces and pieces[-1].line is None and not closed:
        pieces.pop()
    if pieces:
        yield pieces


def _row(line: Line, now: int) -> tuple[object, ...]:
    return (
        line.key, line.campaign, line.version, line.stream, line.event_id, line.person, line.channel, line.address,
        line.provider_id, line.sent_at, now, line.event, line.campaign_id,
    )  # fmt: skip


def _set_aside(path: Path, damaged: Sequence[bytes]) -> None:
    if damaged:
        with AppendFile(path.with_suffix(".bad")) as file:
            file.append(b"".join(each if each.endswith(b"\n") else each + b"\n" for each in damaged))
            file.sync()


def _archive(path: Path) -> None:
    archive = private_folder(path.parent / ARCHIVE)
    rename(path, archive / path.name)

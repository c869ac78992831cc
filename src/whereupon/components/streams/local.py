"""A durable stream without a server: a SQLite file that any process of the computer may append to."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import sys
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from uuid import uuid4

from pydantic import Field

from whereupon.host.clock import Clock
from whereupon.kit.config import Config
from whereupon.kit.registry import stream
from whereupon.kit.roles import Context, Feedable, Positions, Stage, Stream, choice
from whereupon.model.errors import Away, SetupError
from whereupon.model.events import Batch, RawEvent

KEEP_DAYS = 7
AT_ONCE = 1000
"""Events in one transaction of an append; and the most that retention deletes with it."""
SHORTEST, LONGEST = 0.002, 0.02
"""Seconds between two looks at the file: soon after an event, and when nothing has come for a while."""
TELL_EVERY = 1.0  # seconds between two notes in the file of how far we are; each is an fsync

_TABLES = """
CREATE TABLE IF NOT EXISTS topic (id TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS partition (number INTEGER PRIMARY KEY, next INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS event (
    partition INTEGER NOT NULL, place INTEGER NOT NULL, at INTEGER NOT NULL, key BLOB, value BLOB,
    PRIMARY KEY (partition, place)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS reader (
    name TEXT NOT NULL, partition INTEGER NOT NULL, next INTEGER NOT NULL, PRIMARY KEY (name, partition)
) WITHOUT ROWID;
"""


class LocalProvider(Config):
    """Files on this computer."""

    folder: str = Field(
        "",
        title="Folder",
        description="Where the folder Streams with the files stands; empty: in the system's folder.",
    )


class LocalConfig(Config):
    """One topic, a file of its own."""

    topic: str = Field(
        alias="Topic",
        pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}$",
        title="Topic",
        description="The file's name: letters, digits, point, line and underline.",
        examples=["sign-ins"],
    )
    partitions: int = Field(1, ge=1, le=64, title="Partitions", description="It can grow, never shrink.")
    keep_days: int = Field(
        KEEP_DAYS,
        ge=1,
        le=3650,
        title="Days kept",
        description="Older events are deleted once every reader has passed them.",
    )


def append(folder: Path, topic: str, values: Iterable[bytes]) -> int:
    """Append events to a topic in `folder` (a system's, or the provider's); returns how many. They are durable then."""
    with contextlib.closing(EventFile(place(folder, topic))) as file:
        return file.append(((None, value) for value in values), now=Clock().now())


def place(folder: Path, topic: str) -> Path:
    """Where a topic's file stands."""
    return folder / "Streams" / f"{topic}.db"


def weight(event: RawEvent) -> int:
    """An event's bytes."""
    return len(event.value or b"") + len(event.key or b"")


class EventFile:
    """One topic's file, opened; made if it isn't there. Raises Away (busy, full disk) or SetupError."""

    def __init__(self, path: Path, *, partitions: int = 1) -> None:
        self.path = path
        with _said(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(
                path, timeout=10, isolation_level=None, check_same_thread=False
            )
            try:
                self._prepare(partitions)
            except sqlite3.Error:
                self._connection.close()
                raise

    def _prepare(self, partitions: int) -> None:
        self._to_wal()
        self._connection.execute("PRAGMA synchronous=FULL")
        with self._transaction():
            for statement in _TABLES.split(";"):
                self._connection.execute(statement)
            if not self._connection.execute("SELECT 1 FROM topic").fetchone():
                self._connection.execute("INSERT INTO topic VALUES (?)", (str(uuid4()),))
            self._connection.executemany(
                "INSERT OR IGNORE INTO partition VALUES (?, 0)", [(number,) for number in range(partitions)]
            )
        self.id: str = self._connection.execute("SELECT id FROM topic").fetchone()[0]

    def _to_wal(self) -> None:
        # This alone doesn't wait for others: two that make the file at the same moment meet here.
        for _ in range(500):
            with contextlib.suppress(sqlite3.OperationalError):
                self._connection.execute("PRAGMA journal_mode=WAL")
                return
            threading.Event().wait(SHORTEST * 10)
        self._connection.execute("PRAGMA journal_mode=WAL")

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    def append(
        self, events: Iterable[tuple[bytes | None, bytes | None]], *, now: int, keep_days: int = KEEP_DAYS
    ) -> int:
        """Append keys and values, a thousand a transaction; returns how many. `now` is in UTC milliseconds."""
        count, left = 0, iter(events)
        while some := list(islice(left, AT_ONCE)):
            with _said(self.path), self._transaction():
                self._insert(some, now)
                self._forget(now - keep_days * 86_400_000)
            count += len(some)
        return count

    def _insert(self, events: Sequence[tuple[bytes | None, bytes | None]], now: int) -> None:
        ends, rows = self._ends(), []
        for turn, (key, value) in enumerate(events):
            number = (turn if key is None else zlib.crc32(key)) % len(ends)
            rows.append((number, ends[number], now, key, value))
            ends[number] += 1
        self._connection.executemany("INSERT INTO event VALUES (?, ?, ?, ?, ?)", rows)
        self._connection.executemany(
            "UPDATE partition SET next = ? WHERE number = ?", [(end, number) for number, end in ends.items()]
        )

    def _forget(self, before: int) -> None:
        passed = self._connection.execute("SELECT partition, min(next) FROM reader GROUP BY partition")
        self._connection.executemany(
            "DELETE FROM event WHERE partition = :number AND at < :before AND place < min(:next, "
            "(SELECT min(place) FROM event WHERE partition = :number) + :most)",
            [
                {"number": number, "next": next, "before": before, "most": AT_ONCE}
                for number, next in passed.fetchall()
            ],
        )

    def _ends(self) -> dict[int, int]:
        return dict(self._connection.execute("SELECT number, next FROM partition ORDER BY number").fetchall())

    def ends(self) -> dict[int, int]:
        """The offset that each partition's next event will have."""
        with _said(self.path):
            return self._ends()

    def first(self, partition: int) -> int:
        """The offset of the first event that is left, or of the next one."""
        query = (
            "SELECT coalesce((SELECT min(place) FROM event WHERE partition = :number), "
            "(SELECT next FROM partition WHERE number = :number))"
        )
        with _said(self.path):
            return int(self._connection.execute(query, {"number": partition}).fetchone()[0])

    def version(self) -> int:
        """A number that changes when another connection has written."""
        with _said(self.path):
            return int(self._connection.execute("PRAGMA data_version").fetchone()[0])

    def events(self, partition: int, first: int, *, most: int, size: int) -> list[RawEvent]:
        """Events from an offset on: at most so many, and about `size` bytes."""
        query = (
            "SELECT partition, place, value, at, key FROM event "
            "WHERE partition = ? AND place >= ? ORDER BY place LIMIT ?"
        )
        events: list[RawEvent] = []
        with _said(self.path), contextlib.closing(self._connection.cursor()) as rows:
            for row in rows.execute(query, (partition, first, most)):
                events.append(RawEvent(*row))
                size -= weight(events[-1])
                if size <= 0:
                    break
        return events

    def note(self, reader: str, positions: Positions) -> None:
        """Note how far a reader is; what all readers have passed may be deleted in time."""
        with _said(self.path), self._transaction():
            self._connection.executemany(
                "INSERT INTO reader VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET next = excluded.next",
                [(reader, number, offset) for number, offset in positions.items()],
            )

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


@contextlib.contextmanager
def _said(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        raise Away(
            f"The stream's file {path} can't be used now: {error}.",
            hint="Check the disk and the file's rights.",
        ) from error
    except sqlite3.DatabaseError as error:
        raise SetupError(
            f"{path} is not a stream's file, or is damaged: {error}.", hint="Restore it, or move it away."
        ) from error
    except OSError as error:
        raise Away(
            f"The stream's file {path} can't be opened: {error.strerror}.",
            hint="Check the folder and its rights.",
        ) from error


@stream("local", title="Local file", config=LocalConfig, provider=LocalProvider)
class Local(Stream[LocalProvider, LocalConfig], Feedable):
    """Reads a topic's file while others append to it; a new event is seen within some 20 ms."""

    def __init__(self, provider: LocalProvider, config: LocalConfig, context: Context) -> None:
        super().__init__(provider, config, context)
        self._path = place(context.folder / provider.folder, config.topic)
        self._reader = f"{context.system}.{context.name}.{context.folder_id}"
        self._file: EventFile | None = None
        self._identity: tuple[int, int] = (0, 0)
        self._begun: dict[int, int] = {}
        self._next: dict[int, int] = {}
        self._ends: dict[int, int] = {}
        self._untold: dict[int, int] = {}
        self._tell_at = 0.0
        self._turn = 0
        self._closed = threading.Event()

    def open(self, stored: Callable[[str, Sequence[int]], Positions]) -> None:
        """Take all partitions of the file."""
        self.close()
        self._closed.clear()
        file = EventFile(self._path, partitions=self.config.partitions)
        try:
            self._begin(file, stored)
        except BaseException:
            file.close()
            raise
        self._file, self._identity = file, self._now_there()

    def _begin(self, file: EventFile, stored: Callable[[str, Sequence[int]], Positions]) -> None:
        ends = file.ends()
        known = dict(stored(file.id, tuple(ends)))
        latest = self.context.start == "latest" and not known
        for number, end in ends.items():
            first = file.first(number)
            at = known.setdefault(number, end if latest else first)
            if not first <= at <= end:
                raise SetupError(
                    f"Partition {number} of {self._path} no longer has event {at}, where this stream goes on. "
                    f"It now holds {first} to {end}.",
                    hint=choice(self.context.name),
                )
        self._ends, self._begun, self._next = ends, known, dict(known)

    def _now_there(self) -> tuple[int, int]:
        try:
            found = os.stat(self._path)
        except FileNotFoundError:
            return (0, 0)
        return found.st_dev, found.st_ino

    def batch(self, *, most: int, size: int, wait: float) -> Batch:
        """What is there, else what comes within `wait` s."""
        file = self._opened()
        clock, pause = self.context.clock, SHORTEST
        deadline, version = clock.monotonic() + wait, file.version()
        while not (events := self._waiting(file, most, size)):
            left = deadline - clock.monotonic()
            if left <= 0 or self._closed.is_set():
                break
            while file.version() == version and left > 0 and not self._closed.is_set():
                self._closed.wait(min(pause, left))
                pause, left = min(pause * 1.5, LONGEST), deadline - clock.monotonic()
            version = file.version()
        self._tell(file)
        return Batch(file.id, events)

    def _opened(self) -> EventFile:
        if self._file is None:
            raise Away("The stream is not open.")
        if self._now_there() != self._identity:
            raise SetupError(
                f"The stream's file {self._path} was deleted or replaced.",
                hint=f"Put it back. {choice(self.context.name)}",
            )
        return self._file

    def _waiting(self, file: EventFile, most: int, size: int) -> list[RawEvent]:
        self._ends = file.ends()
        behind = [number for number, at in self._next.items() if at < self._ends[number]]
        self._turn += 1
        first = self._turn % max(1, len(behind))
        events: list[RawEvent] = []
        for number in behind[first:] + behind[:first]:
            room = size - sum(map(weight, events))
            if len(events) < most and (room > 0 or not events):
                events += file.events(number, self._next[number], most=most - len(events), size=room)
        for each in events:
            self._next[each.partition] = each.offset + 1
        return events

    def _tell(self, file: EventFile, *, now: bool = False) -> None:
        if self._untold and (now or self.context.clock.monotonic() >= self._tell_at):
            file.note(self._reader, self._untold)
            self._untold, self._tell_at = {}, self.context.clock.monotonic() + TELL_EVERY

    def assigned(self) -> Positions:
        """All partitions."""
        return dict(self._begun)

    def commit(self, positions: Positions) -> None:
        """Note how far we are, once a second; older events may then be deleted."""
        self._untold |= {number: at for number, at in positions.items() if number in self._next}

    def seek(self, positions: Positions) -> None:
        """Go on from there."""
        self._next |= {number: at for number, at in positions.items() if number in self._next}

    def lag(self) -> Mapping[int, int]:
        """Events not read yet, as of the last look."""
        return {number: max(0, self._ends[number] - at) for number, at in self._next.items()}

    def send(self, events: Sequence[tuple[bytes | None, bytes]]) -> int:
        """Append to the file, whether the stream is open or not."""
        with contextlib.closing(EventFile(self._path, partitions=self.config.partitions)) as file:
            return file.append(events, now=self.context.clock.now(), keep_days=self.config.keep_days)

    def read(self, *, last: int) -> Iterator[RawEvent]:
        """The last events of all partitions by their time, oldest first."""
        if not self._path.exists():
            return
        with contextlib.closing(EventFile(self._path)) as file:
            ends = file.ends().items()
            rows = [file.events(number, end - last, most=last, size=sys.maxsize) for number, end in ends]
        newest = sorted(chain.from_iterable(rows), key=lambda each: (each.at, each.offset, each.partition))
        yield from newest[max(0, len(newest) - last) :]

    def check(self) -> Iterator[Stage]:
        """Folder, file, events."""
        folder = self._path.parent
        there = next((each for each in (folder, *folder.parents) if each.exists()), folder)
        if not os.access(there, os.W_OK | os.X_OK):
            yield Stage(
                "Folder", False, f"{there} can't be written to.", "Give the right, or choose another folder."
            )
            return
        yield Stage("Folder", True, f"{folder} can be written to.")
        if not self._path.exists():
            yield Stage("File", True, f"{self._path.name} is made when the stream begins.")
            return
        try:
            with contextlib.closing(EventFile(self._path)) as file:
                held = sum(end - file.first(number) for number, end in file.ends().items())
        except (Away, SetupError) as error:
            yield Stage("File", False, error.message, error.hint)
            return
        yield Stage("File", True, f"{self._path} is a stream's file.")
        yield Stage("Events", True, f"{held} events are held.")

    def close(self) -> None:
        """Note how far we are and close the file."""
        self._closed.set()
        file, self._file = self._file, None
        if file is not None:
            with contextlib.closing(file), contextlib.suppress(Away):
                self._tell(file, now=True)

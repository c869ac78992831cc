"""A journal with so many events behind it, as the line leaves them: made by bulk SQL, kept as a file, copied.

Each person has one event in a million, sent; they were decided in batches of 500 over the last hours, as the worked
example decides them. A million spans `HOURS`, so that all count in a limit within a day.
"""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from tests.servers.processes import ROOT
from whereupon.connect.databases import database
from whereupon.model.decided import BatchRecord, EventRecord, Trace
from whereupon.storage.records import packed
from whereupon.storage.schema import sql, upgrade

CACHE = ROOT / ".cache" / "bench"
MILLION, BATCH, HOURS = 1_000_000, 500, 12
FRESH = 3 * 3600
"""Seconds for which a kept journal is young enough to count in limits."""
HOUR, DAY = 3_600_000, 86_400_000
Statement = tuple[str, Sequence[Any]]


@dataclass(frozen=True, slots=True)
class Past:
    """`events` were decided for these parts, ended `until` milliseconds before now; `crowd` more are of one person."""

    events: int
    stream: int
    campaign: int
    channel: int
    owner: int = 1
    until: int = 60_000
    crowd: int = 0

    @property
    def all(self) -> int:
        """The number of the last event."""
        return self.events + self.crowd

    @property
    def span(self) -> int:
        """Milliseconds between the first and the last."""
        return max(1, self.all * HOURS * HOUR // MILLION)


CROWDED = "u7"
"""The person with a crowd of events."""


def statements(past: Past, now: int, numbers: str) -> Iterator[Statement]:
    """What fills an empty journal; `numbers` is SQL of all numbers `i` from 1."""
    begin = now - past.until - past.span
    at = f"({begin} + i * {past.span} / {max(1, past.all)})"
    person = f"CASE WHEN i > {past.events} THEN '{CROWDED}' ELSE 'u' || (i * 7919 % {MILLION}) END"
    yield (
        "INSERT INTO event (id, person, event_id, stream, partition, at_offset, at, seen)"
        f" SELECT i, {person}, 'past-' || i, {past.stream}, i % 4, i / 4, {at}, {at} FROM {numbers}",
        (),
    )
    yield (
        "INSERT INTO outcome"
        " (event, campaign, version, channel, owner, state, reason, tries, decided, first_try, finished)"
        f" SELECT i, {past.campaign}, 1, {past.channel}, {past.owner}, 'sent', '', 1, {at}, {at}, {at} + 5"
        f" FROM {numbers}",
        (),
    )
    yield "INSERT INTO numbering (name, next) VALUES ('event', ?)", (past.all + 1,)
    lane = (past.channel, past.owner, past.all + 1)
    yield "INSERT INTO lane (channel, owner, open_from) VALUES (?, ?, ?)", lane
    for hour in range(begin // HOUR, (begin + past.span) // HOUR + 1):
        beginning = (hour, past.owner, before(past, begin, hour * HOUR) + 1)
        yield "INSERT INTO hour (hour, owner, first) VALUES (?, ?, ?)", beginning
    for day in range(begin // DAY, (begin + past.span) // DAY + 1):
        count = before(past, begin, (day + 1) * DAY) - before(past, begin, day * DAY)
        row = (past.campaign, day, past.owner, count)
        yield (
            "INSERT INTO tally (campaign, day, state, reason, owner, n) VALUES (?, ?, 'sent', '', ?, ?)",
            row,
        )


def before(past: Past, begin: int, moment: int) -> int:
    """How many events were decided before a moment (UTC ms), the first at `begin`."""
    return min(past.all, max(0, (moment - begin) * past.all // past.span))


def batches(past: Past, now: int) -> Iterator[tuple[Any, ...]]:
    """Rows of the table `batch`; the bodies are alike but for a few, because nobody reads them here."""
    begin = now - past.until - past.span
    bodies = [body(past, place) for place in range(8)] if past.all else []
    for first in range(1, past.all + 1, BATCH):
        last = min(first + BATCH - 1, past.all)
        decided = begin + first * past.span // past.all
        yield first, last, past.stream, decided, past.owner, bodies[first // BATCH % 8]


def body(past: Past, place: int) -> bytes:
    """A batch as the line keeps it."""
    events = [event(past, place * BATCH + each) for each in range(1, BATCH + 1)]
    steps = {"prepare": 3.1, "look up": 4.2}
    return packed(
        BatchRecord(past.stream, "SignIn", "t" * 22, 1, 0, events, [], {past.campaign: "Welcome back"}, steps)
    )


def event(past: Past, number: int) -> EventRecord:
    """One event of it, with its message."""
    person, at = f"u{number * 7919 % MILLION}", 1732190400000 + number
    raw = (
        f'{{"id":"e{at}-{number}","urn":"{person}","email":"ada{number}@example.org","at":{at},'
        '"location":"Lisbon, Portugal","page":"/account/sign-in","agent":"Mozilla/5.0"}'
    )
    fields = {
        "email": f"ada{number}@example.org",
        "forename": f"Ada{number}",
        "offer": "TEAL20",
        "location": "Lisbon, Portugal",
        "subject": f"Welcome back, Ada{number}",
        "body": f"Dear Ada{number}, here is TEAL20 for your stay in Lisbon, Portugal.",
    }
    record = {"urn": person, "firstname": f"Ada{number}", "offer": "TEAL20"}
    key = hashlib.sha256(raw.encode()).hexdigest()
    trace = Trace(
        past.campaign, 1, past.channel, "sending", "", "", key, fields["email"], fields, [0], at + DAY
    )
    return EventRecord(
        number, number % 4, number, at, person, raw[:9], raw.encode(), {"TealGreen": record}, [trace], []
    )


BATCHES = "INSERT INTO batch (id, last, stream, decided, owner, body) VALUES (?, ?, ?, ?, ?, ?)"


def put(path: Path, past: Past) -> None:
    """Put the journal in place of the (empty) one of a new system; made first if none is kept."""
    CACHE.mkdir(parents=True, exist_ok=True)
    for old in CACHE.glob("journal-*.db"):
        if time.time() - old.stat().st_mtime > FRESH:
            old.unlink()
    kept = CACHE / f"journal-{_mark(past)}.db"
    if not kept.exists():
        with tempfile.TemporaryDirectory(dir=CACHE) as folder:
            _make(Path(folder), past).replace(kept)
    for each in path.parent.glob(f"{path.name}*"):
        each.unlink()
    shutil.copyfile(kept, path)


def _mark(past: Past) -> str:
    """Of the schema and of how it is filled."""
    words = repr(past) + sql("streams", "sqlite") + Path(__file__).read_text(encoding="utf-8")
    return f"{past.all}-{hashlib.sha256(words.encode()).hexdigest()[:12]}"


def _make(folder: Path, past: Past) -> Path:
    upgrade(database("sqlite:///journal.db", folder=folder), "streams")
    numbers = f"(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {past.all})"
    numbers += f" SELECT i FROM n WHERE i <= {past.all})"
    with closing(sqlite3.connect(folder / "journal.db", isolation_level=None)) as connection:
        connection.executescript(
            "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=-500000; BEGIN"
        )
        _fill(past, numbers, connection.execute, connection.executemany)
        connection.execute("COMMIT")
        connection.execute("PRAGMA journal_mode=WAL")
    return folder / "journal.db"


def fill_postgresql(dsn: str, past: Past) -> None:
    """The same in a database of PostgreSQL, which holds an empty journal."""
    numbers = f"generate_series(1, CAST({past.all} AS BIGINT)) AS i"
    with psycopg.connect(dsn) as connection, connection.cursor() as cursor:
        _fill(past, numbers, _formatted(cursor.execute), _formatted(cursor.executemany))
        connection.commit()
        connection.autocommit = True
        for table in ("event", "outcome", "batch"):
            cursor.execute(f"VACUUM ANALYZE {table}".encode())


def _formatted(act: Callable[..., Any]) -> Callable[[str, Any], Any]:
    return lambda statement, rows: act(statement.replace("%", "%%").replace("?", "%s").encode(), rows)


def _fill(past: Past, numbers: str, execute: Callable[..., Any], execute_many: Callable[..., Any]) -> None:
    now = time.time_ns() // 1_000_000
    for statement, parameters in statements(past, now, numbers):
        execute(statement, parameters)
    if past.all:
        execute_many(BATCHES, batches(past, now))

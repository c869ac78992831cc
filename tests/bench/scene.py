"""What a bench runs on: a broker, a durable PostgreSQL with the store's records, a sink, and topics full of events."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from tests.bench.filling import make_store
from tests.servers import kafka, postgresql
from tests.servers.kafka import Kafka
from tests.servers.postgresql import PostgreSQL
from tests.servers.processes import ROOT, STARTED_WITH, Child

MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class StoreOf:
    """A database of PostgreSQL that holds a store: its name, and the store's number there."""

    database: str
    number: int


@dataclass(slots=True)
class Scene:
    """Both servers, running; stores and topics are made when they are first asked for."""

    folder: Path
    kafka: Kafka
    postgresql: PostgreSQL
    stores: dict[int, StoreOf] = field(default_factory=dict)
    topics: dict[tuple[Any, ...], str] = field(default_factory=dict)
    _numbers: int = 0

    def number(self) -> int:
        """A number that nothing else here has."""
        self._numbers += 1
        return self._numbers

    def store(self, records: int) -> StoreOf:
        """A store of so many records."""
        if records not in self.stores:
            say(f"filling a store with {records:,} records ...")
            self.stores[records] = _filled(self.postgresql, records, self.folder / f"store{records}")
        return self.stores[records]

    def topic(self, events: int, *, partitions: int = 4, records: int = MILLION, crowd: int = 0) -> str:
        """A topic full of sign-ins of different persons of the store; each `crowd`th is of person 7, if not 0."""
        asked = (events, partitions, records, crowd)
        if asked not in self.topics:
            topic = self.kafka.new_topic("bench", partitions=partitions)
            self.kafka.produce(topic, sign_ins(events, records=records, crowd=crowd))
            self.topics[asked] = topic
        return self.topics[asked]


@contextmanager
def scene() -> Iterator[Scene]:
    """Start the servers; they end with the block."""
    lacking = [each for each in (kafka.available(), postgresql.available()) if each]
    if lacking:
        raise SystemExit(f"The bench {'; '.join(lacking)}")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="whereupon-bench-")))
        say("starting Kafka and PostgreSQL ...")
        broker, cluster = Kafka(folder / "kafka", quick=False), PostgreSQL(durable=True)
        stack.callback(broker.stop)
        stack.callback(cluster.remove)
        broker.start()
        cluster.start()
        yield Scene(folder, broker, cluster)


def _filled(server: PostgreSQL, records: int, folder: Path) -> StoreOf:
    """The component makes its tables with one record; the others are copied in as it writes them."""
    folder.mkdir()
    database = server.create_database("store")
    number = make_store(server.url(database), folder)
    with psycopg.connect(server.dsn(database), autocommit=True) as connection:
        cursor = connection.cursor()
        with cursor.copy("COPY record (store, reference, fields, updated) FROM STDIN") as copy:
            for each in range(records):
                fields = {"urn": f"u{each}", "firstname": f"Ada{each}", "offer": "TEAL20"}
                copy.write_row((number, f"u{each}", json.dumps(fields), 0))
        cursor.execute("VACUUM ANALYZE record")
        cursor.execute("CHECKPOINT")
    return StoreOf(database, number)


def sign_ins(count: int, *, records: int, crowd: int = 0) -> Iterator[bytes]:
    """About 187 bytes each."""
    now = time.time_ns() // 1_000_000
    for each in range(count):
        person = f"u{7 if crowd and each % crowd == 0 else each * 7919 % records}"
        yield sign_in(f"e{now}-{each}", person, f"ada{each}@example.org", now)


def sign_in(id: str, person: str, email: str, at: int) -> bytes:
    """One event."""
    return (
        f'{{"id":"{id}","urn":"{person}","email":"{email}","at":{at},"location":"Lisbon, Portugal",'
        '"page":"/account/sign-in","agent":"Mozilla/5.0"}'
    ).encode()


# -------------------------------------------------------------------------------------------------- processes
class Sink:
    """The HTTP sink's process."""

    def __init__(self, url: str) -> None:
        self.url = url

    def figures(self) -> dict[str, Any]:
        """What arrived."""
        found: dict[str, Any] = json.loads(_read(f"{self.url}figures"))
        return found

    def times(self) -> list[float]:
        """How long each message was under way, in milliseconds."""
        found: list[float] = json.loads(_read(f"{self.url}times"))
        return found

    def clear(self) -> None:
        """Begin anew."""
        _read(f"{self.url}clear")


def _read(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310
        content: bytes = answer.read()
    return content


@contextmanager
def sink(*, delay: float = 0.0, timed: bool = False) -> Iterator[Sink]:
    """An HTTP sink for the block."""
    command = [sys.executable, "-m", "tests.bench.sink", json.dumps({"delay": delay, "timed": timed})]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield Sink(f"http://127.0.0.1:{process.stdout.readline().strip()}/")
        process.stdin.close()
        process.wait(10)


class Peer:
    """A module of ours in a process of its own, which says what it found in its last line."""

    def __init__(
        self, module: str, words: dict[str, Any], folder: Path, *, python: Path | None = None
    ) -> None:
        log = folder / f"peer-{time.monotonic_ns()}.log"
        command = [python or sys.executable, "-m", module, json.dumps(words)]
        self.child = Child(command, log=log, environment={**STARTED_WITH, "PYTHONPATH": str(ROOT)})

    def said(self, *, within: float = 300) -> dict[str, Any]:
        """Wait for its end; its last line."""
        wait_for(lambda: not self.child.alive, within=within, what="A peer's end")
        if self.child.process.returncode:
            raise SystemExit(self.child.last_words())
        found: dict[str, Any] = json.loads(self.child.last_words(10**9).splitlines()[-1])
        return found


def wait_for(holds: Callable[[], object], *, within: float, what: str, every: float = 0.05) -> None:
    """Ask seldom enough not to disturb what is measured; a SystemExit after `within` seconds."""
    deadline, pause = time.monotonic() + within, threading.Event()
    while not holds():
        if time.monotonic() > deadline:
            raise SystemExit(f"{what} didn't come within {within:g} s.")
        pause.wait(every)


def say(words: str) -> None:
    """How far a bench is, on standard error."""
    sys.stderr.write(words + "\n")
    sys.stderr.flush()

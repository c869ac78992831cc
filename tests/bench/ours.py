"""Ours: a system made by `apply`, its journal put behind it, and its real service process at work."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import psutil
from sqlalchemy.engine import make_url

from tests.bench.behind import Past, fill_postgresql, put
from tests.bench.scene import MILLION, Scene, Sink, wait_for
from tests.faults.service import System, made
from tests.servers.kafka import PASSWORD as KAFKA_PASSWORD
from tests.servers.kafka import USER as KAFKA_USER
from tests.servers.postgresql import PASSWORD
from whereupon.storage.schema import upgrade

PEOPLE = {
    "name": "People",
    "key": "Person URN",
    "connection": "sqlite:///people.db",
    "table": "people",
    "variables": [
        {"name": "Person URN", "column": "person_urn", "type": "text"},
        {"name": "Email Address", "column": "email", "type": "text"},
        {"name": "Forename", "column": "forename", "type": "text"},
    ],
}
PERSON = {"name": "urn", "type": "Reference", "variable": "Person URN"}
STORE = {
    "providers": [{"name": "Built in", "type": "database"}],
    "stores": [
        {
            "name": "TealGreen",
            "provider": "Built in",
            "settings": {"dataStoreName": "TealGreen"},
            "fields": [
                PERSON,
                {"name": "firstname", "type": "Variable", "variable": "Forename"},
                {"name": "offer", "type": "String", "label": "Offer"},
            ],
        }
    ],
}
WELCOME = {
    "name": "Welcome back",
    "audience": {"stream": "SignIn", "where": {"all": [{"field": "SignIn.location", "is": "not empty"}]}},
    "message": {
        "content": [
            {"field": "email", "from": "SignIn.email"},
            {"field": "forename", "from": "TealGreen.firstname"},
            {"field": "offer", "from": "TealGreen.offer"},
            {"field": "location", "from": "SignIn.location"},
            {"field": "subject", "template": "Welcome back, $!forename"},
            {"field": "body", "template": "Dear $!forename, here is $!offer for your stay in $!location."},
        ],
        "delivery": {"channel": "ESP"},
    },
    "schedule": "event triggered",
    "limits": [{"at_most": 3, "messages": "any", "within": "1 day"}],
    "publish": True,
}
SECRETS = {
    **{f"database/{each}": PASSWORD for each in ("system", "pull_marketing", "streams")},
    "kafka": KAFKA_PASSWORD,
}


@dataclass(frozen=True, slots=True)
class Shape:
    """One system: what it reads, what it holds, where it sends. `url` empty: into a file."""

    topic: str
    url: str
    records: int = MILLION
    journal: int = MILLION
    crowd: int = 0
    streams: str = "sqlite"
    secure: bool = False
    campaigns: int = 1
    concurrency: int = 64
    until: int = 60_000


@dataclass(frozen=True, slots=True)
class Work:
    """How a service did: messages a second, CPU µs of all its processes for each event, events without a proper end."""

    rate: float
    cpu: float
    unaccounted: int
    states: Mapping[str, int]


def setup(scene: Scene, shape: Shape, group: str) -> dict[str, Any]:
    """The worked example's *Welcome back* as a set-up file; the other campaigns ask for somewhere else."""
    provider: dict[str, Any] = {"BootstrapServers": scene.kafka.plain, "SecurityProtocol": "Plaintext"}
    if shape.secure:
        provider = {
            "BootstrapServers": scene.kafka.secure, "SecurityProtocol": "SaslSsl", "SaslMechanism": "Plain",
            "SaslUsername": KAFKA_USER, "SaslPassword": "${secret:kafka}", "SslCaLocation": str(scene.kafka.ca),
        }  # fmt: skip
    elsewhere = {
        "stream": "SignIn",
        "where": {"all": [{"field": "SignIn.location", "is": "equals", "value": "Rome"}]},
    }
    others = [
        {**WELCOME, "name": f"Elsewhere {each}", "audience": elsewhere}
        for each in range(2, shape.campaigns + 1)
    ]
    return {
        "version": 1,
        "system": {"name": "TealHols", "time_zone": "Europe/London"},
        "databases": databases(scene, shape),
        "data": {"tables": [PEOPLE]},
        "pull_marketing": STORE,
        "streams": {
            "providers": [{"name": "Kafka", "type": "kafka", "settings": provider}],
            "streams": [
                {
                    "name": "SignIn",
                    "provider": "Kafka",
                    "settings": {"Topic": shape.topic, "GroupId": group},
                    "start": "earliest",
                    "event_id": "id",
                    "event_time": "at",
                    "fields": [
                        PERSON,
                        {"name": "email", "type": "Variable", "variable": "Email Address"},
                        {"name": "location", "type": "String", "label": "Location"},
                    ],
                }
            ],
        },
        "channels": [channel(shape)],
        "campaigns": [WELCOME, *others],
    }


def channel(shape: Shape) -> dict[str, Any]:
    """A web hook, or a file."""
    settings = {"url": shape.url, "concurrency": shape.concurrency} if shape.url else {"rotate_at": 1024}
    fields = ["email", "forename", "offer", "location", "subject", "body"]
    return {"name": "ESP", "type": "webhook" if shape.url else "file", "settings": settings, "fields": fields}


def databases(scene: Scene, shape: Shape) -> dict[str, str]:
    """System and journal in SQLite, the store in PostgreSQL; the journal too where that is asked."""
    server = scene.postgresql
    found = {"pull_marketing": server.url(scene.store(shape.records).database, password=None)}
    if shape.streams == "postgresql":
        found["streams"] = server.url(server.create_database("streams"), password=None)
    return found


@contextmanager
def system(scene: Scene, shape: Shape) -> Iterator[System]:
    """A system as `shape` says, stopped; its service doesn't outlive the block."""
    number = scene.number()
    with made(scene.folder / f"ours{number}", None, secrets=SECRETS) as found:
        found.apply(setup(scene, shape, f"bench{number}"))
        _put_behind(scene, found, shape)
        yield found
        with contextlib.suppress(AssertionError):
            found.stop()


def _put_behind(scene: Scene, system: System, shape: Shape) -> None:
    there = system.databases()
    names = {"stream": "SignIn", "campaign": "Welcome back", "channel": "ESP"}
    with closing(sqlite3.connect(f"file:{there.system.path}?mode=ro", uri=True)) as connection:
        ids = {
            role: connection.execute(
                "SELECT id FROM part WHERE role = ? AND name = ?", (role, name)
            ).fetchone()[0]
            for role, name in names.items()
        }
    past = Past(shape.journal, **ids, crowd=shape.crowd, until=shape.until)
    if there.streams.path is not None:
        put(there.streams.path, past)
        return
    upgrade(there.streams, "streams")
    fill_postgresql(scene.postgresql.dsn(make_url(there.streams.url).database or ""), past)


def work(scene: Scene, shape: Shape, sink: Sink | None, *, events: int) -> Work:
    """Let a service work through a topic of so many events. The rate is what the sink saw, from the first message to
    the last; without a sink, and where some are withheld, what the journal says."""
    behind = shape.journal + shape.crowd
    with system(scene, shape) as found:
        if sink is not None:
            sink.clear()
        found.start()
        process = psutil.Process(found.service.process.pid)
        if sink is not None:
            wait_for(lambda: sink.figures()["count"], within=60, what="The first message", every=0.01)
        before = spent(process)
        if sink is not None:
            wait_for(Rest(sink, events), within=300, what=f"Message {events:,}")
        wait_for(lambda: _ended(found, behind) >= events, within=300, what="The end of all events", every=0.2)
        cpu = spent(process) - before
        states, rate = journal(found, behind)
    arrived = sink.figures() if sink is not None else {}
    if arrived.get("count") == events:
        rate = rate_of(arrived)
    return Work(rate, cpu / events * 1e6, unaccounted(states, arrived, events), states)


class Rest:
    """True once so many messages have come, or no further one has for 10 s."""

    def __init__(self, sink: Sink, events: int) -> None:
        self._sink, self._events = sink, events
        self._last, self._since = -1, 0.0

    def __call__(self) -> bool:
        """Ask the sink."""
        count = self._sink.figures()["count"]
        if count != self._last:
            self._last, self._since = count, time.monotonic()
        return count >= self._events or (count > 0 and time.monotonic() - self._since > 10)


def rate_of(arrived: Mapping[str, Any]) -> float:
    """Messages a second, as a sink saw them."""
    return float(arrived["count"] / ((arrived["last"] - arrived["first"]) / 1e9))


def spent(process: psutil.Process) -> float:
    """CPU seconds of a process and its children."""
    total = 0.0
    for each in (process, *process.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):
            times = each.cpu_times()
            total += times.user + times.system
    return total


def resident(process: psutil.Process) -> float:
    """MB of memory of a process and its children."""
    family = (process, *process.children(recursive=True))
    return float(sum(each.memory_info().rss for each in family) / 1e6)


def _ended(system: System, behind: int) -> int:
    return system.count(f"SELECT COUNT(*) FROM outcome WHERE event > {behind} AND finished IS NOT NULL")


def journal(system: System, behind: int) -> tuple[dict[str, int], float]:
    """How the new events ended, and how many a second did."""
    place = system.databases().streams
    with closing(place.session(write=False)) as session:
        states = session.all("SELECT state, COUNT(*) FROM outcome WHERE event > ? GROUP BY state", (behind,))
        ((first, last),) = session.all(
            "SELECT MIN(decided), MAX(finished) FROM outcome WHERE event > ?", (behind,)
        )
    place.close()
    return dict(states), sum(count for _, count in states) / (max(1, last - first) / 1000)


def unaccounted(states: Mapping[str, int], arrived: Mapping[str, Any], events: int) -> int:
    """Events without an end, messages that are called sent and didn't arrive, or that arrived twice."""
    lost = events - sum(states.values())
    if not arrived:
        return abs(lost)
    doubled = arrived["count"] - arrived["keys"]
    return abs(lost) + abs(int(arrived["keys"]) - states.get("sent", 0)) + int(doubled)

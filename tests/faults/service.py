"""A system with its real service process, for tests that kill it: made by `apply`, asked by `activity --json`.

system = System(tmp_path, setup(stream=local("sign-ins"), channels=[web_hook(sink.url)]))
system.start()
system.settle(events=500)
result = account(produced, sink.arrived(), system.activity())
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from confluent_kafka import Producer

from tests.faults.checker import Produced
from tests.servers.kafka import Kafka
from tests.servers.postgresql import PASSWORD, PostgreSQL
from tests.servers.processes import Child, wait_until
from whereupon.components.stores.database import DatabaseConfig, DatabaseProvider, DatabaseStore
from whereupon.components.streams.local import append
from whereupon.connect.databases import Database
from whereupon.host.clock import Clock
from whereupon.kit.roles import Context
from whereupon.model.events import Record
from whereupon.model.setup import FieldDefinition
from whereupon.storage.folder import Databases, opened
from whereupon.storage.vault import EnvironmentVault, FileVault

WHEREUPON = [sys.executable, "-m", "whereupon"]
PERSON = {"name": "urn", "type": "Reference", "variable": "Person URN"}
EMAIL = {"name": "email", "type": "Variable", "variable": "Email Address"}
OPEN = "('queued', 'sending', 'waiting')"
Part = dict[str, Any]


# ------------------------------------------------------------------------------------------------- set-ups
def setup(
    *,
    stream: Part,
    channels: Sequence[Part],
    databases: Mapping[str, str] | None = None,
    store: bool = False,
    **campaign: Any,
) -> dict[str, Any]:
    """A set-up file: one stream, and for each channel a campaign that sends it every event of the stream.

    `stream` holds its provider; `campaign` is added to each campaign, e.g. `limits=[…]`.
    """
    kind, settings, provider = stream["type"], stream["settings"], stream.get("provider", {})
    found: dict[str, Any] = {
        "version": 1,
        "system": {"name": "TealHols", "time_zone": "Europe/London"},
        "data": {"tables": [_PEOPLE]},
        "streams": {
            "providers": [{"name": "Provider", "type": kind, "settings": provider}],
            "streams": [
                {
                    "name": "SignIn",
                    "provider": "Provider",
                    "settings": settings,
                    "start": "earliest",
                    "event_id": "id",
                    "fields": [PERSON, EMAIL, {"name": "location", "type": "String", "label": "Location"}],
                }
            ],
        },
        "channels": list(channels),
        "campaigns": [_campaign(each["name"], store=store, **campaign) for each in channels],
    }
    if databases:
        found["databases"] = dict(databases)
    if store:
        found["pull_marketing"] = _STORE
    return found


_PEOPLE = {
    "name": "People",
    "key": "Person URN",
    "connection": "sqlite:///elsewhere.db",
    "table": "people",
    "variables": [
        {"name": "Person URN", "column": "person_urn", "type": "text"},
        {"name": "Email Address", "column": "email", "type": "text"},
        {"name": "Forename", "column": "forename", "type": "text"},
    ],
}
_STORE: dict[str, list[Any]] = {
    "providers": [{"name": "Built in", "type": "database"}],
    "stores": [
        {
            "name": "TealGreen",
            "provider": "Built in",
            "settings": {"dataStoreName": "TealGreen"},
            "fields": [PERSON, {"name": "firstname", "type": "Variable", "variable": "Forename"}],
        }
    ],
}


def _campaign(channel: str, *, store: bool, subject: str = "Welcome back", **more: Any) -> Part:
    name = {"from": "TealGreen.firstname"} if store else {"text": "friend"}
    return {
        "name": f"By {channel}",
        "audience": {"stream": "SignIn"},
        "message": {
            "content": [
                {"field": "email", "from": "SignIn.email"},
                {"field": "forename", **name},
                {"field": "subject", "text": subject},
                {"field": "body", "template": f"{subject}, $!forename, in $!stream.location."},
            ],
            "delivery": {"channel": channel},
        },
        "schedule": "event triggered",
        "publish": True,
        **more,
    }


_FIELDS = ["email", "forename", "subject", "body"]


def web_hook(url: str, *, name: str = "ESP", **settings: Any) -> Part:
    """A channel to the keyed sink."""
    return {"name": name, "type": "webhook", "settings": {"url": url, **settings}, "fields": _FIELDS}


def mail(port: int, *, name: str = "Mail", **settings: Any) -> Part:
    """A channel to the unkeyed sink."""
    place = {"host": "127.0.0.1", "port": port, "security": "none", "sender": "offers@tealgreen.example"}
    return {"name": name, "type": "smtp", "settings": {**place, **settings}, "fields": _FIELDS}


def local(topic: str = "sign-ins", **settings: Any) -> Part:
    """A stream in a file."""
    return {"type": "local", "settings": {"Topic": topic, **settings}}


def on_kafka(kafka: Kafka, topic: str, **settings: Any) -> Part:
    """A stream on the session's broker, by its plain listener."""
    provider = {"BootstrapServers": kafka.plain, "SecurityProtocol": "Plaintext"}
    # A group of its own: a stopped member keeps its partitions for a while, and systems of one name share a group.
    named = {"Topic": topic, "GroupId": topic}
    return {"type": "kafka", "settings": named, "provider": {**provider, **settings}}


def on_postgresql(server: PostgreSQL, name: str = "t") -> dict[str, str]:
    """All three databases made anew on the session's cluster, without a password in what is written down."""
    names = ("system", "pull_marketing", "streams")
    return {each: server.url(server.create_database(f"{name}_{each}"), password=None) for each in names}


DATABASE_SECRETS = {f"database/{each}": PASSWORD for each in ("system", "pull_marketing", "streams")}


# ------------------------------------------------------------------------------------------------ a system
class System:
    """A system's folder, its set-up applied; the service is a process of its own, started and ended as a test likes.

    Without a set-up it is a system that is there already. Its secrets are in the environment, or, with a `passphrase`,
    in an encrypted file.
    """

    def __init__(
        self,
        folder: Path,
        setup: Mapping[str, Any] | None,
        *,
        secrets: Mapping[str, str] | None = None,
        passphrase: str = "",
    ) -> None:
        self.folder = folder / "system"
        self.secrets = dict(secrets or {})
        self._passphrase = passphrase
        self.began = 0.0
        self._files = itertools.count()
        self._place = folder
        self._child: Child | None = None
        folder.mkdir(parents=True, exist_ok=True)
        if setup is not None:
            self.apply(setup)

    # -- commands ------------------------------------------------------------------------------------------

    @property
    def environment(self) -> dict[str, str]:
        """What every process of ours is started with."""
        known = {
            "WHEREUPON_SECRET_" + "".join(each if each.isalnum() else "_" for each in name).upper(): value
            for name, value in self.secrets.items()
        }
        opens = {"WHEREUPON_VAULT_PASSPHRASE": self._passphrase} if self._passphrase else {}
        return {**os.environ, **known, **opens, "PYTHONUNBUFFERED": "1"}

    def command(self, *words: str, code: int = 0) -> str:
        """Run `whereupon …` on this system; what it says. Fails unless it ends with `code`."""
        done = self.run(*words)
        assert done.returncode == code, f"{words} ended with {done.returncode}: {done.stdout}{done.stderr}"
        return done.stdout

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run `whereupon …` on this system to its end."""
        return subprocess.run(
            [*WHEREUPON, *words, "--system", str(self.folder)], env=self.environment, capture_output=True,
            text=True, check=False, timeout=180, cwd=self._place,
        )  # fmt: skip

    def apply(self, setup: Mapping[str, Any]) -> str:
        """Make the system what this set-up says; what the command says to it."""
        file = self._place / f"setup-{next(self._files)}.yaml"
        file.write_text(json.dumps(setup, indent=1), encoding="utf-8")
        new = not (self.folder / "whereupon.toml").exists()
        kind = "file" if self._passphrase else "environment"
        return self.command("apply", str(file), *(["--vault", kind] if new else []))

    def activity(self) -> list[dict[str, Any]]:
        """What the product says became of the events."""
        return [json.loads(line) for line in self.command("activity", "--json").splitlines()]

    # -- the service ---------------------------------------------------------------------------------------

    @property
    def service(self) -> Child:
        """The process of the service, running or ended."""
        assert self._child is not None
        return self._child

    def launch(self, *more: str) -> Child:
        """Begin a process of the service, without waiting for it."""
        log = self._place / f"service-{next(self._files)}.log"
        self.began = time.monotonic()
        words = [*WHEREUPON, "service", "run", "--system", str(self.folder), *more]
        return Child(words, log=log, environment=self.environment)

    def start(self, *more: str) -> Child:
        """Start the service and wait until it works."""
        child = self._child = self.launch(*more)
        child.wait_for(lambda: "The service runs." in child.last_words(), within=90, what="The service")
        return child

    def stop(self) -> float:
        """Ask the service to end as an operator does; the seconds it took. Fails if it doesn't end cleanly."""
        if self._child is None:
            return 0.0
        began = time.monotonic()
        self._child.stop(within=30)
        assert self._child.process.returncode == 0, self._child.last_words()
        return time.monotonic() - began

    def end(self) -> None:
        """Leave nothing running, whatever state it is in."""
        if self._child is not None:
            self._child.kill()

    def status(self) -> dict[str, Any]:
        """What the running service says of itself."""
        found: dict[str, Any] = json.loads(self.command("service", "status", "--json"))
        return found

    # -- its databases -------------------------------------------------------------------------------------

    def databases(self) -> Databases:
        """The three databases, for a look from outside."""
        there = opened(self.folder)
        if self._passphrase:
            return there.databases(FileVault(self.folder / "secrets.vault", lambda: self._passphrase))
        return there.databases(EnvironmentVault(self.environment))

    def count(self, query: str, *, of: str = "streams") -> int:
        """The first number of a query."""
        place: Database = getattr(self.databases(), of)
        session = place.session(write=False)
        try:
            row = session.one(query)
        finally:
            session.close()
            place.close()
        return int(row[0]) if row else 0

    def settle(self, *, events: int = 0, dead: int = 0, within: float = 90.0) -> None:
        """Wait until so many events are decided (dead letters aside) and no message is on its way."""

        def settled() -> bool:
            assert self._child is None or self._child.alive, self._child.last_words()
            return (
                self.count("SELECT COUNT(*) FROM event") >= events
                and self.count("SELECT COUNT(*) FROM dead WHERE event IS NULL") >= dead
                and not self.count(f"SELECT COUNT(*) FROM outcome WHERE state IN {OPEN}")
            )

        try:
            wait_until(settled, within=within)
        except AssertionError as error:
            said = self._child.last_words(1500) if self._child is not None else ""
            raise AssertionError(f"{events} events didn't come to rest: {self.states()}\n{said}") from error

    def states(self) -> dict[str, int]:
        """How many outcomes there are of each state."""
        place = self.databases().streams
        session = place.session(write=False)
        try:
            return dict(session.all("SELECT state, COUNT(*) FROM outcome GROUP BY state"))
        finally:
            session.close()
            place.close()

    def know(self, persons: Sequence[str]) -> None:
        """Fill the store with these people."""
        self.fill([Record(each, {"urn": each, "firstname": f"F{each}"}) for each in persons])

    def fill(self, records: Sequence[Record]) -> None:
        """Fill the store with these records."""
        databases = self.databases()
        fields = tuple(FieldDefinition.model_validate(each) for each in _STORE["stores"][0]["fields"])
        parts = {"pull_marketing": databases.pull_marketing}
        context = Context("TealGreen", "TealHols", self.folder, "0", Clock(), parts, {}, fields)
        store = DatabaseStore(DatabaseProvider(), DatabaseConfig(data_store_name="TealGreen"), context)
        store.fill(records)
        store.close()
        databases.close()


@contextlib.contextmanager
def made(folder: Path, setup: Mapping[str, Any] | None, **more: Any) -> Iterator[System]:
    """A system whose service doesn't outlive the block; `more` as `System` takes it."""
    system = System(folder, setup, **more)
    try:
        yield system
    finally:
        system.end()


# ------------------------------------------------------------------------------------------------- events
def sign_in(number: int, *, person: str = "", **more: Any) -> tuple[Produced, bytes]:
    """An event and its entry in the producer's books."""
    person = person or f"p{number}"
    words = {
        "id": f"e{number}",
        "urn": person,
        "email": f"{person}@example.org",
        "location": "Lisbon",
        **more,
    }
    return Produced(str(words["id"]), person), json.dumps(words).encode()


def sign_ins(numbers: Iterable[int], *, persons: int = 0) -> Iterator[tuple[Produced, bytes]]:
    """Events of so many persons; of as many as there are events if 0."""
    return (sign_in(each, person=f"p{each % persons}" if persons else "") for each in numbers)


Send = Callable[[Sequence[bytes]], None]


def to_local(system: System, topic: str = "sign-ins") -> Send:
    """Appends to a local stream."""
    return lambda values: void(append(system.folder, topic, values))


def void(_: object) -> None:
    """Take no notice."""


class ToKafka:
    """One lasting producer, as a shop's would be; it outlives a broker that goes away for a while."""

    def __init__(self, kafka: Kafka, topic: str) -> None:
        self._topic = topic
        self._failed: list[str] = []
        self._producer = Producer(
            {"bootstrap.servers": kafka.plain, "enable.idempotence": True, "linger.ms": 2, "log_level": 0}
        )

    def __call__(self, values: Sequence[bytes]) -> None:
        """Hand over; `flush` waits for the broker."""
        for each in values:
            self._producer.produce(self._topic, each, on_delivery=self._told)
        self._producer.poll(0)

    def _told(self, error: object, _: object) -> None:
        if error is not None:
            self._failed.append(str(error))

    def flush(self) -> None:
        """Wait until the broker has everything."""
        left = self._producer.flush(60)
        assert not left
        assert not self._failed, self._failed[:3]


class Trickle:
    """A producer in a thread: `rate` events a second, until all are sent or it is stopped."""

    def __init__(self, send: Send, events: Iterable[tuple[Produced, bytes]], *, rate: float) -> None:
        self.produced: list[Produced] = []
        self._send, self._events, self._rate = send, events, rate
        self._stop = threading.Event()
        self._failed: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="trickle", daemon=True)

    def __enter__(self) -> Trickle:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(60)
        if self._failed is not None:
            raise self._failed
        if isinstance(self._send, ToKafka):
            self._send.flush()

    def rest(self) -> None:
        """Wait until everything is sent."""
        self._thread.join(120)

    def _run(self) -> None:
        began, left, due = time.monotonic(), iter(self._events), 1
        try:
            while not self._stop.is_set():
                some = list(itertools.islice(left, due))
                if len(some) < due:
                    self._stop.set()
                self._send([value for _, value in some])
                self.produced += [each for each, _ in some]
                self._stop.wait(0.01)
                due = int((time.monotonic() - began) * self._rate) + 1 - len(self.produced)
        except BaseException as error:
            self._failed = error

"""A whole line in memory, with verbs: a system in a folder, its databases in SQLite, parts that tests can script."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import MetaData

from tests.servers.processes import wait_until
from whereupon.components.channels.memory import MemoryChannel
from whereupon.components.stores.memory import Memory as MemoryStore
from whereupon.components.streams.memory import Memory
from whereupon.connect.databases import Database, database
from whereupon.engine.assembly import Workshop
from whereupon.engine.engine import Engine
from whereupon.host.clock import Clock
from whereupon.host.redaction import Redactor
from whereupon.kit.registry import discover
from whereupon.model.running import Published, Running
from whereupon.model.setup import Setup
from whereupon.storage.activity import Activity, Place
from whereupon.storage.folder import Databases, SystemFolder
from whereupon.storage.journal_tables import JOURNAL
from whereupon.storage.operations import Operations
from whereupon.storage.system_tables import SYSTEM
from whereupon.storage.vault import MemoryVault

FIELDS = [
    {"name": "urn", "type": "Reference", "variable": "Person URN"},
    {"name": "email", "type": "Variable", "variable": "Email Address"},
    {"name": "location", "type": "String", "label": "Location"},
]
BACK = {
    "name": "Welcome back",
    "audience": {"stream": "SignIn", "where": {"all": [{"field": "SignIn.location", "is": "not empty"}]}},
    "message": {
        "content": [
            {"field": "email", "from": "SignIn.email"},
            {"field": "forename", "from": "TealGreen.firstname"},
            {"field": "subject", "template": "Welcome back, $!forename"},
        ],
        "delivery": {"channel": "ESP"},
    },
    "schedule": "event triggered",
}
PLAIN = {
    "name": "Hello",
    "audience": {"stream": "SignIn"},
    "message": {
        "content": [{"field": "email", "from": "SignIn.email"}, {"field": "subject", "text": "Hello"}],
        "delivery": {"channel": "ESP"},
    },
    "schedule": "event triggered",
}


def setup_of(*campaigns: Mapping[str, Any], **more: Any) -> Setup:
    """The worked example in small, with parts in memory."""
    return Setup.model_validate(
        {
            "system": {"name": "TealHols", "time_zone": "Europe/London"},
            "pull_marketing": {
                "providers": [{"name": "Memory", "type": "memory"}],
                "stores": [
                    {
                        "name": "TealGreen",
                        "provider": "Memory",
                        "settings": {"dataStoreName": "TealGreen"},
                        "fields": [
                            {"name": "urn", "type": "Reference", "variable": "Person URN"},
                            {"name": "firstname", "type": "Variable", "variable": "Forename"},
                        ],
                    }
                ],
            },
            "streams": {
                "providers": [{"name": "Memory", "type": "memory"}],
                "streams": [
                    {
                        "name": "SignIn",
                        "provider": "Memory",
                        "settings": {"name": "SignIn"},
                        "event_id": "id",
                        "event_time": "at",
                        "fields": FIELDS,
                    }
                ],
            },
            "channels": [{"name": "ESP", "type": "memory", "fields": ["email", "forename", "subject"]}],
            "campaigns": [*campaigns],
            **more,
        }
    )


def running_of(setup: Setup, *, revision: int = 1, version: int = 1) -> Running:
    """The set-up as a service takes it, every campaign published."""
    roles = {
        "stream": setup.streams.streams, "store": setup.pull_marketing.stores, "channel": setup.channels,
        "campaign": setup.campaigns,
    }  # fmt: skip
    numbers = itertools.count(1)
    ids = {(role, each.name): next(numbers) for role, parts in roles.items() for each in parts}  # type: ignore[attr-defined]
    published = []
    for each in setup.campaigns:
        channel = setup.channel(each.message.delivery.channel)
        assert channel is not None
        published.append(
            Published(
                ids["campaign", each.name],
                version,
                each,
                channel,
                ids["channel", channel.name],
                setup.stream(each.audience.stream),
                setup.pull_marketing.stores,
            )
        )
    return Running(revision, setup, tuple(published), ids)


def made(found: Database, tables: MetaData) -> Database:
    """A database with these tables."""
    tables.create_all(found.engine)
    return found


class World:
    """One folder, one engine, and what came of the events sent to it."""

    def __init__(
        self, folder: Path, *, clock: Clock | None = None, streams_url: str = "sqlite:///SD.db",
        id: str = "0123456789abcdef",
    ) -> None:  # fmt: skip
        self.folder = folder
        self.clock = clock or Clock()
        system = SystemFolder(folder, id, "TealHols", {})
        self.databases = Databases(
            made(database("sqlite:///System.db", folder=folder), SYSTEM),
            database("sqlite:///PM.db", folder=folder),
            made(database(streams_url, folder=folder), JOURNAL),
        )
        self.shop = Workshop(discover(), MemoryVault(), system, self.databases, self.clock, Redactor())
        self.operations = Operations(self.databases.streams)
        self.engine = self._engine()
        self.running: Running | None = None

    def start(self, setup: Setup, *, records: Mapping[str, Mapping[str, str]] | None = None) -> None:
        """Begin with this set-up; `records` are in the store."""
        self.running = running_of(_own(setup, self.folder.as_posix()))
        self.engine.start()
        self.engine.take(self.running)
        for key, fields in (records or {}).items():
            self.store.records.fields[key] = dict(fields)

    def restart(self) -> None:
        """A new engine over the same databases, after the old one was stopped or left alone."""
        assert self.running is not None
        self.engine = self._engine()
        self.engine.start()
        self.engine.take(self.running)

    def send(self, *events: Mapping[str, Any] | bytes, partition: int = 0) -> None:
        """Put events on the stream."""
        for each in events:
            value = each if isinstance(each, bytes) else json.dumps(each).encode()
            self.stream.put(value, partition=partition, at=self.clock.now())

    @property
    def stream(self) -> Memory:
        """The stream's part."""
        part = self.engine.lines()[0][1].stream  # type: ignore[union-attr]
        assert isinstance(part, Memory)
        return part

    @property
    def channel(self) -> MemoryChannel:
        """The channel's part."""
        part = self.engine.lanes()[0][1].channel  # type: ignore[union-attr]
        assert isinstance(part, MemoryChannel)
        return part

    @property
    def store(self) -> MemoryStore:
        """The store's part."""
        part = self.engine.store("TealGreen")
        assert isinstance(part, MemoryStore)
        return part

    def shop_setup(self) -> Setup:
        """The set-up in force."""
        if self.running is None:
            raise AssertionError("nothing was started")
        return self.running.setup

    def activity(self) -> list[dict[str, Any]]:
        """All that is recorded."""
        assert self.running is not None
        names = {(role, number): name for (role, name), number in self.running.ids.items()}
        activity = Activity(self.databases.streams, names)
        try:
            return list(activity.rows(Place()))
        finally:
            activity.close()

    def outcomes(self) -> list[str]:
        """The outcome of each line of activity, with its reason where it has one."""
        return [f"{each['outcome']}: {each['reason']}" if each["reason"] and each["outcome"] == "withheld"
                else each["outcome"] for each in self.activity()]  # fmt: skip

    def settle(self, count: int) -> list[str]:
        """Wait until so many lines are recorded and none is open; the outcomes."""
        open_states = {"queued", "sending", "waiting"}
        wait_until(lambda: len(found := self.outcomes()) >= count and not open_states & set(found))
        return self.outcomes()

    def close(self) -> None:
        """Stop and give everything back."""
        self.engine.stop()
        self.operations.close()
        for each in (self.databases.system, self.databases.pull_marketing, self.databases.streams):
            each.close()

    def _engine(self) -> Engine:
        owner = self.operations.enrol(self.shop.system.id, "here")
        return Engine(self.shop, owner=owner)


def _own(setup: Setup, name: str) -> Setup:
    """The same with a topic and records that no other world has, and that outlive an engine."""
    streams = tuple(
        each.model_copy(update={"settings": {**each.settings, "name": f"{name}/{each.name}"}})
        for each in setup.streams.streams
    )
    stores = tuple(
        each.model_copy(update={"settings": {**each.settings, "dataStoreName": f"{name}/{each.name}"}})
        for each in setup.pull_marketing.stores
    )
    return setup.model_copy(
        update={
            "streams": setup.streams.model_copy(update={"streams": streams}),
            "pull_marketing": setup.pull_marketing.model_copy(update={"stores": stores}),
        }
    )


def sign_in(number: int, *, urn: str = "", **more: Any) -> dict[str, Any]:
    """An event of the stream."""
    urn = urn or f"{1000 + number}"
    return {"id": f"e{number}", "urn": urn, "email": f"{urn}@example.org", "location": "Lisbon", **more}

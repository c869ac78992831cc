"""A system with people in a table, a store that they fill and a channel that they are written to, all in one folder."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from whereupon.connect.databases import database
from whereupon.engine.assembly import Workshop
from whereupon.host.clock import Clock
from whereupon.host.redaction import Redactor
from whereupon.jobs.table_run import RunResult, run_campaign
from whereupon.kit.registry import discover
from whereupon.model.setup import Setup
from whereupon.storage.activity import Activity, Place
from whereupon.storage.folder import Databases, SystemFolder
from whereupon.storage.people_import import import_file
from whereupon.storage.repository import Repository
from whereupon.storage.schema import upgrade
from whereupon.storage.vault import MemoryVault

FILL = {
    "name": "Fill TealGreen",
    "audience": {"table": "People", "where": {"all": [{"field": "Email Address", "is": "not empty"}]}},
    "message": {
        "content": [
            {"field": "event", "text": "Summer sale"},
            {
                "field": "offer",
                "when": [
                    {"if": {"field": "Lifetime Spend", "is": "at least", "value": 1000}, "text": "TEAL20"},
                    {"else": "TEAL5"},
                ],
            },
        ],
        "delivery": {"channel": "Teal Green Pull Marketing"},
    },
    "schedule": "manual",
    "publish": True,
}
LETTER = {
    "name": "Newsletter",
    "audience": {"table": "People"},
    "message": {
        "content": [
            {"field": "email", "from": "Email Address"},
            {"field": "subject", "template": "Dear $data.get('People').get(0).get('Forename')"},
        ],
        "delivery": {"channel": "ESP"},
    },
    "limits": [{"at_most": 1, "messages": "any", "within": "1 day"}],
    "schedule": "manual",
    "publish": True,
}
VARIABLES = [
    {"name": "Person URN", "column": "person_urn", "type": "text"},
    {"name": "Email Address", "column": "email", "type": "text"},
    {"name": "Forename", "column": "forename", "type": "text"},
    {"name": "Lifetime Spend", "column": "lifetime_spend", "type": "number"},
]
STORE_FIELDS = [
    {"name": "urn", "type": "Reference", "variable": "Person URN"},
    {"name": "email", "type": "Variable", "variable": "Email Address"},
    {"name": "firstname", "type": "Variable", "variable": "Forename"},
    {"name": "event", "type": "String", "label": "Event"},
    {"name": "offer", "type": "String", "label": "Offer"},
]


def set_up(*campaigns: Mapping[str, Any], table: Mapping[str, Any] | None = None, **more: Any) -> Setup:
    """The worked example's table campaign, and a newsletter through a channel that writes files."""
    return Setup.model_validate(
        {
            "system": {"name": "TealHols", "time_zone": "Europe/London"},
            "data": {
                "tables": [
                    {
                        "name": "People",
                        "key": "Person URN",
                        "variables": VARIABLES,
                        **(table or {"file": "people.csv"}),
                    }
                ]
            },
            "pull_marketing": {
                "providers": [{"name": "Built in", "type": "database"}],
                "stores": [
                    {
                        "name": "TealGreen",
                        "provider": "Built in",
                        "settings": {"dataStoreName": "TealGreen"},
                        "fields": STORE_FIELDS,
                    }
                ],
            },
            "channels": [
                {
                    "name": "Teal Green Pull Marketing",
                    "type": "pull_marketing",
                    "settings": {"store": "TealGreen"},
                    "fields": ["urn", "email", "firstname", "event", "offer"],
                    "additional_variables": ["Person URN", "Email Address", "Forename"],
                },
                {
                    "name": "ESP",
                    "type": "file",
                    "settings": {"path": "sent.jsonl"},
                    "fields": ["email", "subject"],
                },
            ],
            "campaigns": [FILL, LETTER, *campaigns],
            **more,
        }
    )


def csv(people: Sequence[tuple[str, str, str, str]]) -> str:
    """A file of people: URN, address, forename, spend."""
    return (
        "\n".join(["person_urn,email,forename,lifetime_spend", *(",".join(each) for each in people)]) + "\n"
    )


def crowd(count: int) -> list[tuple[str, str, str, str]]:
    """So many people."""
    return [(str(1001 + n), f"p{n}@example.org", f"P{n}", str(n % 2000)) for n in range(count)]


def shop_in(folder: Path, *, clock: Clock | None = None, streams: str = "sqlite:///SD.db") -> Workshop:
    """What parts are made with in a folder, its databases with their tables."""
    folder.mkdir(exist_ok=True)
    databases = Databases(
        database("sqlite:///System.db", folder=folder),
        database("sqlite:///PM.db", folder=folder),
        database(streams, folder=folder),
    )
    upgrade(databases.system, "system")
    upgrade(databases.streams, "streams")
    system = SystemFolder(folder, "0123456789abcdef", "TealHols", {})
    return Workshop(discover(), MemoryVault(), system, databases, clock or Clock(), Redactor())


class TableWorld:
    """The system, and what its runs did."""

    def __init__(self, folder: Path, *, setup: Setup | None = None, clock: Clock | None = None) -> None:
        self.folder = folder
        self.shop = shop_in(folder, clock=clock)
        self.repository = Repository(
            self.shop.databases.system, self.shop.registry, self.shop.vault, clock=self.shop.clock
        )
        self.apply(setup or set_up())
        self.progress: list[tuple[int, int | None]] = []

    def apply(self, setup: Setup) -> None:
        """Save a set-up and publish what says so."""
        self.setup = setup
        publish = [each.name for each in setup.campaigns if each.publish]
        self.repository.save(setup, author="me", publish=publish)

    def import_people(self, people: Sequence[tuple[str, str, str, str]]) -> None:
        """Import these people in place of all others."""
        path = self.folder / "people.csv"
        path.write_text(csv(people), encoding="utf-8")
        table = self.setup.table("People")
        assert table is not None
        number = self.repository.ids()["table", "People"]
        import_file(
            self.shop.databases.system, table, number, path, zone=ZoneInfo("Europe/London"), checksum="x",
            clock=self.shop.clock,
        )  # fmt: skip

    def run(
        self, campaign: str, *, stop: threading.Event | None = None,
        watch: Callable[[int, int | None], None] | None = None,
    ) -> RunResult:  # fmt: skip
        """Run a campaign."""

        def progress(done: int, total: int | None) -> None:
            self.progress.append((done, total))
            if watch is not None:
                watch(done, total)

        return run_campaign(
            self.shop, self.repository, campaign, progress=progress, stop=stop or threading.Event()
        )

    def records(self) -> dict[str, str]:
        """What is in the store: key → fields as JSON."""
        session = self.shop.databases.pull_marketing.session()
        try:
            return dict(session.all("SELECT reference, fields FROM record ORDER BY reference"))
        finally:
            session.close()

    def asked(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of the Streams database."""
        session = self.shop.databases.streams.session()
        try:
            return session.all(sql)
        finally:
            session.close()

    def activity(self) -> list[dict[str, Any]]:
        """All that is recorded."""
        names = {(role, number): name for (role, name), number in self.repository.ids().items()}
        activity = Activity(self.shop.databases.streams, names)
        try:
            return list(activity.rows(Place()))
        finally:
            activity.close()

    def close(self) -> None:
        """Give everything back."""
        self.repository.close()
        self.shop.databases.close()

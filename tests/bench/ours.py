"""The line as the bench runs it: one engine, built as the service builds it, on Kafka, PostgreSQL and a web hook.

`python -m tests.bench.ours '{"folder", "bootstrap", "topic", "pull_marketing", "streams", "url", "count"}'` works until
`count` events are decided and every message has ended, then says what it took.
"""

from __future__ import annotations

import gc
import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

import psutil

from tests.world import BACK, FIELDS, made, running_of
from whereupon.connect.databases import database
from whereupon.engine.assembly import Workshop
from whereupon.engine.engine import Engine
from whereupon.host.clock import Clock
from whereupon.host.redaction import Redactor
from whereupon.kit.registry import discover
from whereupon.model.setup import Setup
from whereupon.storage.folder import Databases, SystemFolder
from whereupon.storage.journal_tables import JOURNAL
from whereupon.storage.operations import Operations
from whereupon.storage.vault import MemoryVault

WELCOME = {
    **BACK,
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
    "limits": [{"at_most": 3, "messages": "any", "within": "1 day"}],
}


def setup_of(words: dict[str, Any]) -> Setup:
    """The worked example's Welcome back."""
    return Setup.model_validate(
        {
            "system": {"name": "TealHols", "time_zone": "Europe/London"},
            "pull_marketing": {
                "providers": [{"name": "Built in", "type": "database"}],
                "stores": [
                    {
                        "name": "TealGreen",
                        "provider": "Built in",
                        "settings": {"dataStoreName": "TealGreen"},
                        "fields": [
                            {"name": "urn", "type": "Reference", "variable": "Person URN"},
                            {"name": "firstname", "type": "Variable", "variable": "Forename"},
                            {"name": "offer", "type": "String", "label": "Offer"},
                        ],
                    }
                ],
            },
            "streams": {
                "providers": [
                    {"name": "Kafka", "type": "kafka", "settings": {"BootstrapServers": words["bootstrap"]}}
                ],
                "streams": [
                    {
                        "name": "SignIn",
                        "provider": "Kafka",
                        "settings": {"Topic": words["topic"]},
                        "event_id": "id",
                        "event_time": "at",
                        "fields": FIELDS,
                    }
                ],
            },
            "channels": [
                {
                    "name": "ESP",
                    "type": "webhook",
                    "settings": {"url": words["url"], "concurrency": words.get("concurrency", 64)},
                    "fields": ["email", "forename", "offer", "location", "subject", "body"],
                }
            ],
            "campaigns": [WELCOME],
        }
    )


def main(words: dict[str, Any]) -> None:
    """Work through `count` events."""
    folder = Path(words["folder"])
    sys.setswitchinterval(1e-4)
    gc.set_threshold(50_000)
    streams = made(database(words["streams"], folder=folder), JOURNAL)
    databases = Databases(streams, database(words["pull_marketing"], folder=folder), streams)
    system = SystemFolder(folder, "0123456789abcdef", "TealHols", {})
    shop = Workshop(discover(), MemoryVault(), system, databases, Clock(), Redactor())
    engine = Engine(shop, owner=Operations(streams).enrol("0123456789abcdef", "here"))
    began = time.process_time()
    engine.start()
    engine.take(running_of(setup_of(words)))
    while engine.pulse.counts().get("sent", 0) + engine.pulse.counts().get("withheld", 0) < words["count"]:
        threading.Event().wait(0.01)
    figures = {
        "cpu": time.process_time() - began,
        "threads": threads(),
        "counts": engine.pulse.counts(),
        "latencies": engine.pulse.latencies(),
    }
    engine.stop()
    sys.stdout.write(json.dumps(figures) + "\n")


def threads() -> dict[str, float]:
    """CPU seconds of each of our threads, and of the libraries' together."""
    names = {each.native_id: each.name for each in threading.enumerate()}
    spent: dict[str, float] = {}
    for each in psutil.Process().threads():
        name = names.get(each.id, "libraries")
        spent[name] = spent.get(name, 0.0) + each.user_time + each.system_time
    return spent


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))

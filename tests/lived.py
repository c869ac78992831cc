"""A system in a folder that has lived: the worked example on local streams and files, after some sign-ins.

It is made once a session by the product's own parts, and copied for each test. Six events were sent to SignIn: ada's
`e1` (sent), an unknown person's `e2` (withheld), `e1` once more (a repeat), one that is no JSON (a dead letter), bo's
`e3` without a location (its audience isn't met), and bo's `e4` (sent).
"""

from __future__ import annotations

import atexit
import functools
import json
import shutil
import tempfile
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import yaml

from tests.servers.processes import wait_until
from whereupon.components.streams.local import append
from whereupon.engine.assembly import opened, store_order
from whereupon.host.paths import resources
from whereupon.host.redaction import Redactor
from whereupon.kit.registry import discover
from whereupon.kit.roles import Store
from whereupon.model.events import Record
from whereupon.service.runner import Service, workshop
from whereupon.storage import folder as folders
from whereupon.storage.apply import apply
from whereupon.storage.dead_letters import DeadLetters

PEOPLE = {"1001": ("Ada", "ada@example.org", "TEAL20"), "1002": ("Bo", "bo@example.org", "TEAL5")}
NO_JSON = b'{"id": "e9", "urn": 1001,'
DECIDED = 4
"""Events that were decided: repeats and what is no JSON aside."""


def sign_in(event_id: str, person: str, location: str = "Whitby") -> bytes:
    """An event as the stream SignIn takes it."""
    fields = {"id": event_id, "urn": person, "email": f"{person}@example.org", "location": location}
    return json.dumps(fields).encode()


EVENTS = (
    sign_in("e1", "1001"), sign_in("e2", "nobody"), sign_in("e1", "1001"), NO_JSON, sign_in("e3", "1002", ""),
    sign_in("e4", "1002", "Oban"),
)  # fmt: skip


def set_up_file(folder: Path) -> Path:
    """The worked example with streams and channels that need no server, as a file in `folder`."""
    shutil.copy(resources() / "example" / "people.csv", folder / "people.csv")
    setup: dict[str, Any] = yaml.safe_load(
        (resources() / "example" / "tealhols.yaml").read_text(encoding="utf-8")
    )
    for provider in setup["streams"]["providers"]:
        provider.update(type="local", settings={})
    for channel in setup["channels"]:
        if channel["name"] in ("ESP", "Mail"):
            channel.update(type="file", settings={})
    path = folder / "tealhols.yaml"
    path.write_text(yaml.safe_dump(setup, sort_keys=False, allow_unicode=True), encoding="utf-8")
    return path


def applied(folder: Path) -> Path:
    """A system to which the file was applied, and nothing else happened."""
    return _copied(_applied(), folder)


def lived(folder: Path) -> Path:
    """A system that has lived; no service runs."""
    return _copied(_lived(), folder)


def _copied(template: Path, folder: Path) -> Path:
    return Path(shutil.copytree(template, folder, dirs_exist_ok=True))


def _new() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="whereupon-lived-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@functools.cache
def _applied() -> Path:
    folder = _new()
    apply(set_up_file(folder), folder, author="ann", registry=discover(), vault_kind="environment")
    return folder


@functools.cache
def _lived() -> Path:
    folder = _copied(_applied(), _new())
    system = folders.opened(folder)
    shop = workshop(system, Redactor())
    service = Service(shop)
    store = opened(
        shop,
        store_order(shop, service.repository.setup(), service.repository.setup().pull_marketing.stores[0]),
    )
    assert isinstance(store, Store)
    with closing(store):
        store.fill([_record(*each) for each in PEOPLE.items()])
    stop = threading.Event()
    service.start(stop)
    try:
        append(folder, "sign-ins", EVENTS)
        wait_until(lambda: _settled(service), within=20, what="the end of all events")
    finally:
        service.close()
    return folder


def _record(urn: str, person: tuple[str, str, str]) -> Record:
    forename, email, offer = person
    return Record(urn, {"urn": urn, "email": email, "firstname": forename, "offer": offer})


def _settled(service: Service) -> bool:
    counts = service.engine.pulse.counts()
    with closing(DeadLetters(service.shop.databases.streams, clock=service.shop.clock)) as letters:
        return counts.get("events") == DECIDED and counts.get("sent") == 2 and letters.count() == 1

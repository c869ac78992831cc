"""Row 23: stores that don't know a person, know less or something else than before, or were given a person twice."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any

import pytest

from tests.conftest import Bar
from tests.faults.checker import Produced, account
from tests.faults.service import System, local, setup, sign_in, to_local, web_hook
from tests.servers.http import HttpSink
from tests.servers.pull_marketing_api import PullMarketingApi
from whereupon.model.events import Record

Report = Callable[[Mapping[str, Any]], None]
pytestmark = [pytest.mark.fault(23), pytest.mark.process, pytest.mark.slow]

# An event's location says which campaign takes it: each looks up a store of its own kind, by its own policy.
STORES = {"Lisbon": "TealGreen", "Porto": "TealGreen", "Oslo": "TealBlue", "Bergen": "TealBlue"}
WITHHOLD, DEFAULT = ("Lisbon", "Oslo"), ("Porto", "Bergen")
KINDS = ("known", "missing", "without the field", "renamed", "forgotten", "found later", "given twice")
PERSONS = 1_000
EXPECTED: dict[str, tuple[str | None, str | None]] = {
    "known": ("Ada", "Ada"),
    "missing": (None, None),
    "without the field": ("", ""),
    "renamed": ("Ada", "Eve"),
    "forgotten": ("Ada", None),
    "found later": (None, "Eve"),
    "given twice": ("Bob", "Bob"),
}
"""The name that a person is called by before and after the stores change; None: there is no record."""


def test_what_the_store_does_not_know_is_withheld_or_defaulted_as_each_campaign_says(
    system_of: Callable[..., System], http_sink: HttpSink, api: PullMarketingApi, seed: int, bar: Bar,
    fault_report: Report,
) -> None:  # fmt: skip
    count, chance = bar(quick=2_000, full=20_000), random.Random(seed)
    system = system_of(two_stores(http_sink.url, api.url))
    stores = Stores(system, api)
    stores.fill("known", "without the field", "renamed", "forgotten", "given twice")
    system.start()
    began = time.monotonic()
    send, events = to_local(system), [visit(each, chance) for each in range(2 * count)]
    send([value for _, value in events[:count]])
    system.settle(events=count, within=120)
    stores.change()
    send([value for _, value in events[count:]])
    send([value for _, value in events[::100]])
    system.settle(events=2 * count, within=120)
    seconds = time.monotonic() - began
    system.stop()
    activity = system.activity()
    produced = [each for each, _ in events] + [each for each, _ in events[::100]]
    arrived = Counter({key: each.taken for key, each in http_sink.taken().items()})
    result = account(produced, arrived, activity)
    fault_report(result.row(23, seed=seed, kills=0, seconds=seconds))
    assert result.settled, result.problems
    assert not result.problems
    assert result.delivered + result.withheld["not in store"] + result.repeats == result.produced
    called = {each.json["key"]: each.json["fields"]["forename"] for each in http_sink.taken().values()}
    became = {line["event_id"]: line for line in activity if line["outcome"] != "repeat"}
    for number, (event, _) in enumerate(events):
        line = became[event.id]
        name = wanted(event, line["campaign"].removeprefix("By "), late=number >= count)
        assert called.get(line["key"]) == name, (event, line)
        assert (line["outcome"], line["reason"] or "") == (
            ("sent", "") if name is not None else ("withheld", "not in store")
        )


@pytest.fixture
def api() -> Iterator[PullMarketingApi]:
    """An existing installation's web API, which answers 200 without fields for a person that it doesn't know."""
    server = PullMarketingApi().start()
    yield server
    server.stop()


def two_stores(sink: str, api: str) -> dict[str, Any]:
    """A campaign for each location, and beside the database's store one behind a web API."""
    found = setup(stream=local(), channels=[web_hook(sink, name=each) for each in STORES], store=True)
    parts = found["pull_marketing"]
    beside = {"name": "TealBlue", "provider": "Web API"}
    settings = {"dataStoreName": "TealBlue", "endPoint": api}
    found["pull_marketing"] = {
        "providers": [*parts["providers"], {"name": "Web API", "type": "web_api"}],
        "stores": [*parts["stores"], {**parts["stores"][0], **beside, "settings": settings}],
    }
    for location, campaign in zip(STORES, found["campaigns"], strict=True):
        only = {"field": "SignIn.location", "is": "equals", "value": location}
        campaign["audience"]["where"] = {"all": [only]}
        forename = next(each for each in campaign["message"]["content"] if each["field"] == "forename")
        forename["from"] = f"{STORES[location]}.firstname"
        if location in DEFAULT:
            campaign["when_not_found"], forename["default"] = "default", "friend"
    return found


def visit(number: int, chance: random.Random) -> tuple[Produced, bytes]:
    """An event of any person at any location; the person is written with a blank at its end now and then."""
    person = f"p{chance.randrange(PERSONS)}"
    produced, _ = sign_in(number, person=person)
    blank = " " if chance.random() < 0.1 else ""
    _, value = sign_in(number, person=person + blank, location=chance.choice(list(STORES)))
    return produced, value


def kind(person: str) -> str:
    """What is the matter with a person's record."""
    return KINDS[int(person[1:]) % len(KINDS)]


def wanted(event: Produced, location: str, *, late: bool) -> str | None:
    """The name in the message; None if there is to be no message."""
    name = EXPECTED[kind(event.person)][late]
    return "friend" if name is None and location in DEFAULT else name


class Stores:
    """Both stores, filled alike."""

    def __init__(self, system: System, api: PullMarketingApi) -> None:
        self._system = system
        self._records = api.records.setdefault("TealBlue", {})

    def fill(self, *kinds: str) -> None:
        """Put in the people of these kinds, as they are at first."""
        persons = [each for each in _persons() if kind(each) in kinds]
        self._put([record for each in persons for record in _records(each)])

    def change(self) -> None:
        """Rename some, forget some, learn of some."""
        forgotten = [each for each in _persons() if kind(each) == "forgotten"]
        for each in forgotten:
            del self._records[each]
        with closing(self._system.databases().pull_marketing.session()) as session:
            session.delete("record", {"reference": "text"}, [(each,) for each in forgotten])
        late = [each for each in _persons() if kind(each) in ("renamed", "found later")]
        self._put([Record(each, {"urn": each, "firstname": "Eve"}) for each in late])

    def _put(self, records: Sequence[Record]) -> None:
        self._system.fill(records)
        for each in records:
            self._records.setdefault(each.key.strip(), {}).update(each.fields)


def _persons() -> list[str]:
    return [f"p{each}" for each in range(PERSONS)]


def _records(person: str) -> list[Record]:
    match kind(person):
        case "without the field":
            return [Record(person, {"urn": person})]
        case "given twice":
            names = {f"{person} ": "Ada", person: "Bob"}
            return [Record(key, {"urn": person, "firstname": name}) for key, name in names.items()]
    return [Record(person, {"urn": person, "firstname": "Ada"})]

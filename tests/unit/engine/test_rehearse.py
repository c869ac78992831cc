from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.world import BACK, PLAIN, World, setup_of
from whereupon.engine.decide import Records
from whereupon.engine.rehearse import Summary, of_campaign, rehearsed
from whereupon.model.decided import QUEUED, SENDING, WAITING, BatchRecord, Trace
from whereupon.model.decoding import decoder
from whereupon.storage.counting import Had
from whereupon.storage.records import unpacked

CAMPAIGNS = (
    {**BACK, "limits": [{"at_most": 2, "messages": "campaign", "within": "1 day"}], "priority": 2},
    {**PLAIN, "limits": [{"at_most": 3, "messages": "any", "within": "1 hour"}]},
    {
        **BACK,
        "name": "Rome",
        "audience": {
            "stream": "SignIn",
            "where": {"any": [{"field": "SignIn.location", "is": "equals", "value": "Rome"},
                              {"field": "TealGreen.firstname", "is": "starts with", "value": "A"}]},
        },
        "when_not_found": "default",
        "message": {
            "content": [
                {"field": "email", "from": "SignIn.email"},
                {"field": "forename", "from": "TealGreen.firstname", "default": "friend"},
                {"field": "subject", "template": "Rome awaits you, $forename"},
            ],
            "delivery": {"channel": "ESP"},
        },
    },
)  # fmt: skip


def events(count: int, seed: int) -> Sequence[bytes]:
    """Random sign-ins: many of few persons, repeats, persons the store doesn't know, and some that can't be used."""
    chance = random.Random(seed)
    made = []
    for number in range(count):
        person = f"{chance.randrange(400)}"
        event: dict[str, Any] = {
            "id": f"e{number if chance.random() < 0.97 else chance.randrange(number + 1)}",
            "urn": person,
            "email": f"{person}@example.org",
            "location": chance.choice(["", "Rome", "Lisbon", "Oslo"]),
        }
        made.append(b"{" if chance.random() < 0.01 else json.dumps(event).encode())
    return made


@pytest.mark.req("NEW-01")
def test_a_rehearsal_says_what_live_did_for_10000_random_events(tmp_path: Path) -> None:
    world = World(tmp_path)
    known = {f"{each}": {"firstname": f"{chr(65 + each % 26)}da"} for each in range(0, 400, 3)}
    world.start(setup_of(*CAMPAIGNS), records=known)
    try:
        sent = events(10_000, seed=4)
        world.send(*sent)
        world.settle(len(sent))
        records = batches(world)
        plan = world.engine.plan("SignIn")
        setup = world.shop_setup()
        decode = decoder(setup.streams.streams[0], plan.zone)
        again = list(
            rehearsed(plan, records, decode=decode, find=nobody_asks, had=lambda first: Had({}, frozenset()))
        )
    finally:
        world.close()
    live = {
        event.id: [as_rehearsed(each) for each in event.traces]
        for record in records
        for event in record.events
    }
    assert sum(map(len, live.values())) > 10_000
    assert {event.id: traces for event, traces in again} == live


def nobody_asks(stores: frozenset[str], persons: Sequence[str]) -> Records:
    raise AssertionError("what the stores knew is in the record")


def as_rehearsed(trace: Trace) -> Trace:
    """Where a message waited its turn is a matter of the lane, not of the decision."""
    trace.state = SENDING if trace.state in (QUEUED, WAITING) else trace.state
    return trace


def batches(world: World) -> list[BatchRecord]:
    session = world.databases.streams.session()
    try:
        return [unpacked(body) for (body,) in session.all("SELECT body FROM batch ORDER BY id")]
    finally:
        session.close()


def test_a_campaign_alone_and_its_figures(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.start(setup_of(*CAMPAIGNS), records={"1": {"firstname": "Ada"}})
    try:
        world.send(*(json.dumps({"id": f"e{n}", "urn": "1", "email": "a@b.c", "location": "Oslo"}).encode()
                     for n in range(4)))  # fmt: skip
        world.settle(12)
        plan = world.engine.plan("SignIn")
        records = batches(world)
        decode = decoder(world.shop_setup().streams.streams[0], plan.zone)
        number = next(each.id for each in plan.campaigns if each.name == "Welcome back")
        summary = Summary()
        for each in of_campaign(
            number,
            rehearsed(plan, records, decode=decode, find=nobody_asks, had=lambda _: Had({}, frozenset())),
        ):
            summary.note(each)
    finally:
        world.close()
    assert (summary.events, summary.would_send, summary.unmet) == (4, 2, 0)
    assert summary.withheld == {"limit": 2}


def test_nothing_recorded_is_nothing_rehearsed(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.start(setup_of(PLAIN))
    try:
        plan = world.engine.plan("SignIn")
        decode = decoder(world.shop_setup().streams.streams[0], plan.zone)
        found = list(rehearsed(plan, [], decode=decode, find=nobody_asks, had=lambda _: Had({}, frozenset())))
    finally:
        world.close()
    assert found == []

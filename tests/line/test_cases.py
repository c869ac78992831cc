"""Cases to walk through (line.md), and random weather: every event comes to one end, and the figures are right."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.servers.processes import wait_until
from tests.world import PLAIN, World, setup_of, sign_in
from whereupon.host.clock import Clock, FakeClock
from whereupon.model.events import Result

DAY = 86_400_000


@pytest.fixture
def world(tmp_path: Path, logs: Any) -> Iterator[World]:
    """A world with a clock that stands until it is moved; closed at the end."""
    logs.allow("channel is away")
    one = World(tmp_path, clock=FakeClock())
    yield one
    one.close()


def pass_time(world: World, seconds: float) -> None:
    """Let time pass."""
    assert isinstance(world.clock, FakeClock)
    world.clock.advance(seconds)


def figures(world: World) -> tuple[Counter[tuple[str, str]], Counter[tuple[str, str]]]:
    """The tally by state and reason, beside a recount of the outcomes."""
    with closing(world.databases.streams.session()) as session:
        tally = session.all(
            "SELECT state, reason, SUM(n) FROM tally GROUP BY state, reason HAVING SUM(n) <> 0"
        )
        recount = session.all("SELECT state, reason, COUNT(*) FROM outcome GROUP BY state, reason")
    return (
        Counter({(state, reason): int(n) for state, reason, n in tally}),
        Counter({(state, reason): int(n) for state, reason, n in recount}),
    )


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("keyed", [True, False])
def test_whatever_a_channel_says_every_event_comes_to_one_end(world: World, seed: int, keyed: bool) -> None:
    settings = {"deduplicates": keyed, "concurrency": 16}
    world.start(setup_of(PLAIN, channels=[{"name": "ESP", "type": "memory", "settings": settings,
                                           "fields": ["email", "subject"]}]))  # fmt: skip
    chance, count = random.Random(seed), 150
    for _ in range(60):
        result = chance.choice([Result.REFUSED, Result.UNAVAILABLE, Result.AWAY, Result.ANSWER_LOST])
        arrives = result is Result.ANSWER_LOST and chance.random() < 0.5
        who = f"{1000 + chance.randrange(count)}@example.org"
        world.channel.answer(
            result, to=chance.choice(["", who]), times=chance.randrange(1, 4), arrives=arrives
        )
    for number in range(count):
        world.send(sign_in(number))

    def over() -> bool:
        pass_time(world, 7.0)
        found = [each for each in world.outcomes() if each != "dead letter"]
        return len(found) == count and not {"queued", "sending", "waiting"} & set(found)

    wait_until(over, within=60)
    ended = Counter(each for each in world.outcomes() if each != "dead letter")
    assert sum(ended.values()) == count
    assert ended.keys() <= {"sent", "failed", "unknown"}
    arrived = Counter(each.address for each in world.channel.sent)
    assert set(arrived.values()) <= {1}
    sent = {each["person"] for each in world.activity() if each["outcome"] == "sent"}
    assert {f"{person}@example.org" for person in sent} <= arrived.keys()
    if keyed:
        assert all(each["tries"] > 5 for each in world.activity() if each["outcome"] == "unknown")
    tally, recount = figures(world)
    assert tally == recount
    lane = world.engine.lanes()[0][1]
    assert lane is not None
    assert (lane.held, lane._weight, world.engine.finisher.open_messages(lane.manners.channel)) == (0, 0, 0)


def test_one_message_in_a_long_back_off_holds_its_person_up_for_a_minute_at_most(world: World) -> None:
    world.start(setup_of(PLAIN))
    world.channel.answer(Result.UNAVAILABLE, retry_after=3600.0)
    world.send(sign_in(1, urn="ada"))
    wait_until(lambda: world.outcomes() == ["waiting"])
    world.send(sign_in(2, urn="ada"))
    wait_until(lambda: world.outcomes() == ["waiting", "waiting"])
    pass_time(world, 61.0)
    wait_until(lambda: world.outcomes() == ["waiting", "sent"])
    began = Clock().monotonic()
    world.engine.stop()
    world.restart()
    world.send(sign_in(3, urn="bob"))
    wait_until(lambda: world.outcomes() == ["waiting", "sent", "sent"])
    assert Clock().monotonic() - began < 3.0
    pass_time(world, 3600.0)
    assert world.settle(3) == ["sent"] * 3


def test_the_same_person_twice_in_one_batch_finds_a_limit_of_one_reached(world: World) -> None:
    world.start(setup_of({**PLAIN, "limits": [{"at_most": 1, "messages": "any", "within": "1 day"}]}))
    world.send(sign_in(1, urn="ada"), sign_in(2, urn="ada"), sign_in(3, urn="bob"))
    assert world.settle(3) == ["sent", "withheld: limit", "sent"]
    pass_time(world, 86_401.0)
    world.send(sign_in(4, urn="ada"))
    assert world.settle(4)[-1] == "sent"


def test_limits_go_by_the_clock_as_it_is_set(world: World) -> None:
    world.start(setup_of({**PLAIN, "limits": [{"at_most": 1, "messages": "any", "within": "1 hour"}]}))
    assert isinstance(world.clock, FakeClock)
    world.send(sign_in(1, urn="ada"))
    world.settle(1)
    world.clock.set(world.clock.now() + 2 * 3_600_000)
    world.send(sign_in(2, urn="ada"))
    assert world.settle(2)[-1] == "sent"


def test_an_event_that_is_delivered_again_after_100_days_is_too_old(world: World) -> None:
    world.start(setup_of(PLAIN))
    old = sign_in(1, at=world.clock.now())
    world.send(old)
    world.settle(1)
    with world.engine._turns.transaction() as session:
        session.run("DELETE FROM event")
        session.run("DELETE FROM outcome")
    pass_time(world, 100 * 86_400.0)
    world.send(old)
    wait_until(lambda: world.outcomes() == ["withheld: too old"])


def test_a_static_text_of_5_mb_is_withheld_as_too_large(world: World) -> None:
    message: Any = PLAIN["message"]
    content = [{"field": "email", "from": "SignIn.email"}, {"field": "subject", "text": "x" * 5_000_000}]
    world.start(setup_of({**PLAIN, "message": {**message, "content": content}}))
    world.send(*[sign_in(number) for number in range(50)])
    assert world.settle(50) == ["withheld: too large"] * 50
    with closing(world.databases.streams.session()) as session:
        ((size,),) = session.all("SELECT SUM(LENGTH(body)) FROM batch")
    assert size < 100_000


def test_50_campaigns_on_one_stream_all_send(world: World) -> None:
    world.start(setup_of(*[{**PLAIN, "name": f"Campaign {number}"} for number in range(50)]))
    world.send(*[sign_in(number) for number in range(20)])
    assert world.settle(1000) == ["sent"] * 1000

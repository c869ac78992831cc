"""Cases to walk through (line.md), and random weather: every event comes to one end, and the figures are right.

Where each case of that table is walked through; what has no file stands here. Beside them, in `tests/unit/engine`,
are those of a single step: `test_line.py` (rebalance), `test_decide.py` (batches that end early).

    rebalance in the middle of a batch          process/test_pair_cases.py: ..._joins_and_leaves_...
    two services, one killed: keyed             process/test_service_pair.py: a_killed_service_is_taken_over_...
        unkeyed                                 process/test_pair_cases.py: ..._settled_by_its_stash_...
    a service stopped for 70 s                  outside/test_sleeping_service.py
        for real, at full figures only          process/test_pair_cases.py: ..._frozen_...
    channel's address changed                   unit/engine/test_assembly.py: a_message_tried_at_another_address_...
    campaign republished                        unit/engine/test_engine.py: a_campaign_that_is_republished_...
    same person twice, limit 1                  the_same_person_twice_...
    delivered again after 100 days              an_event_that_is_delivered_again_after_100_days_...
    store times out for a minute                a_store_that_is_silent_for_a_minute_...
    a key that the store refuses                test_errors.py: one_key_that_the_store_refuses_...
        an event that T1 refuses                test_errors.py: an_event_that_the_journal_refuses_...
    clock steps 2 h                             when_the_clock_is_set_..., limits_go_by_the_clock_as_it_is_set
    one message in a one-hour back-off          one_message_in_a_long_back_off_...
    table run of 1,000,000 beside sign-ins      process/test_table_run_beside.py
    a static text of 5 MB                       a_static_text_of_5_mb_...
    50 campaigns on one stream                  50_campaigns_...
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.servers.processes import wait_until
from tests.world import BACK, PLAIN, World, setup_of, sign_in
from whereupon.host.clock import Clock, FakeClock
from whereupon.model.errors import Unavailable
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


def content(text: str) -> dict[str, Any]:
    """A campaign's message whose subject is this text."""
    message: Any = PLAIN["message"]
    fields = [{"field": "email", "from": "SignIn.email"}, {"field": "subject", "text": text}]
    return {"message": {**message, "content": fields}}


def test_a_static_text_of_5_mb_500_times_is_withheld_as_too_large_and_kept_nowhere(world: World) -> None:
    world.start(setup_of({**PLAIN, **content("x" * 5_000_000)}))
    process, largest = psutil.Process(), 0
    before = process.memory_info().rss
    world.send(*[sign_in(number) for number in range(500)])

    def over() -> bool:
        nonlocal largest
        largest = max(largest, process.memory_info().rss)
        return len(world.outcomes()) == 500

    wait_until(over, within=60)
    assert world.outcomes() == ["withheld: too large"] * 500
    assert largest - before < 200_000_000
    with closing(world.databases.streams.session()) as session:
        ((size,),) = session.all("SELECT SUM(LENGTH(body)) FROM batch")
    assert size < 500_000


def test_50_campaigns_on_one_stream_all_send_in_batches_that_end_at_16_mb(world: World) -> None:
    large = content("x" * 50_000)
    world.start(setup_of(*[{**PLAIN, **large, "name": f"Campaign {number}"} for number in range(50)]))
    world.channel.hold()
    world.send(*[sign_in(number) for number in range(20)])
    wait_until(lambda: len(world.outcomes()) == 1000, within=60)
    with closing(world.databases.streams.session()) as session:
        batches = [count for (count,) in session.all("SELECT last - id + 1 FROM batch")]
    world.channel.release()
    wait_until(lambda: set(world.outcomes()) == {"sent"}, within=60)
    # 2.5 MB an event: after the seventh a batch has passed 16 MB.
    assert sum(batches) == 20
    assert max(batches) <= 7
    keys = Counter(each.key for each in world.channel.sent)
    assert (len(keys), set(keys.values())) == (1000, {1})


def test_a_store_that_is_silent_for_a_minute_pauses_the_stream_and_loses_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch, logs: Any
) -> None:
    logs.expect("stream paused")
    world.start(setup_of(BACK, PLAIN), records={f"{1000 + n}": {"firstname": "Ada"} for n in range(20)})
    find, silent = type(world.store).find, True

    def timed_out(store: Any, keys: list[str]) -> Any:
        if silent:
            raise Unavailable("The store doesn't answer.")
        return find(store, keys)

    monkeypatch.setattr(type(world.store), "find", timed_out)
    for number in range(20):
        world.send(sign_in(number))
        pass_time(world, 3.0)
    line = world.engine.lines()[0][1]
    assert line is not None
    wait_until(lambda: line.paused == "The store doesn't answer.")
    assert world.outcomes() == []
    silent = False
    assert world.settle(40) == ["sent"] * 40
    assert line.paused == ""
    written = [each.address for each in world.channel.sent]
    assert list(dict.fromkeys(written)) == [f"{1000 + number}@example.org" for number in range(20)]


@pytest.mark.parametrize("hours", [-2, 2])
def test_when_the_clock_is_set_back_offs_and_leases_go_on_evenly(world: World, hours: int) -> None:
    world.start(setup_of(PLAIN))
    assert isinstance(world.clock, FakeClock)
    world.engine.renewal.renewed()
    world.channel.answer(Result.UNAVAILABLE, retry_after=600.0)
    world.send(sign_in(1))
    wait_until(lambda: world.outcomes() == ["waiting"])
    world.clock.set(world.clock.now() + hours * 3_600_000)
    assert world.engine.renewal.fresh()
    world.send(sign_in(2))
    wait_until(lambda: world.outcomes() == ["waiting", "sent"])
    pass_time(world, 590.0)
    world.engine.renewal.renewed()
    world.send(sign_in(3))
    wait_until(lambda: world.outcomes() == ["waiting", "sent", "sent"])
    pass_time(world, 11.0)
    assert world.settle(3) == ["sent"] * 3

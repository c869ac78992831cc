"""Cases to walk through (line.md) that need two real services: one joins, one is killed, one stands still."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.checker import Account, Produced, account
from tests.faults.service import System, ToKafka, Trickle, mail, sign_ins, web_hook
from tests.faults.sinks import KeyedSink, UnkeyedSink
from tests.process.pair import FIRST, Pair
from tests.servers.kafka import Kafka
from tests.servers.postgresql import PostgreSQL
from tests.servers.processes import wait_until
from whereupon.host.crash import VARIABLE

pytestmark = [pytest.mark.process, pytest.mark.outside, pytest.mark.slow]


@pytest.fixture
def unkeyed(tmp_path: Path) -> Iterator[UnkeyedSink]:
    """A mail server that doesn't know a mail again."""
    sink = UnkeyedSink(tmp_path / "unkeyed")
    yield sink
    sink.stop()


def owners(system: System) -> int:
    """How many services decided something."""
    return system.count("SELECT COUNT(DISTINCT owner) FROM outcome WHERE event > 0")


def test_a_service_joins_and_leaves_in_the_middle_of_the_work_and_nothing_is_sent_twice_or_left(
    kafka: Kafka, postgresql: PostgreSQL, keyed: KeyedSink, system_of: Callable[..., System]
) -> None:
    pair = Pair(kafka, postgresql, web_hook(keyed.url), system_of)
    pair.first.start()
    with Trickle(ToKafka(kafka, pair.topic), sign_ins(itertools.count()), rate=100) as trickle:
        keyed.wait_for(100, within=120)
        pair.second.start()
        wait_until(lambda: owners(pair.first) == 2, within=120, what="Work for both services")
        pair.second.stop()
        here = len(trickle.produced)
        wait_until(lambda: len(trickle.produced) > here + 200, within=120)
    pair.first.settle(events=len(trickle.produced), within=120)
    pair.first.stop()
    result = account(trickle.produced, keyed.arrived(), pair.first.activity())
    assert result.problems == []
    assert keyed.attempts() == result.delivered == len(trickle.produced)


def test_what_a_killed_service_had_under_way_to_an_unkeyed_receiver_is_settled_by_its_stash_when_it_comes_back(
    kafka: Kafka, postgresql: PostgreSQL, unkeyed: UnkeyedSink, system_of: Callable[..., System],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    pair = Pair(kafka, postgresql, mail(unkeyed.port, concurrency=2), system_of)
    with monkeypatch.context() as patch:
        # It dies when its receipts are in the stash and not yet in the journal.
        patch.setenv(VARIABLE, "after-stash:300")
        pair.first.start()
    pair.join()
    with Trickle(ToKafka(kafka, pair.topic), sign_ins(itertools.count()), rate=80) as trickle:
        wait_until(lambda: not pair.first.service.alive, within=240, what="The end of the first service")
    pair.forget_the_first()
    produced = [*pair.warmed, *trickle.produced]
    pair.second.settle(events=len(produced), within=120)
    unknown = pair.second.states().get("unknown", 0)
    assert 1 <= unknown <= 2
    assert told(produced, unkeyed, pair.second).unknown == unknown
    pair.first.start()
    wait_until(lambda: not pair.first.states().get("unknown"), within=120, what="The stash's proof")
    result = told(produced, unkeyed, pair.second)
    assert (result.delivered, result.unknown) == (len(produced), 0)


@pytest.mark.fault(full_only=True)
def test_a_service_that_was_frozen_for_70_seconds_offers_nothing_that_is_no_longer_its_own(
    tmp_path: Path, kafka: Kafka, postgresql: PostgreSQL, system_of: Callable[..., System]
) -> None:
    slow = KeyedSink(tmp_path / "slow", delay=0.1)
    pair = Pair(kafka, postgresql, web_hook(slow.url, concurrency=2), system_of)
    pair.start()
    events = list(sign_ins(range(400)))
    kafka.produce(pair.topic, [value for _, value in events])
    open_ones = f"SELECT COUNT(*) FROM outcome WHERE owner = {FIRST} AND state = 'sending'"
    wait_until(lambda: pair.first.count(open_ones) > 50, what="Open messages of the first service")
    pair.first.service.suspend()
    began = time.monotonic()
    pair.second.settle(events=400 + pair.warm, within=150)
    threading.Event().wait(70 - (time.monotonic() - began))
    pair.first.service.resume()
    later = list(sign_ins(range(400, 440)))
    kafka.produce(pair.topic, [value for _, value in later])
    pair.first.settle(events=440 + pair.warm, within=120)
    # It may take a moment until it notices; nothing but what was on its way when it froze may go out again.
    threading.Event().wait(15)
    produced = [*pair.warmed, *(each for each, _ in (*events, *later))]
    assert slow.attempts() <= len(produced) + 2
    result = account(produced, slow.arrived(), pair.second.activity())
    slow.stop()
    assert result.problems == []
    assert result.delivered == len(produced)


def told(produced: list[Produced], sink: UnkeyedSink, system: System) -> Account:
    """The account so far; nobody got anything twice."""
    result = account(produced, sink.arrived(), system.activity())
    assert result.problems == []
    return result

"""Two real services over one PostgreSQL and one topic: limits hold across them, and one takes over from the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.checker import account
from tests.faults.service import System, sign_in, sign_ins, web_hook
from tests.faults.sinks import KeyedSink
from tests.process.pair import FIRST, Pair
from tests.servers.kafka import Kafka
from tests.servers.postgresql import PostgreSQL
from tests.servers.processes import wait_until

pytestmark = [pytest.mark.process, pytest.mark.outside, pytest.mark.slow]


def test_a_hundred_events_of_one_person_over_two_services_and_four_partitions_send_three(
    kafka: Kafka, postgresql: PostgreSQL, keyed: KeyedSink, system_of: Callable[..., System]
) -> None:
    limits = [{"at_most": 3, "messages": "any", "within": "1 day"}]
    pair = Pair(kafka, postgresql, web_hook(keyed.url, concurrency=2), system_of, limits=limits)
    pair.start()
    events = [sign_in(each, person="ada") for each in range(100)]
    pair.produce([value for _, value in events])
    pair.first.settle(events=100 + pair.warm)
    pair.first.stop()
    pair.second.stop()
    activity = [line for line in pair.first.activity() if line["person"] == "ada"]
    arrived = keyed.arrived()
    result = account(
        [each for each, _ in events], {line["key"]: arrived[line["key"]] for line in activity}, activity
    )
    assert result.problems == []
    assert (result.delivered, sum(result.withheld.values())) == (3, 97)
    deciders = pair.first.count(
        "SELECT COUNT(DISTINCT o.owner) FROM outcome o JOIN event e ON e.id = o.event WHERE e.person = 'ada'"
    )
    assert deciders == 2


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[KeyedSink]:
    """The keyed sink, which takes its time."""
    sink = KeyedSink(tmp_path / "slow", delay=0.05)
    yield sink
    sink.stop()


def test_a_killed_service_is_taken_over_with_its_partitions_and_its_open_messages(
    kafka: Kafka, postgresql: PostgreSQL, slow: KeyedSink, system_of: Callable[..., System]
) -> None:
    pair = Pair(kafka, postgresql, web_hook(slow.url, concurrency=2), system_of)
    pair.start()
    events = list(sign_ins(range(400)))
    pair.produce([value for _, value in events])
    wait_until(
        lambda: (
            pair.first.count(
                f"SELECT COUNT(*) FROM outcome WHERE owner = {FIRST} AND state IN ('queued', 'sending')"
            )
            > 20
        ),
        what="Open messages of the first service",
    )
    pair.first.service.kill()
    pair.forget_the_first()
    later = list(sign_ins(range(400, 480)))
    pair.produce([value for _, value in later])
    pair.second.settle(events=480 + pair.warm, within=120)
    assert "taken over" in pair.second.service.last_words(10_000)
    pair.second.stop()
    activity = pair.second.activity()
    warm = {each.person for each in pair.warmed}
    mine = [line for line in activity if line["person"] not in warm]
    arrived = slow.arrived()
    result = account(
        [each for each, _ in events + later], {line["key"]: arrived[line["key"]] for line in mine}, mine
    )
    assert result.problems == []
    assert (result.delivered, result.unknown) == (480, 0)

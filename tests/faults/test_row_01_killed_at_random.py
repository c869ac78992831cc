"""Row 1: kill -9 at a random moment, again and again, while events flow."""

from __future__ import annotations

import random
import threading
import time
from bisect import bisect
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from tests.conftest import Bar
from tests.faults.checker import account
from tests.faults.service import System, ToKafka, Trickle, on_kafka, setup, sign_ins, web_hook
from tests.faults.sinks import KeyedSink
from tests.servers.kafka import Kafka

Report = Callable[[Mapping[str, Any]], None]
pytestmark = [pytest.mark.fault(1), pytest.mark.outside, pytest.mark.process, pytest.mark.slow]


CONNECTIONS = 64


def test_killed_at_random_it_loses_nothing_and_doubles_nothing(
    kafka: Kafka,
    keyed: KeyedSink,
    system_of: Callable[..., System],
    seed: int,
    bar: Bar,
    fault_report: Report,
) -> None:
    kills, events = bar(quick=(40, 6_000), full=(200, 30_000))
    moments, pause = random.Random(seed), threading.Event()
    topic = kafka.new_topic("row-1")
    channel = web_hook(keyed.url, concurrency=CONNECTIONS)
    system = system_of(setup(stream=on_kafka(kafka, topic), channels=[channel], store=True))
    system.know([f"p{each}" for each in range(500)])
    began, launched = time.monotonic(), list[float]()
    with Trickle(ToKafka(kafka, topic), sign_ins(range(events), persons=500), rate=120) as trickle:
        for turn in range(kills):
            # Every fourth dies while it starts, the others while they work.
            launched.append(time.monotonic())
            child = system.launch() if turn % 4 == 3 else system.start()
            pause.wait(moments.uniform(0.15, 0.9))
            child.kill()
        launched.append(time.monotonic())
        system.start()
        trickle.rest()
    system.settle(events=events)
    seconds = time.monotonic() - began
    system.stop()
    result = account(trickle.produced, keyed.arrived(), system.activity())
    attempts = keyed.attempts()
    fault_report({**result.row(1, seed=seed, kills=kills, seconds=seconds), "attempts": attempts})
    assert result.settled, result.problems
    assert not result.problems
    assert result.delivered == events
    again = repeated(keyed.times(), launched)
    # What is sent again was under way: little, or, behind a start that took long, all that the connections hold.
    assert all(each <= CONNECTIONS for each in again.values())
    assert sum(each for each in again.values() if each < CONNECTIONS // 2) <= 0.03 * events


def repeated(times: Mapping[str, Sequence[float]], launched: Sequence[float]) -> Counter[int]:
    """How many requests of each process, by its place among those launched, another one had to make again."""
    return Counter(bisect(launched, each) for asked in times.values() for each in sorted(asked)[:-1])

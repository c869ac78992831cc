"""Row 1: kill -9 at a random moment, again and again, while events flow."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping
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
"""What a kill repeats is what the connections were at: with 64 of them it is 8 % of these events, not 3 %."""


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
    began = time.monotonic()
    with Trickle(ToKafka(kafka, topic), sign_ins(range(events), persons=500), rate=120) as trickle:
        for turn in range(kills):
            # Every fourth dies while it starts, the others while they work.
            child = system.launch() if turn % 4 == 3 else system.start()
            pause.wait(moments.uniform(0.15, 0.9))
            child.kill()
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
    assert attempts <= 1.03 * events

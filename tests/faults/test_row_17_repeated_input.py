"""Row 17: a producer that tries again puts the same event on the topic twice, at other offsets and partitions."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from tests.conftest import Bar
from tests.faults.checker import account
from tests.faults.service import System, on_kafka, setup, sign_ins, web_hook
from tests.faults.sinks import KeyedSink
from tests.servers.kafka import Kafka

Report = Callable[[Mapping[str, Any]], None]
pytestmark = [pytest.mark.fault(17), pytest.mark.outside, pytest.mark.process, pytest.mark.slow]


def test_an_event_that_comes_again_is_sent_once(
    kafka: Kafka,
    keyed: KeyedSink,
    system_of: Callable[..., System],
    seed: int,
    bar: Bar,
    fault_report: Report,
) -> None:
    count = bar(quick=600, full=6_000)
    chance = random.Random(seed)
    events = list(sign_ins(range(count), persons=count // 3))
    # At once, soon after, and after a kill -9 of the service.
    first = chance.choices(events, k=count // 2)
    second = chance.choices(events, k=count // 2)
    now, later = events + first, list(second)
    chance.shuffle(now)
    topic = kafka.new_topic("row-17")
    system = system_of(setup(stream=on_kafka(kafka, topic), channels=[web_hook(keyed.url)]))
    system.start()
    began = time.monotonic()
    kafka.produce(topic, [value for _, value in now])
    system.settle(events=count)
    system.service.kill()
    system.start()
    last = list(sign_ins(range(count, count + 1)))
    kafka.produce(topic, [value for _, value in later + last])
    system.settle(events=count + 1)
    seconds = time.monotonic() - began
    system.stop()
    result = account([each for each, _ in now + later + last], keyed.arrived(), system.activity())
    fault_report(result.row(17, seed=seed, kills=1, seconds=seconds))
    assert result.settled, result.problems
    assert not result.problems
    assert (result.delivered, result.repeats) == (count + 1, len(first) + len(second))
    assert keyed.attempts() == count + 1

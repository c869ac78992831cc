"""Row 4: a second service of the same folder is started beside the first."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from tests.conftest import Bar
from tests.faults.checker import account
from tests.faults.service import System, ToKafka, Trickle, on_kafka, setup, sign_ins, web_hook
from tests.faults.sinks import KeyedSink
from tests.servers.kafka import Kafka
from tests.servers.processes import slowness

Report = Callable[[Mapping[str, Any]], None]
pytestmark = [pytest.mark.fault(4), pytest.mark.outside, pytest.mark.process, pytest.mark.slow]


def test_the_second_is_told_who_works_here_and_the_first_notices_nothing(
    kafka: Kafka,
    keyed: KeyedSink,
    system_of: Callable[..., System],
    seed: int,
    bar: Bar,
    fault_report: Report,
) -> None:
    times = bar(quick=3, full=20)
    topic = kafka.new_topic("row-4")
    system = system_of(setup(stream=on_kafka(kafka, topic), channels=[web_hook(keyed.url)]))
    first = system.start()
    took, began = [], time.monotonic()
    with Trickle(ToKafka(kafka, topic), sign_ins(itertools.count()), rate=100) as trickle:
        for _ in range(times):
            second = system.launch()
            assert second.process.wait(10) == 5, second.last_words()
            took.append(time.monotonic() - system.began)
            said = second.last_words()
            assert f"The service of system already runs here (process {first.process.pid}" in said
            assert "whereupon service stop" in said
            assert "Traceback" not in said
    system.settle(events=len(trickle.produced))
    assert '"level": "warning"' not in first.last_words(100_000)
    assert '"level": "error"' not in first.last_words(100_000)
    system.stop()
    result = account(trickle.produced, keyed.arrived(), system.activity())
    seconds = time.monotonic() - began
    fault_report({**result.row(4, seed=seed, kills=times, seconds=seconds), "slowest": round(max(took), 2)})
    assert result.settled, result.problems
    assert not result.problems
    assert keyed.attempts() == result.delivered == len(trickle.produced)
    assert max(took) <= 2 * slowness()

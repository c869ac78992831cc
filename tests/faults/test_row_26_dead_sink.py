"""Row 26: one of two sinks is dead, and the other one doesn't feel it."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Bar
from tests.faults.checker import Produced, account
from tests.faults.service import Send, System, local, setup, sign_ins, to_local, web_hook
from tests.faults.sinks import KeyedSink
from tests.servers.processes import wait_until
from whereupon.engine.pulse import percentile

Report = Callable[[Mapping[str, Any]], None]
pytestmark = [pytest.mark.fault(26), pytest.mark.process, pytest.mark.slow]

RATE = 150
TIMEOUT = 1
"""Seconds that a dead sink is waited for: what waits with it is late by that much."""
SLACK = 0.1
"""Seconds by which a busy machine may be slower in one half of the rounds than in the other."""


@pytest.fixture
def dying(tmp_path: Path) -> Iterator[KeyedSink]:
    """A second sink."""
    made = KeyedSink(tmp_path / "dying")
    yield made
    made.thaw()
    made.stop()


class Paced:
    """Sends events one by one at a steady rate, and knows when each was sent."""

    def __init__(self, send: Send) -> None:
        self.produced: list[Produced] = []
        self.sent: dict[str, float] = {}
        self._send = send
        self._numbers = itertools.count()

    def send(self, count: int) -> list[str]:
        """So many; the persons they are of."""
        begun, some = time.monotonic(), list(sign_ins(itertools.islice(self._numbers, count)))
        for number, (event, value) in enumerate(some):
            wait_until(lambda due=begun + number / RATE: time.monotonic() >= due)  # type: ignore[misc]
            self.sent[event.person] = time.monotonic()
            self._send([value])
        self.produced += [event for event, _ in some]
        return [event.person for event, _ in some]


def test_a_dead_sink_leaves_the_latency_of_the_other_one_as_it_is(
    keyed: KeyedSink,
    dying: KeyedSink,
    system_of: Callable[..., System],
    seed: int,
    bar: Bar,
    fault_report: Report,
) -> None:
    pairs, count = bar(quick=(4, 150), full=(20, 300))
    channels = [web_hook(keyed.url), web_hook(dying.url, name="Dying", timeout=TIMEOUT, concurrency=8)]
    system = system_of(setup(stream=local(), channels=channels))
    system.start()
    began, paced = time.monotonic(), Paced(to_local(system))
    fine, dead = list[list[str]](), list[list[str]]()
    paced.send(50)
    for _ in range(pairs):
        fine.append(paced.send(count))
        arrived(keyed, len(paced.produced))
        dying.freeze()
        dead.append(paced.send(count))
        arrived(keyed, len(paced.produced))
        dying.thaw()
        system.settle(events=len(paced.produced), within=90)
    seconds = time.monotonic() - began
    system.stop()
    activity, taken = system.activity(), keyed.arrived() + dying.arrived()
    result = account(paced.produced, taken, activity)
    keys = {line["person"]: line["key"] for line in activity if line["channel"] == "ESP"}
    times = keyed.times()
    latency = {person: times[key][0] - paced.sent[person] for person, key in keys.items()}
    without, beside = (
        p99([[latency[each] for each in round] for round in rounds]) for rounds in (fine, dead)
    )
    milliseconds = {"p99": round(1000 * without, 1), "p99 beside a dead one": round(1000 * beside, 1)}
    fault_report({**result.row(26, seed=seed, kills=0, seconds=seconds), **milliseconds})
    assert not result.problems
    assert result.delivered == 2 * result.produced
    assert dying.attempts() > len(paced.produced)
    assert beside <= 1.1 * without + SLACK


def arrived(sink: KeyedSink, count: int) -> None:
    """Wait until so many messages came, whatever the other sink does."""
    wait_until(lambda: sink.arrived().total() >= count, within=90, what=f"Message {count}")


def p99(rounds: Sequence[Sequence[float]]) -> float:
    """The median of the rounds: one bad moment of the machine spoils one round."""
    return statistics.median(percentile(sorted(each), 99) for each in rounds)

"""Row 24: an HTTP sink that answers three of ten messages badly, in every way there is."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Bar
from tests.faults.checker import account
from tests.faults.service import System, Trickle, local, setup, sign_ins, to_local, web_hook
from tests.faults.sinks import KeyedSink
from tests.servers.http import DRIP, HANG, LOST, RESET, Answer
from tests.servers.processes import slowness

Report = Callable[[Mapping[str, Any]], None]
pytestmark = [pytest.mark.fault(24), pytest.mark.process, pytest.mark.slow]

WAIT = 4
"""Seconds of a Retry-After."""
BAD = Answer(500, body='{"error": "try later"}')
# Each kind of fault: out of a hundred messages so many meet it, and these are the sink's answers to their first tries.
FAULTS: dict[str, tuple[int, tuple[Answer, ...]]] = {
    "500": (5, (BAD,)),
    "502": (5, (Answer(502),)),
    "503": (5, (Answer(503, retry_after=str(WAIT)),)),
    "answer lost": (4, (LOST,)),
    "reset": (3, (RESET,)),
    "time-out": (2, (HANG,)),
    "drip": (1, (DRIP,)),
    "two in a row": (2, (Answer(502), LOST)),
    "redirect": (2, (Answer(302, location="http://169.254.169.254/"),)),
    "never": (1, (Answer(503, retry_after="1"),) * 6),
}

# A reused connection that dies unanswered is tried again by the HTTP client itself, where the receiver knows the key.
TRIES = {"never": {6}, "redirect": {1}, "two in a row": {2, 3}, "answer lost": {1, 2}, "reset": {1, 2}}


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[KeyedSink]:
    """A sink that knows messages by their person."""
    made = KeyedSink(tmp_path / "sink", identify='"urn":"([^"]*)')
    yield made
    made.stop()


def test_every_answer_of_a_receiver_has_its_consequence(
    sink: KeyedSink, system_of: Callable[..., System], seed: int, bar: Bar, fault_report: Report
) -> None:
    count = bar(quick=1_000, full=10_000)
    events = list(sign_ins(range(count)))
    meets = scripted(random.Random(seed), count)
    # Forty at once, as a receiver's throttle would: the lane stops, and none of them counts a try.
    throttled = [f"p{n}" for n in range(count, count + 40)]
    events += list(sign_ins(range(count, count + 40)))
    # Beside them a few good ones: twenty bad answers in a row would mean that the receiver is away.
    beside = sign_ins(itertools.count(count + 40))
    sink.script({person: FAULTS[fault][1] for person, fault in meets.items()})
    system = system_of(setup(stream=local(), channels=[web_hook(sink.url, timeout=1)]))
    system.start()
    began = time.monotonic()
    send = to_local(system)
    with Trickle(send, beside, rate=50) as trickle:
        send([value for _, value in events[:count]])
        system.settle(events=count, within=120)
    sink.script({person: [Answer(429, retry_after=str(WAIT))] for person in throttled})
    send([value for _, value in events[count:]])
    system.settle(events=count + 40 + len(trickle.produced), within=120)
    seconds = time.monotonic() - began
    system.stop()
    activity = system.activity()
    result = account([*(each for each, _ in events), *trickle.produced], sink.arrived(), activity)
    fault_report({**result.row(24, seed=seed, kills=0, seconds=seconds), "attempts": sink.attempts()})
    never, refused = ([each for each in meets.values() if each == name] for name in ("never", "redirect"))
    assert result.settled, result.problems
    assert not result.problems
    assert (result.delivered, result.unknown) == (result.produced - len(never) - len(refused), 0)
    assert (result.dead, sum(result.failed.values())) == (len(never), len(refused))
    times = {line["person"]: sink.times().get(line["key"], []) for line in activity if line["key"]}
    tries = {line["person"]: line["tries"] for line in activity if line["key"]}
    for person, fault in meets.items():
        assert tries[person] in TRIES.get(fault, {2}), (person, fault)
    assert all(tries[person] == 1 for person in throttled)
    for person in throttled + [person for person, fault in meets.items() if fault == "503"]:
        waited = times[person][1] - times[person][0]
        assert waited >= 0.9 * WAIT, person
    on_time = [times[person][1] - times[person][0] for person, fault in meets.items() if fault == "503"]
    assert sorted(on_time)[len(on_time) // 2] <= 1.1 * WAIT * slowness()


def scripted(chance: random.Random, count: int) -> dict[str, str]:
    """Which person meets which fault: three of ten, at random."""
    kinds = [name for name, (share, _) in FAULTS.items() for _ in range(share * count // 100)]
    return dict(zip((f"p{n}" for n in chance.sample(range(count), len(kinds))), kinds, strict=True))

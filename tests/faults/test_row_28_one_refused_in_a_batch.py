"""Row 28: a mail server that refuses one recipient in a batch of 500."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Bar
from tests.faults.checker import account
from tests.faults.service import System, local, mail, setup, sign_ins, to_local
from tests.faults.sinks import UnkeyedSink

Report = Callable[[Mapping[str, Any]], None]
pytestmark = [pytest.mark.fault(28), pytest.mark.process, pytest.mark.slow]

BATCH = 500
REFUSED = {"stage": "rcpt", "reply": "550 5.1.1 nobody of that name", "times": 1_000}


def test_one_refused_recipient_costs_its_neighbours_nothing(
    tmp_path: Path, system_of: Callable[..., System], seed: int, bar: Bar, fault_report: Report
) -> None:
    batches, chance = bar(quick=2, full=20), random.Random(seed)
    # One in the middle of each batch, wherever: as often as it is tried, it is refused.
    nobodies = {f"p{batch * BATCH + chance.randrange(BATCH)}" for batch in range(batches)}
    faults = [{**REFUSED, "recipient": f"{each}@example.org"} for each in nobodies]
    sink = UnkeyedSink(tmp_path / "sink", faults=faults)
    system = system_of(setup(stream=local(), channels=[mail(sink.port, concurrency=8)]))
    system.start()
    began = time.monotonic()
    events = list(sign_ins(range(batches * BATCH)))
    for first in range(0, len(events), BATCH):
        to_local(system)([value for _, value in events[first : first + BATCH]])
        system.settle(events=first + BATCH, within=120)
    seconds = time.monotonic() - began
    system.stop()
    activity, arrived = system.activity(), sink.arrived()
    sink.stop()
    result = account([each for each, _ in events], arrived, activity)
    fault_report(result.row(28, seed=seed, kills=0, seconds=seconds))
    assert result.settled, result.problems
    assert not result.problems
    assert {
        line["person"]: line["tries"] for line in activity if line["outcome"] == "failed"
    } == dict.fromkeys(nobodies, 1)
    assert len(arrived) == result.delivered == batches * (BATCH - 1)
    assert max(arrived.values()) == 1

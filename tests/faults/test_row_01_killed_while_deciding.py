"""Row 1, where it counts: kill -9 between what was read and what was decided."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Any

import pytest

from tests.faults.checker import account
from tests.faults.service import System, local, on_kafka, setup, sign_ins, to_local, web_hook
from tests.faults.sinks import KeyedSink
from tests.servers.kafka import Kafka
from tests.servers.processes import wait_until
from whereupon.host.crash import VARIABLE

Report = Callable[[Mapping[str, Any]], None]
pytestmark = [pytest.mark.fault(1), pytest.mark.process, pytest.mark.slow]
EVENTS = list(sign_ins(range(201)))
BEFORE, UNDECIDED, LAST = EVENTS[:20], EVENTS[20:200], EVENTS[200:]
"""What is decided before the kill, what is read and not decided, and what follows: it comes after all of that."""


def values(events: Any) -> list[bytes]:
    """The events as they are put on a topic."""
    return [value for _, value in events]


def accounted(system: System, sink: KeyedSink, report: Report, began: float) -> None:
    """The last event was decided, so all before it were; none is lost, none doubled."""
    last = LAST[0][0].id
    wait_until(
        lambda: system.count(f"SELECT COUNT(*) FROM event WHERE event_id = '{last}'"),
        within=120,
        what="The last event",
    )
    system.settle(within=120)
    system.stop()
    result = account([each for each, _ in EVENTS], sink.arrived(), system.activity())
    report(result.row(1, seed=0, kills=1, seconds=time.monotonic() - began))
    assert result.settled, result.problems
    assert not result.problems
    assert result.delivered == len(EVENTS)


def test_killed_in_the_middle_of_a_decision_it_decides_it_again(
    keyed: KeyedSink, system_of: Callable[..., System], fault_report: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    system, began = system_of(setup(stream=local(), channels=[web_hook(keyed.url)])), time.monotonic()
    send = to_local(system)
    with monkeypatch.context() as patch:
        patch.setenv(VARIABLE, "before-t1-commit:2")
        child = system.start()
        send(values(BEFORE))
        system.settle(events=len(BEFORE))
        send(values(UNDECIDED))
        wait_until(lambda: not child.alive, within=120, what="Its end")
    system.start()
    send(values(LAST))
    accounted(system, keyed, fault_report, began)


@pytest.mark.outside
def test_killed_while_its_journal_is_busy_it_reads_again_what_kafka_gave_it(
    kafka: Kafka, keyed: KeyedSink, system_of: Callable[..., System], fault_report: Report
) -> None:
    topic, began = kafka.new_topic("row-1-busy", partitions=1), time.monotonic()
    system = system_of(setup(stream=on_kafka(kafka, topic), channels=[web_hook(keyed.url)]))
    child = system.start()
    kafka.produce(topic, values(BEFORE))
    system.settle(events=len(BEFORE))
    with closing(sqlite3.connect(system.folder / "SD_TealHols.db", isolation_level=None)) as journal:
        journal.execute("BEGIN IMMEDIATE")
        kafka.produce(topic, values(UNDECIDED))
        wait_until(
            lambda: system.status()["streams"][0]["state"], within=120, what="A stream that stands still"
        )
        child.kill()
    system.start()
    kafka.produce(topic, values(LAST))
    accounted(system, keyed, fault_report, began)

"""Row 27: a mail server that fails at each stage of a delivery."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Bar
from tests.faults.checker import account
from tests.faults.service import System, local, mail, setup, sign_in, sign_ins, to_local
from tests.faults.sinks import UnkeyedSink

Report = Callable[[Mapping[str, Any]], None]
pytestmark = [pytest.mark.fault(27), pytest.mark.process, pytest.mark.slow]

# What the server does with a person's mail (its stage, its words, and then), and how that mail ends.
STAGES: list[tuple[Mapping[str, Any], str]] = [
    ({"stage": "mail", "reply": "451 4.3.0 not now"}, "sent"),
    ({"stage": "rcpt", "reply": "451 4.2.1 mailbox busy"}, "sent"),
    ({"stage": "rcpt", "reply": "550 5.1.1 nobody of that name"}, "failed"),
    ({"stage": "rcpt", "then": "close"}, "sent"),
    ({"stage": "data", "reply": "451 4.3.0 not now"}, "sent"),
    ({"stage": "data", "reply": "554 5.7.1 no"}, "failed"),
    ({"stage": "body", "then": "close"}, "unknown"),
    ({"stage": "end", "reply": "452 4.3.1 full"}, "sent"),
    ({"stage": "end", "reply": "554 5.7.1 spam"}, "failed"),
    ({"stage": "end", "then": "close"}, "unknown"),
    ({"stage": "end", "then": "hang"}, "unknown"),
    ({"stage": "quit", "then": "close"}, "sent"),
]
# Before any mail: these belong to whoever's connection it is, and each mail goes all the same.
BEFORE = [
    {"stage": "connect", "reply": "421 4.3.2 going down", "then": "close"},
    {"stage": "connect", "then": "close"},
    {"stage": "ehlo", "reply": "421 4.3.2 going down", "then": "close"},
]


def test_every_stage_has_its_state_and_what_was_taken_is_known(
    tmp_path: Path, system_of: Callable[..., System], seed: int, bar: Bar, fault_report: Report
) -> None:
    rounds = bar(quick=3, full=30)
    count = rounds * len(STAGES)
    faults = [
        {**fault, "recipient": f"p{number}@example.org"}
        for number, (fault, _) in enumerate(STAGES * rounds)
        if fault["stage"] != "quit"
    ]
    sink = UnkeyedSink(tmp_path / "sink", faults=[*BEFORE, *faults, {"stage": "quit", "then": "close"}])
    system = system_of(setup(stream=local(), channels=[mail(sink.port, timeout=2, concurrency=4)]))
    system.start()
    began = time.monotonic()
    events = list(sign_ins(range(count)))
    to_local(system)([value for _, value in events])
    system.settle(events=count, within=120)
    seconds = time.monotonic() - began
    system.stop()
    activity, arrived = system.activity(), sink.arrived()
    sink.stop()
    result = account([each for each, _ in events], arrived, activity)
    fault_report(result.row(27, seed=seed, kills=0, seconds=seconds))
    assert result.settled, result.problems
    assert not result.problems
    ends = {line["person"]: line["outcome"] for line in activity if line["key"]}
    for number, (fault, end) in enumerate(STAGES * rounds):
        assert ends[f"p{number}"] == end, fault
    # The server broke off in the middle of these; from outside nobody can tell them from those it took.
    untaken = sum(fault["stage"] == "body" for fault, _ in STAGES) * rounds
    assert sum(arrived.values()) + untaken == result.delivered + result.unknown
    assert max(arrived.values()) == 1


def test_a_refused_login_stops_the_channel_and_no_mail_is_lost(
    tmp_path: Path, system_of: Callable[..., System]
) -> None:
    sink = UnkeyedSink(tmp_path / "sink", faults=[{"stage": "auth", "reply": "535 5.7.8 wrong", "times": 2}])
    channel = mail(sink.port, username="shop", password="${secret:mail/password}", concurrency=1)
    system = system_of(setup(stream=local(), channels=[channel]), secrets={"mail/password": "right"})
    system.start()
    produced, value = sign_in(1)
    to_local(system)([value])
    system.settle(events=1)
    system.stop()
    result = account([produced], sink.arrived(), system.activity())
    sink.stop()
    assert (result.delivered, result.problems) == (1, [])

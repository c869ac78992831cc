"""The demo's account."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from whereupon.demo.account import Account
from whereupon.demo.sinks import Arrival
from whereupon.demo.traffic import Event


def event(name: str, stream: str = "SignIn") -> Event:
    return Event(stream, name, f"person of {name}", name.encode())


def arrival(name: str, at: float = 2.0) -> Arrival:
    return Arrival(f"key of {name}", at, "ESP", "", "", "")


def row(name: str, outcome: str, reason: str = "") -> dict[str, Any]:
    return {
        "stream": "SignIn",
        "event_id": name,
        "person": f"person of {name}",
        "outcome": outcome,
        "reason": reason,
    }


@pytest.fixture
def account() -> Account:
    """An account to which e1, e2 and e3 were handed over at 1.0."""
    made = Account(lambda each: f"key of {each.event_id}")
    for name in ("e1", "e2", "e3"):
        made.hand_over(event(name), 1.0)
    return made


def test_what_has_not_arrived_and_has_no_reason_is_unaccounted(account: Account) -> None:
    account.arrive(arrival("e1"))
    totals = account.totals()
    assert (totals.events, totals.sent, totals.unaccounted) == (3, 1, 2)


def test_what_the_service_calls_sent_and_no_sink_has_seen_is_unaccounted(account: Account) -> None:
    account.record(row("e1", "sent"))
    assert account.totals().unaccounted == 3


def test_every_end_has_its_count(account: Account) -> None:
    account.record(row("e1", "withheld", "limit"))
    account.record(row("e2", "failed", "refused"))
    account.record(row("e3", "unknown"))
    totals = account.totals()
    assert (totals.withheld, totals.failed, totals.unknown, totals.unaccounted) == ({"limit": 1}, 1, 1, 0)


def test_a_repeat_counts_only_once_the_service_has_recognised_it(account: Account) -> None:
    account.arrive(arrival("e1"))
    account.hand_over(event("e1"), 1.5)
    assert account.totals().repeats == 0
    account.record(row("e1", "repeat"))
    account.record(row("e1", "repeat"))
    totals = account.totals()
    assert (totals.events, totals.sent, totals.repeats, totals.unaccounted) == (4, 1, 1, 2)


def test_an_event_that_is_no_json_is_accounted_for_as_a_dead_letter_with_its_bytes(account: Account) -> None:
    broken = Event("SignIn", "", "", b'{"id')
    account.hand_over(broken, 1.0)
    account.hand_over(replace(broken, value=b'{"i'), 1.0)
    account.record_dead(b'{"id')
    totals = account.totals()
    assert (totals.dead_letters, totals.unaccounted) == (1, 4)


def test_a_message_that_comes_twice_is_sent_once(account: Account) -> None:
    assert account.arrive(arrival("e1")) == event("e1")
    assert account.arrive(arrival("e1", 9.0)) is None
    totals = account.totals()
    assert (totals.sent, totals.p50_ms) == (1, 1000.0)


def test_a_message_that_no_event_explains_is_a_stray(account: Account) -> None:
    assert account.arrive(arrival("e99")) is None
    assert (account.strays, account.totals().sent) == (1, 0)


def test_latency_is_from_the_first_hand_over_to_the_sink(account: Account) -> None:
    account.hand_over(event("e1"), 1.9)
    for name, at in (("e1", 2.0), ("e2", 1.01), ("e3", 1.02)):
        account.arrive(arrival(name, at))
    totals = account.totals()
    assert (round(totals.p50_ms), round(totals.p99_ms)) == (20, 1000)

"""Compiled plans and decoded events for tests of what is decided, without any part opened."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from tests.world import running_of, setup_of
from whereupon.engine.assembly import stream_plan
from whereupon.engine.decide import (
    NO_RECORDS,
    CampaignPlan,
    Facts,
    Prepared,
    Records,
    StreamPlan,
    compiled_campaign,
    prepared,
    settled,
)
from whereupon.engine.limits import Counters
from whereupon.model.content import ChannelTraits
from whereupon.model.decided import Decision, Trace
from whereupon.model.decoding import Bad, Decoded
from whereupon.model.events import RawEvent
from whereupon.model.names import Names

NOW = 1_767_225_600_000
"""The time of all events and decisions that say no other, UTC milliseconds."""
Event = tuple[RawEvent, Decoded | Bad]


def plan_of(*campaigns: Mapping[str, Any], traits: ChannelTraits | None = None, **setup: Any) -> StreamPlan:
    """The plan of the stream SignIn with these campaigns."""
    running = running_of(setup_of(*campaigns, **setup))
    compiled = [
        compiled_campaign(
            each,
            names=Names.published(each, running.setup),
            traits=traits or ChannelTraits(),
            filled=running.setup.store("TealGreen") if traits and traits.fills else None,
            address=lambda fields: fields.get("email", ""),
        )
        for each in running.on_stream("SignIn")
    ]
    return stream_plan(running, running.setup.streams.streams[0], tuple(compiled))


def event(number: int, *, person: str = "", at: int = NOW, partition: int = 0, **fields: str) -> Event:
    """An event that can be used; `number` is its offset and its producer's id."""
    person = person or str(1000 + number)
    known = {"urn": person, "email": f"{person}@example.org", "location": "Lisbon", **fields}
    return RawEvent(partition, number, b"{}", at), Decoded(f"e{number}", person, at, known)


def ready(plan: StreamPlan, *events: Event, records: Records = NO_RECORDS) -> list[Prepared]:
    """Events matched and rendered."""
    return prepared(plan, events, records)


def decide(plan: StreamPlan, batch: Sequence[Prepared], **facts: Any) -> Decision:
    """Settle a batch with these facts; by default it is NOW, and nothing is known of anybody."""
    return settled(plan, batch, Facts(facts.pop("now", NOW), "topic", itertools.count(100), **facts))


def outcomes(decision: Decision) -> list[str]:
    """State and reason of each trace, in order."""
    return [said(trace) for each in decision.record.events for trace in each.traces]


def said(trace: Trace) -> str:
    """State and reason of one."""
    return f"{trace.state}: {trace.reason}" if trace.reason else trace.state


def had(person: str, *messages: Any, crowded: Sequence[str] = ()) -> Counters:
    """Counters in which one person has had these messages."""
    return Counters({person: list(messages)}, crowded)


__all__ = [
    "NOW", "CampaignPlan", "Event", "decide", "event", "had", "outcomes", "plan_of", "ready", "said",
]  # fmt: skip

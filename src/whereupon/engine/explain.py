"""Explain: why a message went or did not, from what the journal kept at the time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from whereupon.engine.decide import CampaignPlan, explained
from whereupon.model.conditions import Known, Outcome
from whereupon.model.decided import BatchRecord, EventRecord, Trace
from whereupon.model.decoding import Bad, Decode
from whereupon.model.durations import lasting
from whereupon.model.events import RawEvent


@dataclass(frozen=True, slots=True)
class Ended:
    """A row of outcomes, as it stands now; times are UTC ms."""

    campaign: int
    version: int
    state: str
    reason: str
    tries: int
    decided: int
    first_try: int | None
    finished: int | None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try."""

    n: int
    started: int
    ended: int
    answer: str


@dataclass(frozen=True, slots=True)
class CampaignStory:
    """What one campaign made of an event: conditions with their outcomes, counters against limits, message, tries.

    `matched` is False where the audience wasn't met; `ended` is None then.
    """

    name: str
    version: int
    matched: bool
    conditions: Sequence[Outcome] = ()
    limits: Sequence[str] = ()
    fields: dict[str, str] = field(default_factory=dict)
    key: str = ""
    detail: str = ""
    ended: Ended | None = None
    attempts: Sequence[Attempt] = ()


@dataclass(frozen=True, slots=True)
class Story:
    """One event: as it came, what the stores knew, each campaign's story. `kept` is False once the batch is gone;
    `steps` are the milliseconds that each step before the decision took for the event's whole batch."""

    event: int
    stream: str
    person: str
    event_id: str
    at: int
    seen: int
    kept: bool
    fields: dict[str, str] = field(default_factory=dict)
    stores: dict[str, dict[str, str] | None] = field(default_factory=dict)
    campaigns: Sequence[CampaignStory] = ()
    steps: dict[str, float] = field(default_factory=dict)


Versions = Callable[[int, int], CampaignPlan | None]
"""(campaign, version) → the plan of that version, None if it can't be compiled any more."""


def campaign_stories(
    record: BatchRecord, event: EventRecord, *, decode: Decode | None, zone: ZoneInfo, versions: Versions,
    ended: dict[int, Ended], attempts: dict[int, list[Attempt]], current: Callable[[int], int],
) -> list[CampaignStory]:  # fmt: skip
    """The campaigns that were asked about an event, by the versions that decided; `current` gives the version in force
    of a campaign whose audience wasn't met."""
    known = _known(record, event, decode, zone)
    stories = [_matched(record, each, known, versions, ended, attempts) for each in event.traces]
    for campaign in event.unmet:
        version = current(campaign)
        plan = versions(campaign, version)
        conditions = explained(plan, known) if plan is not None and known is not None else ()
        stories.append(CampaignStory(plan.name if plan else str(campaign), version, False, conditions))
    return stories


def _known(record: BatchRecord, event: EventRecord, decode: Decode | None, zone: ZoneInfo) -> Known | None:
    raw = RawEvent(event.partition, event.offset, event.raw, event.at)
    read = decode(raw, record.topic, record.decided) if decode is not None else Bad("", "")
    if isinstance(read, Bad):
        return None
    return Known(stream=read.fields, stores=event.stores, row={}, at=event.at, zone=zone)


def _matched(
    record: BatchRecord, trace: Trace, known: Known | None, versions: Versions, ended: dict[int, Ended],
    attempts: dict[int, list[Attempt]],
) -> CampaignStory:  # fmt: skip
    plan = versions(trace.campaign, trace.version)
    limits = [
        f"{count} of {cap.at_most} messages ({cap.messages}) within {lasting(cap.within)}"
        for cap, count in zip(plan.limits if plan else (), trace.counts, strict=False)
    ]
    return CampaignStory(
        record.names.get(trace.campaign, str(trace.campaign)),
        trace.version,
        True,
        explained(plan, known) if plan is not None and known is not None else (),
        limits,
        trace.fields,
        trace.key,
        trace.detail,
        ended.get(trace.campaign),
        attempts.get(trace.campaign, []),
    )

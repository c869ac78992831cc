"""What becomes of an event: the one place that asks conditions and renders content.

`prepared` matches and renders outside any transaction; `settled` asks repeats, age, pause and limits inside one.
Both are pure: what they need is passed in.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from whereupon.engine.limits import Cap, Counted, Counters, caps, reached
from whereupon.model.conditions import Known, Names, Outcome, compiled, outcomes
from whereupon.model.content import ChannelTraits, MessagePlan, Withheld, plan
from whereupon.model.decided import (
    FAILED,
    QUEUED,
    SENDING,
    WAITING,
    WITHHELD,
    BatchRecord,
    DeadLetter,
    Decision,
    EventRecord,
    Joined,
    Repeat,
    Trace,
)
from whereupon.model.decoding import Bad, Decoded
from whereupon.model.durations import lasting
from whereupon.model.events import Message, RawEvent, message_key
from whereupon.model.running import Published
from whereupon.model.setup import Store

DAY = 86_400_000
LARGEST = 1_000_000
"""Bytes of a message above which it is withheld *too large* (line.md, States)."""
OVERTAKES = 60_000
"""Milliseconds after which a message no longer waits for its person's earlier one."""
BATCH_SIZE = 16_000_000
"""Bytes of rendered messages at which a batch ends early (line.md, Steps)."""


class Records(NamedTuple):
    """What the look-ups found: store → key → record; and the keys that a store refused, with its words."""

    found: Mapping[str, Mapping[str, dict[str, str]]]
    refused: Mapping[str, Mapping[str, str]]


NO_RECORDS = Records({}, {})


@dataclass(frozen=True, slots=True)
class CampaignPlan:
    """A published campaign, compiled once: what a batch asks of it. One that can't be compiled is `broken`, with the
    reason, and has no content: all it could have sent are dead letters."""

    id: int
    version: int
    name: str
    channel: int
    expires: int
    limits: tuple[Cap, ...]
    counts: bool
    admits: Callable[[Known], bool] | None
    content: MessagePlan | None
    address: Callable[[Mapping[str, str]], str]
    stores: frozenset[str]
    largest: int
    published: Published
    names: Names
    broken: str = ""


@dataclass(frozen=True, slots=True)
class StreamPlan:
    """All campaigns of one stream under one revision, in the order they are asked."""

    id: int
    name: str
    revision: int
    zone: ZoneInfo
    recognise: int
    campaigns: tuple[CampaignPlan, ...]

    @property
    def stores(self) -> frozenset[str]:
        """The stores that the campaigns look up; none = no look-up at all."""
        return frozenset().union(*(each.stores for each in self.campaigns))

    @property
    def widest(self) -> int:
        """The longest window of all limits in milliseconds; 0 = no counters are needed."""
        return max((cap.within for each in self.campaigns for cap in each.limits), default=0)

    def alone(self, campaign: int) -> StreamPlan:
        """This plan with one campaign only."""
        kept = tuple(each for each in self.campaigns if each.id == campaign)
        return StreamPlan(self.id, self.name, self.revision, self.zone, self.recognise, kept)


@dataclass(frozen=True, slots=True)
class Broken:
    """A message that can't be made because of one event's data: it becomes a dead letter."""

    reason: str
    detail: str


class Candidate(msgspec.Struct, frozen=True, gc=False):
    """What a campaign would send for an event, with its weight, or why it wouldn't."""

    plan: CampaignPlan
    made: dict[str, str] | Withheld | Broken
    weight: int = 0


class Prepared(msgspec.Struct, frozen=True):
    """An event with all that can be said of it before the journal is asked. `failure` is what nobody expected of it."""

    raw: RawEvent
    event: Decoded | Bad
    stores: dict[str, dict[str, str] | None] = {}
    candidates: Sequence[Candidate] = ()
    unmet: Sequence[int] = ()
    failure: Exception | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """What the journal and the operator say while a batch is settled; `ids` hands out event numbers, ascending."""

    now: int
    topic: str
    ids: Iterator[int]
    repeats: Collection[tuple[str, str]] = frozenset()
    counters: Counters = field(default_factory=Counters)
    paused: Collection[int] = frozenset()
    held: Mapping[int, str] = field(default_factory=dict)


def compiled_campaign(
    published: Published, *, names: Names, traits: ChannelTraits, filled: Store | None,
    address: Callable[[Mapping[str, str]], str], largest: int = LARGEST,
) -> CampaignPlan:  # fmt: skip
    """Conditions to closures, templates to parsed trees, limits to numbers. Raises SetupError."""
    campaign = published.campaign
    where = campaign.audience.where
    content = plan(published, names, traits, filled)
    return CampaignPlan(
        id=published.id,
        version=published.version,
        name=campaign.name,
        channel=published.channel_id,
        expires=campaign.expires.milliseconds if campaign.expires else DAY,
        limits=caps(campaign.limits),
        counts=not traits.fills,
        admits=compiled(where, names) if where is not None else None,
        content=content,
        address=address,
        stores=content.stores | (names.stores_in(where) if where is not None else frozenset()),
        largest=largest,
        published=published,
        names=names,
    )


def broken_campaign(published: Published, reason: str) -> CampaignPlan:
    """A campaign that can't be compiled any more."""
    return CampaignPlan(
        published.id, published.version, published.campaign.name, published.channel_id, DAY, (), False, None, None,
        lambda fields: "", frozenset(), LARGEST, published, Names(), reason,
    )  # fmt: skip


def prepared(
    plan: StreamPlan, events: Iterable[tuple[RawEvent, Decoded | Bad]], records: Records
) -> list[Prepared]:
    """Match and render; ends early where the messages pass BATCH_SIZE (the rest is the next batch).

    An event for which that fails in a way that nobody expected is a bad one: its neighbours go on.
    """
    done: list[Prepared] = []
    size = 0
    for raw, event in events:
        if size > BATCH_SIZE:
            break
        if isinstance(event, Bad):
            done.append(Prepared(raw, event))
            continue
        try:
            one = matched(plan, raw, event, records)
        except Exception as error:
            one = Prepared(raw, Bad("", f"unexpected: {error!r}"), failure=error)
        done.append(one)
        for candidate in one.candidates:
            size += candidate.weight
    return done


def matched(plan: StreamPlan, raw: RawEvent, event: Decoded, records: Records) -> Prepared:
    """Ask each campaign of the stream about one event, and render for those whose audience it meets."""
    person = event.person
    found = {name: of.get(person) for name, of in records.found.items()}
    known = Known(event.fields, found, {}, event.at, plan.zone)
    candidates, unmet = [], []
    for campaign in plan.campaigns:
        if broken := _broken(campaign, person, records) if campaign.broken or records.refused else None:
            candidates.append(Candidate(campaign, broken))
        elif campaign.admits is None or campaign.admits(known):
            candidates.append(_candidate(campaign, known))
        else:
            unmet.append(campaign.id)
    return Prepared(raw, event, found, candidates, unmet)


def _broken(campaign: CampaignPlan, person: str, records: Records) -> Broken | None:
    if campaign.broken:
        return Broken("held", campaign.broken)
    for name in campaign.stores:
        if person in records.refused.get(name, {}):
            return Broken("store refused the key", f"{name}: {records.refused[name][person]}")
    return None


def made(campaign: CampaignPlan, known: Known) -> dict[str, str] | Withheld | Broken:
    """The message's fields, or why there is no message."""
    return _candidate(campaign, known).made


def _candidate(campaign: CampaignPlan, known: Known) -> Candidate:
    fields = campaign.content.render(known) if campaign.content is not None else {}
    if isinstance(fields, Withheld):
        return Candidate(campaign, fields)
    size = weight(fields)
    if size > campaign.largest:
        return Candidate(campaign, Withheld("too large", f"more than {campaign.largest:,} bytes"))
    return Candidate(campaign, fields, size)


def weight(fields: Mapping[str, str]) -> int:
    """Roughly the bytes of a message."""
    return sum(map(len, fields.values()))


def settled(plan: StreamPlan, batch: Sequence[Prepared], facts: Facts) -> Decision:
    """The end of each event and each matching campaign, in the order of offsets; counts within the batch too."""
    names = {each.id: each.name for each in plan.campaigns}
    record = BatchRecord(plan.id, plan.name, facts.topic, plan.revision, facts.now, [], [], names)
    decision = Decision(record, [], {})
    seen = set(facts.repeats)
    for each in batch:
        event = each.event
        if isinstance(event, Bad):
            decision.dead.append(_dead(plan, facts, each.raw, event))
            continue
        identity = (event.person, event.event_id)
        if identity in seen:
            record.repeats.append(Repeat(each.raw.partition, each.raw.offset, event.at, *identity))
            continue
        seen.add(identity)
        record.events.append(_settled_event(plan, each, event, facts, decision))
    return decision


def _dead(plan: StreamPlan, facts: Facts, raw: RawEvent, bad: Bad) -> DeadLetter:
    place = f"{plan.name}, partition {raw.partition}, offset {raw.offset}"
    said = f"{bad.place}: {bad.reason}" if bad.place else bad.reason
    return DeadLetter("decode", place, said, raw.value)


def _settled_event(
    plan: StreamPlan, each: Prepared, event: Decoded, facts: Facts, decision: Decision
) -> EventRecord:
    raw = each.raw
    record = EventRecord(
        next(facts.ids), raw.partition, raw.offset, event.at, event.person, event.event_id, raw.value or b"",
        each.stores, [], list(each.unmet),
    )  # fmt: skip
    for candidate in each.candidates:
        campaign = candidate.plan
        trace = _settled_candidate(plan, candidate, event, facts)
        record.traces.append(trace)
        if trace.state == SENDING:
            message = trace.message(record, campaign_name=campaign.name, stream=plan.name)
            decision.messages.setdefault(campaign.channel, []).append(message)
        elif trace.state == FAILED:
            place = f"{plan.name}, partition {raw.partition}, offset {raw.offset}"
            decision.dead.append(DeadLetter("decide", place, trace.detail, raw.value, record.id, campaign.id))
    return record


def _settled_candidate(plan: StreamPlan, candidate: Candidate, event: Decoded, facts: Facts) -> Trace:
    campaign, fields, person = candidate.plan, candidate.made, event.person
    if campaign.id in facts.held:
        fields = Broken("held", facts.held[campaign.id])
    if isinstance(fields, Broken):
        return _trace(campaign, FAILED, fields)
    if late := _too_late(plan, campaign, event, facts):
        return _trace(campaign, WITHHELD, late)
    if isinstance(fields, Withheld):
        return _trace(campaign, WITHHELD, fields)
    counts, limit = _limited(campaign, person, facts) if campaign.limits else ([], None)
    if limit is not None:
        return _trace(campaign, WITHHELD, limit, counts)
    if campaign.counts:
        facts.counters.add(person, Counted(campaign.id, campaign.channel, facts.now))
    return Trace(
        campaign.id, campaign.version, campaign.channel, SENDING, "", "",
        message_key(plan.id, event.event_id, campaign.id, person, campaign.channel),
        campaign.address(fields), fields, counts, event.at + campaign.expires,
    )  # fmt: skip


def _trace(campaign: CampaignPlan, state: str, why: Withheld | Broken, counts: Sequence[int] = ()) -> Trace:
    return Trace(
        campaign.id, campaign.version, campaign.channel, state, why.reason, why.detail, counts=[*counts]
    )


def _too_late(plan: StreamPlan, campaign: CampaignPlan, event: Decoded, facts: Facts) -> Withheld | None:
    age = facts.now - event.at
    if age > plan.recognise:
        return Withheld("too old", "the event is older than the time in which repeats are recognised")
    if campaign.id in facts.paused:
        return Withheld("paused", "the campaign is paused")
    if age > campaign.expires:
        return Withheld("expired", f"the event was {age // 1000:,} s old")
    return None


def _limited(campaign: CampaignPlan, person: str, facts: Facts) -> tuple[list[int], Withheld | None]:
    """What is counted for each limit, and the one that is reached."""
    if person in facts.counters.crowded:
        return [], Withheld("too many events", "the person has too many events to be counted")
    counts = facts.counters.counts(
        person, campaign.limits, campaign=campaign.id, channel=campaign.channel, now=facts.now
    )
    cap = reached(campaign.limits, counts)
    if cap is None:
        return counts, None
    said = f"{cap.at_most} messages ({cap.messages}) within {lasting(cap.within)} are reached"
    return counts, Withheld("limit", said)


def explained(campaign: CampaignPlan, known: Known) -> list[Outcome]:
    """Each condition of a campaign's audience with its outcome, in words."""
    where = campaign.published.campaign.audience.where
    return outcomes(where, campaign.names, known) if where is not None else []


class Placed(NamedTuple):
    """Messages that don't leave at once: those that join an earlier one's wait, and how many queue, by channel."""

    joined: list[Joined]
    queued: dict[int, int]


def placed(
    decision: Decision, *, claim: Callable[[int, Sequence[Message]], int],
    behind: Mapping[tuple[int, str], int], steady: int,
) -> Placed:  # fmt: skip
    """Where each message goes: behind its person's earlier one that waits (`behind`: (channel, person) → due), else
    to its lane as far as that has places (`claim` keeps them), else to the lane's queue. `decision.messages` keeps
    those that leave now; `steady` is the time (ms) that the due ones are in."""
    states: dict[tuple[int, int], str] = {}
    done = Placed([], {})
    for channel, messages in decision.messages.items():
        free = []
        for message in messages:
            due = behind.get((channel, message.person)) if behind else None
            if due is None:
                free.append(message)
                continue
            states[message.event, message.campaign] = WAITING
            latest = min(due + 1, steady + OVERTAKES)
            done.joined.append(Joined(message.event, message.campaign, channel, message.person, latest))
        leaving = claim(channel, free) if free else 0
        states.update(((each.event, each.campaign), QUEUED) for each in free[leaving:])
        if leaving < len(free):
            done.queued[channel] = len(free) - leaving
        decision.messages[channel] = free[:leaving]
    for event in decision.record.events if states else ():
        for trace in event.traces:
            trace.state = states.get((event.id, trace.campaign), trace.state)
    return done

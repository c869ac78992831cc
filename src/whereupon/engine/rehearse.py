"""Rehearse: what a campaign would have made of real past events, by the same code as live, with nothing sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

from whereupon.engine.decide import Facts, Prepared, Records, StreamPlan, matched, settled
from whereupon.engine.limits import Counted, Counters
from whereupon.model.decided import SENDING, BatchRecord, EventRecord, Trace
from whereupon.model.decoding import Bad, Decode, Decoded
from whereupon.model.events import RawEvent
from whereupon.storage.counting import Had

Find = Callable[[frozenset[str], Sequence[str]], Records]
"""Looks these persons up in these stores, now."""


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """One event of a rehearsal: who, and what the campaign would have made of it (None = its audience isn't met)."""

    event: EventRecord
    trace: Trace | None


@dataclass(slots=True)
class Summary:
    """A rehearsal in figures."""

    events: int = 0
    would_send: int = 0
    unmet: int = 0
    withheld: Counter[str] = field(default_factory=Counter)

    def note(self, each: Rehearsed) -> None:
        """Count one event."""
        self.events += 1
        if each.trace is None:
            self.unmet += 1
        elif each.trace.state == SENDING:
            self.would_send += 1
        else:
            self.withheld[each.trace.reason] += 1


def rehearsed(
    plan: StreamPlan,
    records: Iterable[BatchRecord],
    *,
    decode: Decode,
    find: Find,
    had: Callable[[BatchRecord], Had],
) -> Iterator[tuple[EventRecord, list[Trace]]]:
    """What all campaigns of `plan` would have made of recorded batches, oldest first: events with their traces.

    What the stores knew is taken from the record; stores that weren't asked then are asked now. Limits are counted as
    if: from what the persons had had before the first batch (`had`), then by the rehearsal itself.
    """
    first, rest = _first(records)
    if first is None:
        return
    before = had(first)
    counters = Counters(
        {person: [Counted(*each) for each in counted] for person, counted in before.messages.items()},
        before.crowded,
    )
    for record in chain([first], rest):
        batch = [_prepared(plan, record, event, decode, find) for event in record.events]
        usable = (not isinstance(each.event, Bad) for each in batch)
        ids = iter([event.id for event, sound in zip(record.events, usable, strict=True) if sound])
        facts = Facts(record.decided, record.topic, ids, counters=counters)
        for event in settled(plan, batch, facts).record.events:
            yield event, event.traces


def of_campaign(
    campaign: int, events: Iterable[tuple[EventRecord, list[Trace]]]
) -> Iterator[Rehearsed]:  # fmt: skip
    """Only what one campaign would have made of the events."""
    for event, traces in events:
        yield Rehearsed(event, next((each for each in traces if each.campaign == campaign), None))


def _first(records: Iterable[BatchRecord]) -> tuple[BatchRecord | None, Iterator[BatchRecord]]:
    rest = iter(records)
    return next(rest, None), rest


def _prepared(
    plan: StreamPlan, record: BatchRecord, event: EventRecord, decode: Decode, find: Find
) -> Prepared:
    raw = RawEvent(event.partition, event.offset, event.raw, event.at)
    read = decode(raw, record.topic, record.decided)
    if isinstance(read, Bad):  # the stream's fields have changed since
        return Prepared(raw, read)
    known = Decoded(event.event_id, event.person, event.at, read.fields)
    return matched(plan, raw, known, _records(plan, event, find))


def _records(plan: StreamPlan, event: EventRecord, find: Find) -> Records:
    missing = plan.stores - event.stores.keys()
    found: dict[str, Mapping[str, dict[str, str]]] = {
        name: {event.person: record} if record is not None else {} for name, record in event.stores.items()
    }
    if not missing:
        return Records(found, {})
    now = find(missing, [event.person])
    return Records({**found, **now.found}, now.refused)

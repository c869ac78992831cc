"""A rehearsal from end to end: the draft, the stream's last events, what the stores know, and what would have been."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

from whereupon.engine.assembly import (
    Workshop,
    campaign_plan,
    opened,
    store_order,
    stream_order,
    stream_plan,
    traits,
)  # fmt: skip
from whereupon.engine.decide import CampaignPlan, StreamPlan
from whereupon.engine.lookup import Lookup
from whereupon.engine.rehearse import Rehearsed, Summary, of_campaign, rehearsed
from whereupon.kit.roles import Store, Stream
from whereupon.model import setup as nouns
from whereupon.model.decided import SENDING, BatchRecord, EventRecord
from whereupon.model.decoding import Bad, Decode, decoder
from whereupon.model.errors import Mistakes, SetupError
from whereupon.model.findings import no_such
from whereupon.model.names import variable_types
from whereupon.model.running import Published, Running
from whereupon.storage import checks, versions
from whereupon.storage.counting import Had
from whereupon.storage.past import Past
from whereupon.storage.repository import Repository


@dataclass(frozen=True, slots=True)
class Line:
    """What would have become of one event. `event` is its number in the journal, 0 if it isn't recorded there."""

    event: int
    event_id: str
    person: str
    outcome: str
    reason: str = ""
    fields: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """A rehearsal in lines and figures; `notes` say what a reader should know of its events."""

    campaign: str
    events: int
    would_send: int
    unmet: int
    withheld: dict[str, int]
    lines: Sequence[Line] = ()
    notes: Sequence[str] = ()


def rehearse(shop: Workshop, repository: Repository, campaign: str, *, last: int) -> Rehearsal:
    """What a campaign as it is drafted would have made of the stream's last events; nothing is sent or written.

    They are the recorded ones; of a stream that has none, those it still holds. Raises Mistakes if the draft has any.
    """
    setup = repository.setup()
    draft = _draft(setup, campaign)
    stream = _stream(shop, setup, draft)
    running = repository.running()
    plan = _plan(shop, running, setup, draft, stream)
    decode = decoder(stream, ZoneInfo(setup.system.time_zone), variable_types(setup))
    with ExitStack() as stack:
        past = stack.enter_context(closing(Past(shop.databases.system, shop.databases.streams)))
        records, notes = past.last_batches(plan.id, events=last), list[str]()
        if not records:
            records, notes = _held(shop, setup, stream, decode, last)
        elif (there := sum(len(each.events) for each in records)) < last:
            notes.append(f"The journal holds {there:,} events of {stream.name}.")
        had = _had(shop, past, running, plan, records)
        stores = _Stores(shop, setup, stack)
        lines = rehearsed(
            plan, records, decode=decode, find=Lookup(stores.store).records, had=lambda first: had
        )  # fmt: skip
        return _summed(campaign, of_campaign(running.ids["campaign", campaign], lines), notes)


def _summed(campaign: str, lines: Iterator[Rehearsed], notes: Sequence[str]) -> Rehearsal:
    summary, said = Summary(), []
    for each in lines:
        summary.note(each)
        said.append(_line(each))
    return Rehearsal(
        campaign, summary.events, summary.would_send, summary.unmet, dict(summary.withheld), said, notes
    )  # fmt: skip


def _line(each: Rehearsed) -> Line:
    event, trace = each.event, each.trace
    if trace is None:
        return Line(event.id, event.event_id, event.person, "not in the audience")
    outcome = "sent" if trace.state == SENDING else trace.state
    reason = f"{trace.reason}: {trace.detail}" if trace.reason and trace.detail else trace.reason
    return Line(event.id, event.event_id, event.person, outcome, reason, trace.fields)


# -- the plan ------------------------------------------------------------------------------------------------------


def _draft(setup: nouns.Setup, name: str) -> nouns.Campaign:
    found = setup.campaign(name)
    if found is None:
        raise no_such("campaign", name, [each.name for each in setup.campaigns])
    return found


def _stream(shop: Workshop, setup: nouns.Setup, draft: nouns.Campaign) -> nouns.Stream:
    errors = checks.concerning(checks.found(setup, shop.registry), setup, [draft.name])
    if errors:
        raise Mistakes(
            f"{draft.name} can't be rehearsed yet.",
            [str(each) for each in errors],
            hint="Put its mistakes right.",
        )
    stream = setup.stream(draft.audience.stream)
    if stream is None:
        raise SetupError(
            f"{draft.name} is a campaign on a table, and only event-triggered ones are rehearsed.",
            hint="Name a campaign whose audience is a stream.",
        )
    return stream


def _plan(
    shop: Workshop, running: Running, setup: nouns.Setup, draft: nouns.Campaign, stream: nouns.Stream
) -> StreamPlan:  # fmt: skip
    """The stream's published campaigns, the draft in its own one's place: limits count the others' messages too."""
    ids = running.ids
    number = ids["campaign", draft.name]
    body = versions.body_of(setup, draft, shop.registry)
    ours = versions.published(setup, number, 0, body, ids)
    others = tuple(each for each in running.campaigns if each.id != number)
    as_if = Running(running.revision, setup, (*others, ours), ids)
    campaigns = [_compiled(shop, as_if, each, number) for each in as_if.on_stream(stream.name)]
    return stream_plan(as_if, stream, tuple(each for each in campaigns if each is not None))


def _compiled(shop: Workshop, running: Running, published: Published, draft: int) -> CampaignPlan | None:
    try:
        return campaign_plan(shop, running, published, {})
    except SetupError:
        if published.id == draft:
            raise
        return None  # the service holds it, so it sends nothing that could count


# -- the events ----------------------------------------------------------------------------------------------------


def _had(
    shop: Workshop, past: Past, running: Running, plan: StreamPlan, records: Sequence[BatchRecord]
) -> Had:
    if not plan.widest or not records:
        return Had({}, frozenset())
    first = records[0].decided
    persons = {event.person for record in records for event in record.events}
    fills = [
        running.ids["channel", each.name] for each in running.setup.channels if traits(shop, each).fills
    ]  # fmt: skip
    return past.had(persons, since=first - plan.widest, until=first, fills=fills)


def _held(
    shop: Workshop, setup: nouns.Setup, stream: nouns.Stream, decode: Decode, last: int
) -> tuple[list[BatchRecord], list[str]]:  # fmt: skip
    """The stream's own last events, each as a batch decided when it came."""
    part = opened(shop, stream_order(shop, setup, stream))
    assert isinstance(part, Stream)  # noqa: S101 - for the types
    found: dict[tuple[str, str], BatchRecord] = {}
    unusable = 0
    with closing(part):
        for raw in part.read(last=last):
            read = decode(raw, "", shop.clock.now())
            if isinstance(read, Bad):
                unusable += 1
                continue
            event = EventRecord(
                0,
                raw.partition,
                raw.offset,
                read.at,
                read.person,
                read.event_id,
                raw.value or b"",
                {},
                [],
                [],
            )
            batch = BatchRecord(0, stream.name, "", 0, read.at or shop.clock.now(), [event], [], {})
            found.setdefault((read.person, read.event_id), batch)
    notes = [
        f"The journal holds no event of {stream.name}: these are {len(found):,} that the stream itself holds."
    ]
    if unusable:
        notes.append(f"{unusable:,} more can't be used; live, they become dead letters.")
    return list(found.values()), notes


class _Stores:
    """Stores, opened when they are first asked and closed with the rehearsal."""

    def __init__(self, shop: Workshop, setup: nouns.Setup, stack: ExitStack) -> None:
        self._shop, self._setup, self._stack = shop, setup, stack
        self._open: dict[str, Store[Any, Any]] = {}

    def store(self, name: str) -> Store[Any, Any]:
        """The opened store of a name."""
        if name not in self._open:
            noun = self._setup.store(name)
            if noun is None:
                raise SetupError(f"There is no store {name}.", hint="Choose one that exists.")
            part = opened(self._shop, store_order(self._shop, self._setup, noun))
            assert isinstance(part, Store)  # noqa: S101 - for the types
            self._open[name] = self._stack.enter_context(closing(part))
        return self._open[name]

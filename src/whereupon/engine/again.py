"""Again: dead letters that a person marked are asked anew, each for its campaign alone, and leave once more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from whereupon.engine.decide import CampaignPlan, Facts, Prepared, StreamPlan, matched, settled
from whereupon.engine.finish import Finisher
from whereupon.engine.limits import Counted, Counters, reached
from whereupon.engine.lookup import Lookup
from whereupon.engine.operating import Operating
from whereupon.host.clock import Clock
from whereupon.host.logs import logger
from whereupon.model.decided import FAILED, QUEUED, SENDING, UNKNOWN, WITHHELD, Decision, Joined, Trace
from whereupon.model.decoding import Bad, Decode, Decoded
from whereupon.model.errors import Refused
from whereupon.model.events import Message, RawEvent
from whereupon.storage.deliveries import Deliveries, Ending
from whereupon.storage.journal import Ask, Journal, Read
from whereupon.storage.letters import Letter, Letters

log = logger("again")
MOST = 200
"""Letters of one turn."""


class _Still(Exception):
    """The letter came to the same end once more; the reason is what the letter says from now on."""


@dataclass(frozen=True, slots=True)
class Source:
    """A stream as it is now: how its events are read and what is asked of them."""

    plan: StreamPlan
    decode: Decode


class Again:
    """The keeper's chore for marked dead letters; `source` gives a stream by its number, None if it is gone."""

    def __init__(
        self, letters: Letters, journal: Journal, deliveries: Deliveries, finisher: Finisher, lookup: Lookup,
        operating: Operating, *, source: Callable[[int], Source | None], fills: Callable[[], frozenset[int]],
        clock: Clock,
    ) -> None:  # fmt: skip
        self._letters = letters
        self._journal = journal
        self._deliveries = deliveries
        self._finisher = finisher
        self._lookup = lookup
        self._operating = operating
        self._source = source
        self._fills = fills
        self._clock = clock

    def turn(self) -> None:
        """Decide what is marked; a letter that comes to the same end once more waits for a person again."""
        for letter in self._letters.marked(self._journal.owner, most=MOST):
            try:
                said = self._again(letter)
            except (_Still, Refused) as error:
                self._letters.kept(letter.id, str(error))
                log.info("a dead letter can't be resent", letter=letter.id, reason=str(error))
                continue
            self._letters.judged(letter.id, said)
            log.info("dead letter resent", letter=letter.id, outcome=said)

    def _again(self, letter: Letter) -> str:
        if letter.event is None:
            return self._event(letter)
        if letter.stage == "send":
            return self._message(letter)
        return self._campaign(letter)

    def _event(self, letter: Letter) -> str:
        """An event that couldn't be used: decided as if it came now."""
        source = self._source(letter.stream)
        if source is None:
            return "its stream is gone; a row of a table comes again with the next run"
        raw = RawEvent(-1, letter.id, letter.raw)
        event = source.decode(raw, "again", self._clock.now())
        if isinstance(event, Bad):
            raise _Still(f"{event.place}: {event.reason}" if event.place else event.reason)
        records = self._lookup.records(source.plan.stores, {event.person})
        ready = [matched(source.plan, raw, event, records)]
        identities = [(event.person, event.event_id)]
        decision = self._journal.decide(
            Ask(source.plan.id, "again", identities, {}, self._since(source.plan), self._fills()),
            lambda read: self._settled(source.plan, ready, read),
            then=self._hand_over,
        )
        return _said(decision)

    def _hand_over(self, decision: Decision) -> None:
        for channel, messages in decision.messages.items():
            self._finisher.decided(channel, leaving=(), queued=len(messages), waiting=0, first=decision.first)

    def _settled(
        self, plan: StreamPlan, ready: Sequence[Prepared], read: Read
    ) -> tuple[Decision, Sequence[Joined]]:
        decision = settled(plan, ready, self._facts(read))
        for event in decision.record.events:
            for trace in event.traces:
                trace.state = QUEUED if trace.state == SENDING else trace.state
        return decision, ()

    def _campaign(self, letter: Letter) -> str:
        """A campaign that couldn't be decided (held, its store refused the key): its new trace takes its place."""
        record = self._deliveries.bodies.record(letter.event or 0)
        event = record.event(letter.event or 0) if record else None
        source = self._source(record.stream) if record else None
        if record is None or event is None or letter.campaign is None:
            return "its event is no longer kept"
        if source is None:
            return "its stream is gone; a row of a table comes again with the next run"
        if (self._deliveries.state(event.id, letter.campaign) or ("",))[0] != FAILED:
            return "it was decided meanwhile"
        plan = source.plan.alone(letter.campaign)
        raw = RawEvent(event.partition, event.offset, event.raw, event.at)
        read = source.decode(raw, record.topic, record.decided)
        if isinstance(read, Bad) or not plan.campaigns:
            raise _Still("its campaign isn't published any more, or its stream can't read it")
        known = Decoded(event.event_id, event.person, event.at, read.fields)
        ready = matched(plan, raw, known, self._lookup.records(plan.stores, {event.person}))
        since = self._since(plan) or self._clock.now()
        had = self._deliveries.had(event.person, since=since, fills=self._fills())
        decision = settled(plan, [ready], self._facts(Read(frozenset(), frozenset(), had, iter([event.id]))))
        traces = decision.record.events[0].traces
        if not traces:
            return "its audience isn't met"
        if traces[0].state == FAILED:
            raise _Still(f"{traces[0].reason}: {traces[0].detail}")
        self._rewrite(event.id, traces[0])
        return traces[0].reason or "resent"

    def _rewrite(self, event: int, trace: Trace) -> None:
        trace.state = QUEUED if trace.state == SENDING else trace.state
        self._deliveries.rewrite(event, trace, before=FAILED, now=self._clock.now())
        if trace.state == QUEUED:
            self._finisher.requeued(trace.channel, event, trace.campaign)

    def _message(self, letter: Letter) -> str:
        """A message that failed, or perhaps arrived: the stored body leaves once more, limits and age asked anew."""
        pair = (letter.event or 0, letter.campaign or 0)
        state = self._deliveries.state(*pair)
        message = next(iter(self._deliveries.bodies.messages([pair])), None)
        if state is None or message is None:
            return "its message is no longer kept"
        before, channel, decided = state
        if before not in (FAILED, UNKNOWN):
            return f"its message is {before}"
        own = Counted(message.campaign, channel, decided) if before == UNKNOWN else None
        why = self._not_now(message, channel, own)
        ending = Ending(message, channel, WITHHELD if why else QUEUED, why, before=before, finished=None)
        self._deliveries.finish([ending], now=self._clock.now())
        if not why:
            self._finisher.requeued(channel, message.event, message.campaign)
        return why or "resent"

    def _not_now(self, message: Message, channel: int, own: Counted | None) -> str:
        """Why it may not leave now; an unknown message has its `own` place in the limits already."""
        now = self._clock.now()
        if message.campaign in self._operating.paused:
            return "paused"
        if message.expires and now > message.expires:
            return "expired"
        plan = self._plan_of(message)
        if plan is None or not plan.limits:
            return ""
        since = now - max(cap.within for cap in plan.limits)
        had = self._deliveries.had(message.person, since=since, fills=self._fills())
        others = [Counted(*each) for each in had.messages.get(message.person, ())]
        if own in others:
            others.remove(own)
        counts = Counters({message.person: others}).counts(
            message.person, plan.limits, campaign=message.campaign, channel=channel, now=now
        )
        return "limit" if reached(plan.limits, counts) else ""

    def _plan_of(self, message: Message) -> CampaignPlan | None:
        record = self._deliveries.bodies.record(message.event)
        source = self._source(record.stream) if record else None
        campaigns = source.plan.campaigns if source else ()
        return next((each for each in campaigns if each.id == message.campaign), None)

    def _since(self, plan: StreamPlan) -> int | None:
        return self._clock.now() - plan.widest if plan.widest else None

    def _facts(self, read: Read) -> Facts:
        had = {person: [Counted(*each) for each in counted] for person, counted in read.had.messages.items()}
        return Facts(
            self._clock.now(), "again", read.ids, read.repeats, Counters(had, read.had.crowded),
            self._operating.paused, self._operating.held,
        )  # fmt: skip


def _said(decision: Decision) -> str:
    """What became of an event, in a few words."""
    if not decision.record.events:
        return "it had been decided before"
    reasons = [trace.reason or "resent" for trace in decision.record.events[0].traces]
    return ", ".join(dict.fromkeys(reasons)) or "no campaign wants it"

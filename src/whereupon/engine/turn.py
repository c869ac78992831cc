"""One T1 of a line: what it asks of the journal, how its batch is settled there, and where the messages go then."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from whereupon.engine.decide import Facts, Placed, Prepared, StreamPlan, placed, settled
from whereupon.engine.finish import Finisher
from whereupon.engine.limits import Counted, Counters
from whereupon.engine.lookup import Lookup
from whereupon.engine.operating import Operating
from whereupon.engine.pulse import Pulse
from whereupon.host.clock import Clock
from whereupon.model.decided import Decision, Joined
from whereupon.model.decoding import Decode, Decoded
from whereupon.storage.journal import Ask, Journal, Read


@dataclass(frozen=True, slots=True)
class Equipment:
    """What a line works with; `plan` gives the campaigns in force, asked once a batch."""

    plan: Callable[[], StreamPlan]
    decode: Decode
    journal: Journal
    lookup: Lookup
    finisher: Finisher
    operating: Operating
    fills: Callable[[], frozenset[int]]
    clock: Clock
    pulse: Pulse


class Turn:
    """`known` maps partitions to the offset after what this service decided last; after `decide`, `moved` are those
    that it moved on, `lost` those that somebody else has moved."""

    def __init__(
        self, stream: int, topic: str, plan: StreamPlan, ready: Sequence[Prepared], equipment: Equipment,
        known: Mapping[int, int], *, steps: Mapping[str, float],
    ) -> None:  # fmt: skip
        self.lost: frozenset[int] = frozenset()
        self._plan = plan
        self._topic = topic
        self._ready = ready
        self._with = equipment
        self._steps = {name: round(took, 3) for name, took in steps.items()}
        self._now = equipment.clock.now()
        self._after = {each.raw.partition: each.raw.offset + 1 for each in ready}
        self._ask = Ask(
            stream,
            topic,
            [(each.event.person, each.event.event_id) for each in ready if isinstance(each.event, Decoded)],
            {partition: (known.get(partition, 0), offset) for partition, offset in self._after.items()},
            self._now - plan.widest if plan.widest else None,
            equipment.fills(),
            equipment.finisher.waiting_channels(),
            most_dead=sum(1 + len(each.candidates) for each in ready),
        )
        self._decision: Decision | None = None
        self._places = Placed([], {})

    def decide(self) -> None:
        """Raises what the journal raises; then nothing was decided, unless the journal finds out later that it was."""
        try:
            self._with.journal.decide(self._ask, self._settle, then=self._hand_over)
        except BaseException:
            self._give_places_back()
            raise

    @property
    def moved(self) -> dict[int, int]:
        """Partition → offset after what was decided."""
        return {each: at for each, at in self._after.items() if each not in self.lost}

    def _settle(self, read: Read) -> tuple[Decision, Sequence[Joined]]:
        finisher, operating = self._with.finisher, self._with.operating
        ours = [each for each in self._ready if each.raw.partition not in read.lost]
        had = {person: [Counted(*each) for each in counted] for person, counted in read.had.messages.items()}
        facts = Facts(
            self._now, self._topic, read.ids, read.repeats, Counters(had, read.had.crowded), operating.paused,
            operating.held,
        )  # fmt: skip
        decision = settled(self._plan, ours, facts)
        decision.record.steps = self._steps
        self.lost = read.lost
        self._places = placed(decision, claim=finisher.claim, behind=read.behind, steady=finisher.steady())
        self._decision = decision
        return decision, self._places.joined

    def _give_places_back(self) -> None:
        if self._decision is not None:
            for channel, messages in self._decision.messages.items():
                self._with.finisher.free(channel, messages)

    def _hand_over(self, decision: Decision) -> None:
        waiting = Counter(each.channel for each in self._places.joined)
        queued = self._places.queued
        self._with.pulse.decided(decision)
        if queued:
            self._with.finisher.remember(decision.record)
        for channel in {*decision.messages, *queued, *waiting}:
            self._with.finisher.decided(
                channel,
                leaving=decision.messages.get(channel, ()),
                queued=queued.get(channel, 0),
                waiting=waiting[channel],
                first=decision.first,
            )

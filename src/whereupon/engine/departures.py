"""Departures: queued and waiting messages leave the journal for their lane, as it has room."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace

from whereupon.engine.lane import Lane
from whereupon.engine.outlet import Outlet
from whereupon.engine.verdicts import Manners, Tried, bodiless, not_any_more
from whereupon.host.clock import Clock
from whereupon.model.decided import QUEUED, WAITING
from whereupon.model.events import Message
from whereupon.storage.deliveries import Deliveries, Ending, Open, Pair

MOST = 2_000
"""Messages that leave in one transaction."""
PIECE = 64
"""Bodies read at a time, until the lane is full."""
LOOK = 200
"""Milliseconds between two looks at the empty queue of a table run."""


@dataclass(slots=True)
class Departing:
    """Messages that leave with the next T2, whose places in their lane are kept, and the ends of those that shall no
    longer be sent; `before` is the state that they leave, `later` says that they are bulk."""

    lane: Lane
    before: str
    later: bool
    found: Sequence[Open] = ()
    leaving: list[Message] = field(default_factory=list)
    over: list[Ending] = field(default_factory=list)
    gone: int = 0

    @property
    def pairs(self) -> list[Pair]:
        """The messages that leave."""
        return [(each.event, each.campaign) for each in self.leaving]


class Departures:
    """The finisher's second half; used by its thread. `tried` is what is known of messages that left once more."""

    def __init__(
        self, deliveries: Deliveries, *, clock: Clock, steady: Callable[[], int],
        paused: Callable[[], Collection[int]], lock: threading.RLock,
    ) -> None:  # fmt: skip
        self.tried: dict[Pair, Tried] = {}
        self._deliveries = deliveries
        self._clock = clock
        self._steady = steady
        self._paused = paused
        self._lock = lock

    def next(self, outlet: Outlet) -> Iterator[Departing]:
        """What is due, then what is queued, as the lane has room; raises what the journal raises."""
        yield from self._due(outlet)
        yield from self._queued(outlet)
        if not outlet.queued:
            for campaign, run in list(outlet.bulk.items()):
                yield from self._of_run(run, campaign)

    def go(self, departing: Departing, sending: Collection[Pair]) -> None:
        """The journal holds these as *sending*: hand them to their lane, and give back the places of the others."""
        tried = {(each.event, each.campaign): each for each in departing.found if each.tries}
        leaving: list[Message] = []
        others: list[Message] = []
        for message, pair in zip(departing.leaving, departing.pairs, strict=True):
            (leaving if pair in sending else others).append(message)
            if pair in tried and pair in sending:
                self.tried[pair] = Tried(*tried[pair][2:])
        departing.lane.free(others)
        departing.lane.take(leaving, later=departing.later)

    def _due(self, outlet: Outlet) -> list[Departing]:
        room, now = outlet.lane.room(), self._steady()
        if outlet.waiting <= 0 or room <= 0 or now < outlet.next_due:
            return []
        found = self._deliveries.due(outlet.lane.manners.channel, now=now, most=min(room, MOST))
        departing = self._departing(outlet.lane, found, WAITING)
        look = 0 if found else self._next_look(outlet, now)
        with self._lock:
            outlet.waiting -= departing.gone
            outlet.next_due = look
        return [departing] if departing.gone else []

    def _next_look(self, outlet: Outlet, now: int) -> int:
        """When the first waiting message is due, but in a second at the latest: others may come to wait unseen."""
        first = self._deliveries.first_due(outlet.lane.manners.channel)
        return now + 1000 if first is None else min(first, now + 1000)

    def _queued(self, outlet: Outlet) -> list[Departing]:
        most = min(outlet.lane.room(), MOST)
        if not outlet.queued or most <= 0:
            return []
        return self._looked(outlet, most, without=tuple(outlet.bulk))

    def _of_run(self, run: Outlet, campaign: int) -> list[Departing]:
        """The next messages of a table run, if there is nothing else to be sent."""
        most = min(run.lane.room_later(), MOST)
        if most <= 0 or self._steady() < run.next_due:
            return []
        found = self._looked(run, most, only=campaign)
        with self._lock:
            run.next_due = 0 if run.queued else self._steady() + LOOK
            run.queued = 1
        return found

    def _looked(
        self, outlet: Outlet, most: int, *, only: int | None = None, without: Collection[int] = ()
    ) -> list[Departing]:  # fmt: skip
        with self._lock:
            cursor = outlet.look()
        channel = outlet.lane.manners.channel
        found = self._deliveries.queued(channel, after=cursor, most=most, only=only, without=without)
        departing = self._departing(outlet.lane, found, QUEUED, later=only is not None)
        gone = departing.gone
        with self._lock:
            outlet.looked(found[gone - 1].event if gone else 0, gone, all=gone == len(found) < most)
        return [departing] if gone else []

    def _departing(self, lane: Lane, found: Sequence[Open], before: str, *, later: bool = False) -> Departing:
        """Keep places for these, in order, as many as the lane has room for, but not for those that shall no longer be
        sent."""
        departing = Departing(lane, before, later, found)
        try:
            for begin in range(0, len(found), PIECE):
                piece = found[begin : begin + PIECE]
                going, over = self._sifted(lane.manners, piece, before)
                claimed = (lane.claim_later if later else lane.claim)(going)
                departing.leaving += going[:claimed]
                fits = _place(piece, going[claimed]) if claimed < len(going) else len(piece)
                front = {each[:2] for each in piece[:fits]}
                departing.over += [
                    each for each in over if (each.message.event, each.message.campaign) in front
                ]
                departing.gone += fits
                if fits < len(piece):
                    break
        except BaseException:
            lane.free(departing.leaving)
            raise
        return departing

    def _sifted(
        self, manners: Manners, found: Sequence[Open], before: str
    ) -> tuple[list[Message], list[Ending]]:  # fmt: skip
        """Those that may leave, and the ends of those that may not: paused, expired, or their body is gone."""
        paused, now = self._paused(), self._clock.now()
        bodies = {(each.event, each.campaign): each for each in self._deliveries.bodies.messages(
            each[:2] for each in found)}  # fmt: skip
        going, over = [], []
        for each in found:
            message = bodies.get(each[:2])
            tried = Tried(each.tries, each.first_try, each.reason)
            if message is None:
                over.append(replace(bodiless(each.event, each.campaign, tried, manners, now), before=before))
                continue
            end = not_any_more(message, tried, manners, now=now, paused=message.campaign in paused)
            if end is None:
                going.append(message)
            else:
                over.append(replace(end, before=before))
        return going, over


def _place(found: Sequence[Open], message: Message) -> int:
    return next(place for place, each in enumerate(found) if each[:2] == (message.event, message.campaign))

"""Departures: queued and waiting messages leave the journal for their lane, as it has room."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Protocol, TypeVar

from whereupon.engine.outlet import Outlet
from whereupon.engine.pulse import Pulse
from whereupon.engine.verdicts import Tried, bodiless, not_any_more
from whereupon.host.clock import Clock
from whereupon.model.decided import QUEUED, WAITING
from whereupon.model.events import Message
from whereupon.storage.deliveries import Deliveries, Ending, Open

MOST = 2_000
"""Messages that leave in one transaction."""
PIECE = 64
"""Bodies read at a time, until the lane is full."""
LOOK = 200
"""Milliseconds between two looks at the empty queue of a table run."""
T = TypeVar("T")


class Insist(Protocol):
    """Tries until it holds."""

    def __call__(self, act: Callable[[], T]) -> T: ...


class Departures:
    """The finisher's second half; used by its thread. `tried` is what is known of messages that left once more."""

    def __init__(
        self, deliveries: Deliveries, *, clock: Clock, steady: Callable[[], int],
        paused: Callable[[], Collection[int]], insist: Insist, lock: threading.RLock, pulse: Pulse,
    ) -> None:  # fmt: skip
        self.tried: dict[tuple[int, int], Tried] = {}
        self._deliveries = deliveries
        self._clock = clock
        self._steady = steady
        self._paused = paused
        self._insist = insist
        self._lock = lock
        self._pulse = pulse

    def feed(self, outlet: Outlet) -> None:
        """Send what is due, then what is queued, as the lane has room; raises what the journal raises."""
        self._feed_due(outlet)
        self._feed_queued(outlet)
        if not outlet.queued:
            for campaign, run in list(outlet.bulk.items()):
                self._feed_run(run, campaign)

    def _feed_due(self, outlet: Outlet) -> None:
        room, now = outlet.lane.room(), self._steady()
        if outlet.waiting <= 0 or room <= 0 or now < outlet.next_due:
            return
        found = self._deliveries.due(outlet.lane.manners.channel, now=now, most=min(room, MOST))
        gone = self._leave(outlet, found, WAITING)
        look = 0 if found else self._next_look(outlet, now)
        with self._lock:
            outlet.waiting -= gone
            outlet.next_due = look

    def _next_look(self, outlet: Outlet, now: int) -> int:
        """When the first waiting message is due, but in a second at the latest: others may come to wait unseen."""
        first = self._deliveries.first_due(outlet.lane.manners.channel)
        return now + 1000 if first is None else min(first, now + 1000)

    def _feed_queued(self, outlet: Outlet) -> None:
        room = outlet.lane.room()
        if not outlet.queued or room <= 0:
            return
        with self._lock:
            cursor = outlet.look()
        most = min(room, MOST)
        found = self._deliveries.queued(
            outlet.lane.manners.channel, after=cursor, most=most, without=tuple(outlet.bulk)
        )
        gone = self._leave(outlet, found, QUEUED)
        with self._lock:
            last = found[gone - 1].event if gone else 0
            outlet.looked(last, gone, all=gone == len(found) < most)

    def _feed_run(self, run: Outlet, campaign: int) -> None:
        """The next messages of a table run, if there is nothing else to be sent."""
        most = min(run.lane.room_later(), MOST)
        if most <= 0 or self._steady() < run.next_due:
            return
        with self._lock:
            cursor = run.look()
        found = self._deliveries.queued(run.lane.manners.channel, after=cursor, most=most, only=campaign)
        gone = self._leave(run, found, QUEUED, later=True)
        with self._lock:
            run.looked(found[gone - 1].event if gone else 0, gone, all=gone == len(found) < most)
            run.next_due = 0 if run.queued else self._steady() + LOOK
            run.queued = 1

    def _leave(self, outlet: Outlet, found: Sequence[Open], before: str, *, later: bool = False) -> int:
        """Hand messages to their lane, in order, as many as it has room for, but those that shall no longer be sent.
        How many from the front that were."""
        leaving: list[Message] = []
        endings: list[Ending] = []
        gone = 0
        try:
            for begin in range(0, len(found), PIECE):
                piece = found[begin : begin + PIECE]
                going, over = self._sifted(outlet, piece, before)
                claimed = (outlet.lane.claim_later if later else outlet.lane.claim)(going)
                leaving += going[:claimed]
                fits = _place(piece, going[claimed]) if claimed < len(going) else len(piece)
                front = {each[:2] for each in piece[:fits]}
                endings += [each for each in over if (each.message.event, each.message.campaign) in front]
                gone += fits
                if fits < len(piece):
                    break
        except BaseException:
            outlet.lane.free(leaving)
            raise
        self._let_go(outlet, {each[:2]: each for each in found}, leaving, before, later=later)
        if endings:
            self._insist(lambda: self._deliveries.finish(endings, now=self._clock.now()))
            self._pulse.ended(endings)
        return gone

    def _sifted(
        self, outlet: Outlet, found: Sequence[Open], before: str
    ) -> tuple[list[Message], list[Ending]]:  # fmt: skip
        """Those that may leave, and the ends of those that may not: paused, expired, or their body is gone."""
        manners, paused, now = outlet.lane.manners, self._paused(), self._clock.now()
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

    def _let_go(
        self, outlet: Outlet, found: dict[tuple[int, int], Open], messages: Sequence[Message], before: str,
        *, later: bool,
    ) -> None:  # fmt: skip
        if not messages:
            return
        pairs = [(each.event, each.campaign) for each in messages]
        sending = self._insist(lambda: self._deliveries.leave(pairs, before=before))
        leaving: list[Message] = []
        others: list[Message] = []
        for message, pair in zip(messages, pairs, strict=True):
            (leaving if pair in sending else others).append(message)
            if found[pair].tries and pair in sending:
                self.tried[pair] = Tried(found[pair].tries, found[pair].first_try, found[pair].reason)
        outlet.lane.free(others)
        outlet.lane.take(leaving, later=later)


def _place(found: Sequence[Open], message: Message) -> int:
    return next(place for place, each in enumerate(found) if each[:2] == (message.event, message.campaign))

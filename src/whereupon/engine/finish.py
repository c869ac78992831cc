"""Finish: receipts become lines of the stash and outcomes of the journal, and the next messages leave."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from whereupon.engine.departures import Departing, Departures
from whereupon.engine.lane import Lane
from whereupon.engine.outlet import Outlet
from whereupon.engine.presence import PROBES
from whereupon.engine.pulse import Pulse
from whereupon.engine.verdicts import Manners, Tried, ended
from whereupon.host.clock import Clock
from whereupon.host.logs import logger
from whereupon.model.decided import QUEUED, WAITING, BatchRecord
from whereupon.model.errors import WhereuponError
from whereupon.model.events import Message, Receipt, Result
from whereupon.storage.deliveries import Deliveries, Ending, Pair
from whereupon.storage.recovery import Found
from whereupon.storage.stash import Page, Stash, line

MOST = 2_000
"""Receipts that one T2 notes."""
GATHER = 0.02
"""Seconds that a T2 waits for more of them."""
T = TypeVar("T")
log = logger("finish")


@dataclass(slots=True)
class Handful:
    """Receipts that a lane handed over, and the page of the stash where those of sent messages stand, if any does."""

    channel: int
    receipts: Sequence[Receipt]
    page: Page | None = None
    lines: int = 0


class _Abandoned(Exception):
    """The finisher was stopped while it could note nothing: the next start settles what it held."""


class Finisher:
    """One thread that notes how messages end and sends the next; while stash or journal is away it keeps the receipts,
    `stuck` says why, and nothing new leaves."""

    def __init__(
        self, deliveries: Deliveries, stash: Stash, *, clock: Clock, paused: Callable[[], Collection[int]],
        hold: Callable[[int, str], None], pulse: Pulse,
    ) -> None:  # fmt: skip
        self.stuck = ""
        self._deliveries = deliveries
        self._stash = stash
        self._clock = clock
        self._hold = hold
        self._pulse = pulse
        self._outlets: dict[int, Outlet] = {}
        self._manners: dict[int, tuple[Manners, str, bool]] = {}
        self._runs: dict[int, dict[int, int]] = {}
        self._receipts: queue.SimpleQueue[Handful | threading.Event] = queue.SimpleQueue()
        self._lock = threading.RLock()
        self._departures = Departures(
            deliveries, clock=clock, steady=self.steady, paused=paused, lock=self._lock
        )
        self._began = clock.now() - int(1000 * clock.monotonic())
        self._stopping = self._abandoned = False
        self._thread = threading.Thread(target=self._run, name="finish", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether the thread still works."""
        return self._thread.is_alive()

    def stop(self, grace: float) -> None:
        """Note what has come in, then end."""
        self._stopping = True
        if self._thread.ident is not None:
            self._thread.join(grace)
        self._abandoned = True

    def steady(self) -> int:
        """UTC milliseconds that go on evenly from the start, whoever sets the clock: the time of resends."""
        return self._began + int(1000 * self._clock.monotonic())

    def settle(self, grace: float) -> None:
        """Wait until all receipts that came before are noted."""
        noted = threading.Event()
        self._receipts.put(noted)
        noted.wait(grace)

    def done(self, channel: int, receipts: Sequence[Receipt]) -> None:
        """Receipts of a lane; called by its thread. What was sent stands in the stash's file when it returns, so that
        the end of the process loses nothing of it; only the disk's word is waited for by the finisher."""
        handful = Handful(channel, receipts)
        with contextlib.suppress(WhereuponError):
            self._write(handful)
        self._receipts.put(handful)

    # -- lanes -------------------------------------------------------------------------------------------------

    def open(self, lane: Lane, found: Found, *, communicates: bool) -> None:
        """A lane joins, with what the journal holds for it."""
        number = lane.manners.channel
        with self._lock:
            self._manners[number] = (lane.manners, lane.name, communicates)
            # One more than known: a batch decided in between is found by the first look at the queue.
            self._outlets[number] = Outlet(lane, found.queued + 1, found.first, found.waiting)
            self._outlets[number].runs(self._runs.get(number, {}))

    def runs(self, wanted: Mapping[int, Mapping[int, int]]) -> None:
        """The table runs that are to be delivered: channel → campaign → the number that its messages begin at."""
        with self._lock:
            self._runs = {channel: dict(each) for channel, each in wanted.items()}
            for channel, outlet in self._outlets.items():
                outlet.runs(self._runs.get(channel, {}))

    def runs_from(self, channel: int) -> int | None:
        """The lowest number that a table run through this channel may queue next; None without one."""
        with self._lock:
            outlet = self._outlets.get(channel)
            known = [each.cursor for each in outlet.bulk.values()] if outlet is not None else []
            return min(known or self._runs.get(channel, {}).values(), default=None)

    def requeued(self, channel: int, event: int, campaign: int) -> None:
        """A campaign's message of this event was queued once more."""
        with self._lock:
            outlet = self._outlets.get(channel)
            if outlet is not None:
                outlet.queue_of(campaign).add(1, event)

    def adopt(self, channel: int, found: Found) -> None:
        """Messages of a lost service came over."""
        with self._lock:
            outlet = self._outlets.get(channel)
            if outlet is None:
                return
            outlet.add(found.queued, found.first)
            outlet.waiting += found.waiting
            outlet.next_due = 0

    def shut(self, channel: int) -> Outlet | None:
        """A lane leaves; its open messages stay in the journal."""
        with self._lock:
            return self._outlets.pop(channel, None)

    def claim(self, channel: int, messages: Sequence[Message]) -> int:
        """Places for new messages that go straight to this lane: none while it has queued ones or nothing can be noted.
        They are filled by `decided`, or given back by `free`."""
        with self._lock:
            outlet = self._outlets.get(channel)
            if outlet is None or outlet.queued or self.stuck:
                return 0
            return outlet.lane.claim(messages)

    def free(self, channel: int, messages: Sequence[Message]) -> None:
        """Places that were claimed and aren't needed."""
        outlet = self._outlets.get(channel)
        if outlet is not None:
            outlet.lane.free(messages)

    def decided(
        self, channel: int, *, leaving: Sequence[Message], queued: int, waiting: int, first: int
    ) -> None:
        """A batch was decided: these leave now, so many were queued or wait; `first` is the batch's first number."""
        with self._lock:
            outlet = self._outlets.get(channel)
            if outlet is not None:
                outlet.add(queued, first)
                outlet.waiting += waiting
                # One that waits behind another may be due before what is known to be due next.
                outlet.next_due = 0 if waiting else outlet.next_due
        if outlet is None:
            self.done(channel, [Receipt(each, Result.NOT_OFFERED) for each in leaving])
        elif leaving:
            outlet.lane.take(leaving)

    def remember(self, record: BatchRecord) -> None:
        """A batch of which messages were queued: they leave soon, if the lane keeps up."""
        self._deliveries.bodies.remember(record)

    def waiting_channels(self) -> frozenset[int]:
        """Channels with messages in the resend queue."""
        return frozenset(channel for channel, outlet in self._outlets.items() if outlet.waiting)

    def open_messages(self, channel: int) -> int:
        """Queued and waiting messages of a channel."""
        outlet = self._outlets.get(channel)
        return max(0, outlet.queued + outlet.waiting) if outlet else 0

    @property
    def outlets(self) -> Sequence[Outlet]:
        """All lanes, with their queues."""
        with self._lock:
            return tuple(self._outlets.values())

    # -- the thread --------------------------------------------------------------------------------------------

    def _run(self) -> None:
        with contextlib.suppress(_Abandoned):
            while not (self._stopping and self._receipts.empty()):
                gathered, noted = self._gathered()
                self._round(gathered)
                if noted is not None:
                    noted.set()

    def _round(self, gathered: Sequence[Handful]) -> None:
        sent, endings = self._sorted(gathered)
        if endings:
            # Those that queue or wait again come before others: what leaves next is asked for after they are noted.
            self._note(gathered, sent, endings)
            gathered, sent = (), []
        departing = [] if self._stopping else self._departing()
        if gathered or departing:
            self._note(gathered, sent, [each for one in departing for each in one.over], departing)

    def _gathered(self) -> tuple[list[Handful], threading.Event | None]:
        """Receipts of up to 20 ms or about 2,000 from the first that comes on, fewer where a lane runs out of messages;
        and whom to tell that they are noted."""
        found: list[Handful] = []
        count, wait, until = 0, 0.05, 0.0
        while count < MOST:
            try:
                item = self._receipts.get(timeout=max(0.0, wait))
            except queue.Empty:
                break
            if isinstance(item, threading.Event):
                return found, item
            found.append(item)
            count += len(item.receipts)
            until = until or self._clock.monotonic() + GATHER
            wait = 0.0 if self._starves() else until - self._clock.monotonic()
        return found, None

    def _sorted(self, gathered: Sequence[Handful]) -> tuple[list[Receipt], list[Ending]]:
        """Nearly all were sent at their first try, and need no more thought; the others' endings."""
        sent: list[Receipt] = []
        endings: list[Ending] = []
        tried = self._departures.tried
        for handful in gathered:
            known = handful.channel in self._manners
            for each in handful.receipts:
                first = not tried or (each.message.event, each.message.campaign) not in tried
                if first and known and each.result is Result.ACCEPTED:
                    sent.append(each)
                else:
                    endings.append(self._ending(handful.channel, each))
        return sent, endings

    def _starves(self) -> bool:
        return any(each.queued and each.lane.half_empty for each in self.outlets)

    def _note(
        self, gathered: Sequence[Handful], sent: Sequence[Receipt], endings: Sequence[Ending],
        departing: Sequence[Departing] = (),
    ) -> None:  # fmt: skip
        """The stash, then T2, tried again until both hold: a receipt is never dropped."""
        leaving: dict[str, list[Pair]] = defaultdict(list)
        for each in departing:
            leaving[each.before] += each.pairs
        self._insist(lambda: self._secure(gathered))
        now = self._clock.now()
        sending = self._insist(lambda: self._deliveries.finish(endings, sent=sent, leaving=leaving, now=now))
        self._insist(lambda: self._turn(gathered))
        with self._lock:
            for ending in endings:
                self._count(ending)
        for each in departing:
            self._departures.go(each, sending)
        self._pulse.ended(endings, sent)

    def _ending(self, channel: int, receipt: Receipt) -> Ending:
        message = receipt.message
        tried = self._departures.tried.pop((message.event, message.campaign), Tried())
        if channel not in self._manners:
            return Ending(message, channel, QUEUED)
        if receipt.result is Result.SETUP:
            self._hold(message.campaign, receipt.answer)
        aside = receipt.result is Result.AWAY and self._aside(channel, message.key)
        return ended(receipt, tried, self._manners[channel][0], now=self.steady(), aside=aside)

    def _aside(self, channel: int, key: str) -> bool:
        outlet = self._outlets.get(channel)
        return outlet is not None and outlet.lane.presence.probes(key) >= PROBES

    def _write(self, handful: Handful) -> None:
        _, name, communicates = self._manners.get(handful.channel, (None, "", False))
        lines = [
            line(each, channel=name)
            for each in handful.receipts
            if communicates and each.result is Result.ACCEPTED
        ]
        if lines:
            handful.lines = len(lines)
            handful.page = self._stash.write(lines)

    def _secure(self, gathered: Sequence[Handful]) -> None:
        """What was sent is safe on the disk; what couldn't be written, or the disk lost, is written once more."""
        for each in gathered:
            if each.page is None or each.page.lost:
                self._write(each)
        for page in {id(each.page): each.page for each in gathered}.values():
            if page is not None:
                self._stash.secure(page)

    def _turn(self, gathered: Sequence[Handful]) -> None:
        for each in gathered:
            if each.page is not None:
                self._stash.known(each.page, each.lines)
                each.page = None
        self._stash.turn()

    def _insist(self, act: Callable[[], T]) -> T:
        """Try until it holds; ends the thread if nobody waits for it any more."""
        pause = 0.1
        while not self._abandoned:
            try:
                done = act()
            except WhereuponError as error:
                if not self.stuck:
                    log.error("receipts can't be noted; they are kept and tried again", reason=str(error))
                self.stuck = error.message
                self._clock.wait(threading.Event(), pause)
                pause = min(pause * 2, 2.0)
                continue
            self.stuck = ""
            return done
        raise _Abandoned

    def _count(self, ending: Ending) -> None:
        outlet = self._outlets.get(ending.channel)
        if outlet is None:
            return
        if ending.state == QUEUED:
            outlet.queue_of(ending.message.campaign).add(1, ending.message.event)
        if ending.state == WAITING:
            outlet.waiting += 1
            outlet.next_due = min(outlet.next_due or ending.next_at, ending.next_at)

    def _departing(self) -> list[Departing]:
        found: list[Departing] = []
        for outlet in self.outlets:
            try:
                found.extend(self._departures.next(outlet))
            except WhereuponError as error:
                log.warning("queued messages can't be read; tried again", reason=str(error))
                self._clock.wait(threading.Event(), 0.2)
        return found

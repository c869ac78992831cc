"""The engine: opens the parts of a set-up, and runs a line for each stream and a lane for each channel."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any, cast
from zoneinfo import ZoneInfo

from whereupon.engine.again import Again, Source
from whereupon.engine.assembly import (
    Order,
    Plans,
    Workshop,
    address_of,
    channel_order,
    named_parts,
    opened,
    plans,
    store_order,
    stream_order,
)  # fmt: skip
from whereupon.engine.decide import StreamPlan
from whereupon.engine.finish import Finisher
from whereupon.engine.lane import Lane
from whereupon.engine.line import Line
from whereupon.engine.lookup import Lookup
from whereupon.engine.operating import Operating
from whereupon.engine.pulse import Pulse
from whereupon.engine.renewal import Renewal
from whereupon.engine.turn import Equipment
from whereupon.host.logs import logger
from whereupon.kit.roles import Channel, Store, Stream
from whereupon.model import setup as nouns
from whereupon.model.decoding import decoder
from whereupon.model.errors import SetupError, WhereuponError
from whereupon.model.names import variable_types
from whereupon.model.running import Running
from whereupon.storage.deliveries import Deliveries
from whereupon.storage.journal import Journal, Numbers
from whereupon.storage.letters import Letters
from whereupon.storage.recovery import Found, doubt, note_open, oldest_open, reopen, settle
from whereupon.storage.stash import Stash
from whereupon.storage.turns import Turns, writers

log = logger("engine")


@dataclass(slots=True)
class Standing:
    """A part as it stands: what it was made of, and the part or why it couldn't be made."""

    fingerprint: str
    part: Any = None
    problem: str = ""


class Engine:
    """Everything that works for one owner. `take` may be called again with every new revision."""

    def __init__(self, shop: Workshop, *, owner: int) -> None:
        streams = shop.databases.streams
        lock = writers(streams)
        self.owner = owner
        self.pulse = Pulse()
        self.operating = Operating()
        self.renewal = Renewal(shop.clock)
        self.running: Running | None = None
        self.folder = shop.system.path
        self.shop = shop
        self.writers = lock
        self.resources = ExitStack()
        self._turns = Turns(streams, writers=lock)
        self._dead = Numbers("dead")
        self.journal = Journal(streams, owner=owner, writers=lock)
        self.deliveries = Deliveries(streams, owner=owner, writers=lock)
        self.stash = Stash(shop.system.stash, clock=shop.clock)
        self.finisher = Finisher(
            self.deliveries,
            self.stash,
            clock=shop.clock,
            paused=lambda: self.operating.paused,
            hold=self.operating.hold,
            pulse=self.pulse,
        )
        self._plans = Plans()
        self._stores: dict[str, Standing] = {}
        self._lanes: dict[str, Standing] = {}
        self._lines: dict[str, Standing] = {}
        self._changing = threading.Lock()

    # -- start and stop ----------------------------------------------------------------------------------------

    def start(self) -> None:
        """Settle what stands in unclosed stash files, then begin to note endings. Lines and lanes come with `take`."""
        for path, reading in self.stash.unsettled():
            sent = [(each.event, each.campaign_id, each.sent_at) for each in reading.lines]
            for begin in range(0, len(sent), 5_000):
                settle(self._turns, sent[begin : begin + 5_000], now=self.shop.clock.now())
            self.stash.settled(path, reading)
            log.info("stash settled", file=path.name, lines=len(sent), torn=len(reading.torn))
        self.finisher.start()

    def stop(self) -> None:
        """Read no more, give what is under way its time, note how it ended; within 10 s."""
        with self._changing:
            _at_once([partial(each.part.stop, 2.5) for each in self._lines.values() if each.part])
            _at_once([partial(each.part.stop, 3.0) for each in self._lanes.values() if each.part])
            self.finisher.stop(2.5)
            if not self.finisher.stuck:
                self.stash.close()
            for standing in self._stores.values():
                _each(standing.part, lambda store: store.close())
            self._lines, self._lanes, self._stores = {}, {}, {}
        for each in (self.journal, self.deliveries, self._turns, self.resources):
            each.close()

    def dead_threads(self) -> list[str]:
        """Threads that ended though they shouldn't have: the process is of no use any more."""
        if not self._changing.acquire(blocking=False):
            return []  # a set-up is taken up: threads come and go
        try:
            parts = [each.part for each in (*self._lines.values(), *self._lanes.values()) if each.part]
            gone = [each.name for each in parts if not each.alive]
            return gone if self.finisher.alive else [*gone, "finish"]
        finally:
            self._changing.release()

    # -- taking up a set-up ------------------------------------------------------------------------------------

    def take(self, running: Running) -> None:
        """Open what is new or changed, close what is gone, leave alone what is the same; batches follow at once."""
        with self._changing:
            setup = running.setup
            # A line asks for its plan at every batch, so it ends before its plan goes.
            self._drop(
                self._lines, {each.name for each in setup.streams.streams}, lambda line: line.stop(3.0)
            )
            self._take_stores(setup)
            self._take_channels(running)
            self._plans = plans(self.shop, running, self._channels())
            self._take_streams(running)
            self.running = running

    def retry(self) -> None:
        """Try once more to open the parts that couldn't be."""
        broken = [
            each for of in (self._stores, self._lanes, self._lines) for each in of.values() if each.problem
        ]
        if broken and self.running is not None:
            self.take(self.running)

    def lines(self) -> list[tuple[str, Line | None, str]]:
        """Streams by name: the line, or why there is none."""
        return [(name, each.part, each.problem) for name, each in list(self._lines.items())]

    def lanes(self) -> list[tuple[str, Lane | None, str]]:
        """Channels by name: the lane, or why there is none."""
        return [(name, each.part, each.problem) for name, each in list(self._lanes.items())]

    def note_open(self) -> None:
        """Note from which event number on each channel may have open messages, so that a start reads no more."""
        for _, lane, _ in self.lanes():
            if lane is None:
                continue
            # What is decided from here on has a number from `newest` on; what was before is seen by the question.
            number, newest = lane.manners.channel, self.journal.newest()
            run = self.finisher.runs_from(number)
            first = oldest_open(self._turns, number, self.owner)
            known = [each for each in (newest if first is None else first, run) if each]
            if known:
                note_open(self._turns, number, self.owner, min(known))

    def take_over(self, owner: int) -> None:
        """Another service is gone for good: what it left open leaves through our lanes."""
        with self._changing:
            for name, lane, _ in self.lanes():
                if lane is not None:
                    found = self._reopened(lane, owner)
                    log.warning(
                        "messages of a lost service taken over",
                        channel=name,
                        owner=owner,
                        queued=found.queued,
                    )
                    self.finisher.adopt(lane.manners.channel, found)

    def plan(self, stream: str) -> StreamPlan:
        """The campaigns in force on a stream."""
        return self._plans.streams[stream]

    def _take_stores(self, setup: nouns.Setup) -> None:
        wanted = {each.name: each for each in setup.pull_marketing.stores}
        self._drop(self._stores, wanted, lambda store: store.close())
        for store in wanted.values():
            self._stand(
                self._stores, store.name, partial(store_order, self.shop, setup, store), self._opened_store,
                lambda part: part.close(),
            )  # fmt: skip

    def _take_channels(self, running: Running) -> None:
        setup = running.setup
        wanted = {each.name: each for each in setup.channels}
        self._drop(self._lanes, wanted, self._close_lane)
        for channel in wanted.values():
            number = running.ids["channel", channel.name]
            self._stand(
                self._lanes, channel.name, partial(channel_order, self.shop, setup, channel),
                partial(self._opened_lane, number), self._close_lane,
            )  # fmt: skip

    def _take_streams(self, running: Running) -> None:
        setup = running.setup
        for stream in setup.streams.streams:
            self._stand(
                self._lines, stream.name, partial(stream_order, self.shop, setup, stream),
                partial(self._opened_line, stream, running), lambda line: line.stop(3.0),
            )  # fmt: skip

    def _stand(
        self, standings: dict[str, Standing], name: str, order: Callable[[], Order], make: Callable[[Order], Any],
        close: Callable[[Any], None],
    ) -> None:  # fmt: skip
        """Let a part stand as ordered: the same stays, another takes its place, a broken one is tried again."""
        now = standings.get(name)
        try:
            ordered = order()
            if now is not None and now.part is not None and now.fingerprint == ordered.fingerprint:
                return
            if now is not None and now.part is not None:
                close(now.part)
                now.part = None
            standings[name] = Standing(ordered.fingerprint, make(ordered))
        except WhereuponError as error:
            if now is None or now.problem != str(error):
                log.warning("a part can't be opened; it is tried again", part=name, reason=str(error))
            if now is not None and now.part is not None:
                close(now.part)
            standings[name] = Standing("", None, str(error))

    def _drop(
        self, standings: dict[str, Standing], wanted: Collection[str], close: Callable[[Any], None]
    ) -> None:
        for name in [each for each in standings if each not in wanted]:
            _each(standings.pop(name).part, close)

    def _opened_store(self, order: Order) -> Store[Any, Any]:
        return cast(Store[Any, Any], opened(self.shop, order))

    def _opened_lane(self, number: int, order: Order) -> Lane:
        config = self.shop.registry.kind("channel", order.kind).config
        parts = {name: self.store(name) for name in named_parts(config, order.settings)}
        channel = cast(Channel[Any, Any], opened(self.shop, order, parts))
        lane = Lane(
            number, order.name, channel, clock=self.shop.clock, done=self.finisher.done,
            fresh=self.renewal.fresh, lapses=lambda: self.renewal.lapses,
        )  # fmt: skip
        try:
            self._doubt(lane, order)
            found = self._reopened(lane, self.owner)
        except WhereuponError:
            channel.close()
            raise
        self.finisher.open(lane, found, communicates=not channel.traits.fills)
        lane.start()
        return lane

    def _doubt(self, lane: Lane, order: Order) -> None:
        """What was tried at another address, or by another account, may have arrived there."""
        unknown = doubt(
            self._turns, lane.manners.channel, owner=self.owner, address=address_of(self.shop, order),
            now=self.shop.clock.now(), dead=self._dead,
        )  # fmt: skip
        if unknown:
            log.warning(
                "messages that were tried at another address are unknown", channel=lane.name, n=unknown
            )

    def _reopened(self, lane: Lane, owner: int) -> Found:
        window = lane.manners.key_window if lane.manners.deduplicates else 0
        return reopen(
            self._turns, lane.manners.channel, owner=owner, by=self.owner, window=window,
            now=self.shop.clock.now(), dead=self._dead,
        )  # fmt: skip

    def _close_lane(self, lane: Lane) -> None:
        self.finisher.shut(lane.manners.channel)
        lane.stop(5.0)
        self.finisher.settle(5.0)

    def _opened_line(self, stream: nouns.Stream, running: Running, order: Order) -> Line:
        part = cast(Stream[Any, Any], opened(self.shop, order))
        name = stream.name
        setup = running.setup
        decode = decoder(stream, ZoneInfo(setup.system.time_zone), variable_types(setup))
        equipment = Equipment(
            plan=lambda: self.plan(name),
            decode=decode,
            journal=self.journal,
            lookup=Lookup(self.store),
            finisher=self.finisher,
            operating=self.operating,
            fills=lambda: self._plans.fills,
            clock=self.shop.clock,
            pulse=self.pulse,
        )
        line = Line(name, running.ids["stream", name], part, equipment)
        line.start()
        return line

    def source(self, number: int) -> Source | None:
        """A stream as it is now, by its number; None if it is gone."""
        running = self.running
        if running is None:
            return None
        setup = running.setup
        stream = next(
            (each for each in setup.streams.streams if running.ids["stream", each.name] == number), None
        )
        if stream is None:
            return None
        decode = decoder(stream, ZoneInfo(setup.system.time_zone), variable_types(setup))
        return Source(self.plan(stream.name), decode)

    def again(self) -> Again:
        """What asks marked dead letters anew."""
        return Again(
            Letters(self._turns), self.journal, self.deliveries, self.finisher, Lookup(self.store), self.operating,
            source=self.source, fills=lambda: self._plans.fills, clock=self.shop.clock,
        )  # fmt: skip

    @property
    def needed(self) -> int:
        """Milliseconds for which events have to be kept: repeats are recognised, and limits are counted."""
        plans = self._plans.streams.values()
        return max((max(each.recognise, each.widest) for each in plans), default=0)

    def store(self, name: str) -> Store[Any, Any]:
        """The opened store of this name; raises SetupError if it is not open."""
        standing = self._stores.get(name)
        if standing is None or standing.part is None:
            why = standing.problem if standing else f"There is no store called {name}."
            raise SetupError(why, hint="Open the store's settings and test it.")
        store: Store[Any, Any] = standing.part
        return store

    def _channels(self) -> dict[str, Channel[Any, Any]]:
        return {name: each.part.channel for name, each in self._lanes.items() if each.part}


def _at_once(acts: Sequence[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=act) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _each(part: Any, act: Callable[[Any], None]) -> None:
    if part is not None:
        act(part)

"""The line: one stream's events are polled, prepared, decided in one transaction, and handed to their lanes."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

from whereupon.engine.decide import Prepared, StreamPlan, prepared
from whereupon.engine.poller import Polled, Poller
from whereupon.engine.turn import Equipment, Turn
from whereupon.host.logs import logger
from whereupon.kit.roles import Stream
from whereupon.model.decoding import Bad, Decoded
from whereupon.model.errors import Refused, Unavailable, WhereuponError
from whereupon.model.events import RawEvent

log = logger("line")
Event = tuple[RawEvent, Decoded | Bad]


class Line:
    """Two threads and the journal: one only polls, the other decides."""

    def __init__(self, name: str, number: int, stream: Stream[Any, Any], equipment: Equipment) -> None:
        self.name = name
        self.stream = stream
        self._number = number
        self._with = equipment
        self._standstill = ""
        self._said = ""
        self._steps: dict[str, float] = {}
        self._stop = threading.Event()
        self._poller = Poller(name, number, stream, equipment.journal, pause=self._wait, stop=self._stop)
        self._threads = [
            threading.Thread(target=self._poller.run, name=f"poll {name}", daemon=True),
            threading.Thread(target=self._run, name=f"line {name}", daemon=True),
        ]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    @property
    def alive(self) -> bool:
        """Whether both threads work."""
        return all(thread.is_alive() for thread in self._threads)

    @property
    def paused(self) -> str:
        """Why it stands still, or nothing."""
        return self._standstill or self._poller.trouble

    def lag(self) -> Mapping[int, int] | None:
        """Events not read yet, by partition; None while the stream doesn't answer."""
        return None if self._poller.trouble else self.stream.lag()

    def stop(self, grace: float) -> None:
        """Read no more, decide what is under way, leave the stream; within about `grace` seconds."""
        self._stop.set()
        for thread in self._threads:
            thread.join(grace / len(self._threads))
        self._poller.leave()

    # -- poll → prepare → decide → hand over -------------------------------------------------------------------

    def _run(self) -> None:
        while not self._stop.is_set():
            polled = self._poller.next(0.2)
            if polled is None:
                continue
            now = self._with.clock.now()
            events = [(raw, self._with.decode(raw, polled.batch.topic, now)) for raw in polled.batch.events]
            while not self._stop.is_set() and (events := self._open(polled, events)):
                self._patiently(polled, events)

    def _open(self, polled: Polled, events: Sequence[Event]) -> list[Event]:
        """The events that are still ours to decide and weren't decided yet."""
        wanted = self._poller.wanted(polled.epoch)
        return [each for each in events if each[0].offset >= wanted.get(each[0].partition, 0)]

    def _patiently(self, polled: Polled, events: Sequence[Event]) -> None:
        """Decide the front of these events; or pause, while a store, the journal or the disk is away."""
        standstill = self._with.operating.standstill() or self._with.finisher.stuck
        try:
            if standstill:
                raise Unavailable(standstill)
            self._once(polled, events)
        except WhereuponError as error:
            self._pause(error)
        except Exception as error:
            log.error("a batch can't be decided", stream=self.name, exc_info=error)
            self._pause(Unavailable(f"Nobody expected this: {error!r}."))
        else:
            self._standstill = self._said = ""

    def _once(self, polled: Polled, events: Sequence[Event]) -> None:
        plan = self._with.plan()
        began = self._with.clock.monotonic()
        persons = {event.person for _, event in events if isinstance(event, Decoded)}
        records = self._with.lookup.records(plan.stores, persons)
        looked_up = self._with.clock.monotonic()
        ready = prepared(plan, events, records)
        rendered = self._with.clock.monotonic()
        self._complain(ready)
        self._steps = {"look up": 1000 * (looked_up - began), "render": 1000 * (rendered - looked_up)}
        self._decide(polled, plan, ready)
        steps = {**self._steps, "decide": 1000 * (self._with.clock.monotonic() - rendered)}
        for step, took in steps.items():
            self._with.pulse.took(step, took)

    def _decide(self, polled: Polled, plan: StreamPlan, ready: Sequence[Prepared]) -> None:
        """T1; one that the journal refuses as data is halved until the event is found, which is a dead letter."""
        try:
            self._transact(polled, plan, ready)
        except Refused as error:
            if len(ready) == 1:
                self._transact(polled, plan, [Prepared(ready[0].raw, Bad("journal", error.message))])
                return
            half = len(ready) // 2
            self._decide(polled, plan, ready[:half])
            wanted = self._poller.wanted(polled.epoch)
            if rest := [
                each for each in ready[half:] if each.raw.offset >= wanted.get(each.raw.partition, 0)
            ]:
                self._decide(polled, plan, rest)

    def _transact(self, polled: Polled, plan: StreamPlan, ready: Sequence[Prepared]) -> None:
        topic = polled.batch.topic
        turn = Turn(self._number, topic, plan, ready, self._with, self._poller.known, steps=self._steps)
        turn.decide()
        self._poller.moved(topic, turn.moved, turn.lost)

    # -- standing still ----------------------------------------------------------------------------------------

    def _pause(self, error: WhereuponError) -> None:
        self._standstill = error.message
        self._wait(error)

    def _wait(self, error: WhereuponError) -> None:
        """Say once why nothing goes on, and wait before the next try."""
        if self._said != error.message:
            log.warning("stream paused", stream=self.name, reason=str(error))
        self._said = error.message
        self._stop.wait(1.0 if isinstance(error, Unavailable) else 3.0)

    def _complain(self, ready: Sequence[Prepared]) -> None:
        for each in ready:
            if each.failure is not None:
                where = f"partition {each.raw.partition}, offset {each.raw.offset}"
                log.error(
                    "nobody expected this of an event", stream=self.name, at=where, exc_info=each.failure
                )

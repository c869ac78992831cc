"""Old events leave the journal while 2,000 a second come in: how fast, and what it costs the new ones."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from confluent_kafka import Producer

from tests.bench.figures import Figure, rounded
from tests.bench.latency import percentiles, trickle
from tests.bench.options import Options
from tests.bench.ours import Rest, Shape, system
from tests.bench.scene import Scene, Sink, say, scene, sign_in, sink, wait_for
from tests.faults.service import System

RATE, SECONDS, WARM, PAIRS = 2_000, 30, 6, 3
OLD, LONG_AGO = 60_000, 95 * 86_400_000
GOAL, MOVED = 2_000, 30.0


def run(options: Options) -> list[Figure]:
    """By turns with nothing old behind it, and with old events, of which both body and event have to leave."""
    quiet, busy, gone = list[float](), list[float](), list[float]()
    with scene() as place, sink(timed=True) as receiver:
        for _ in range(options.pairs or PAIRS):
            quiet.append(_p99(place, receiver, Shape("", "", options.records, OLD), options)[0])
            old = Shape("", "", options.records, OLD, until=LONG_AGO)
            p99, rate = _p99(place, receiver, old, options)
            busy.append(p99)
            gone.append(rate)
            say(f"{rate:,.0f} leave a second; p99 {busy[-1]} ms, without {quiet[-1]} ms")
    return [_gone(gone), _moved(busy, quiet)]


def _gone(rates: list[float]) -> Figure:
    rate = rounded(statistics.median(rates))
    return Figure("retention", rate, GOAL, "events/s that leave", pairs=len(rates), judged="ours")


def _moved(busy: list[float], quiet: list[float]) -> Figure:
    return Figure(
        "retention p99",
        rounded(statistics.median(busy)),
        MOVED,
        f"ms, p99 at {RATE:,}/s",
        theirs=rounded(statistics.median(quiet)),
        pairs=len(busy),
        judged="difference",
        most=True,
    )


def _p99(place: Scene, receiver: Sink, shape: Shape, options: Options) -> tuple[float, float]:
    """p99 of the new messages in milliseconds, and how many old events left a second."""
    seconds = SECONDS if not options.events else options.events / RATE
    topic = place.kafka.new_topic("retention")
    with system(place, replace(shape, topic=topic, url=f"{receiver.url}send")) as found:
        receiver.clear()
        with steady(place, topic, options.records, seconds):
            found.start()
            began = time.monotonic()
            if shape.until == LONG_AGO:
                wait_for(lambda: not _left(found), within=300, what="The end of all old events", every=0.5)
            rate = OLD / (time.monotonic() - began)
            wait_for(Rest(receiver, int(seconds * RATE)), within=300, what="The last message", every=0.2)
        return percentiles(receiver.times()[WARM * RATE :])[99], rate


def _left(system: System) -> bool:
    return system.count(f"SELECT COUNT(*) FROM (SELECT 1 FROM event WHERE id <= {OLD} LIMIT 1) AS t") > 0


@contextmanager
def steady(place: Scene, topic: str, records: int, seconds: float) -> Iterator[None]:
    """Events come in by tens, at an even rate, while the block lasts."""
    producer = Producer({"bootstrap.servers": place.kafka.plain, "linger.ms": 0, "acks": "1"})

    def send(number: int) -> None:
        now = time.time_ns() // 1_000_000
        for each in range(number * 10, number * 10 + 10):
            made = f"t{time.monotonic_ns()}@example.org"
            producer.produce(topic, sign_in(f"r{now}-{each}", f"u{each * 7919 % records}", made, now))
        producer.poll(0)

    count = int(seconds * RATE / 10)
    thread = threading.Thread(target=trickle, args=(send, count), kwargs={"rate": RATE / 10}, daemon=True)
    thread.start()
    yield
    thread.join()
    producer.flush(10)

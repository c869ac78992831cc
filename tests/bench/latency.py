"""From an event's making to its message's arrival at 200 events a second, beside the bare prototype."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Sequence

from confluent_kafka import Producer

from tests.bench.figures import Figure, rounded
from tests.bench.options import Options
from tests.bench.ours import Shape, system
from tests.bench.peers import begun_prototype
from tests.bench.scene import Scene, Sink, say, scene, sign_in, sink, wait_for

RATE, EVENTS, WARM, PAIRS = 200, 2_000, 200, 5
GOALS = {50: 3.0, 99: 15.0}
Percentiles = dict[int, float]


def run(options: Options) -> list[Figure]:
    """The first messages of each run are left out: they wait for the group, not for us."""
    events = options.events or EVENTS
    ours, theirs = list[Percentiles](), list[Percentiles]()
    with scene() as place, sink(timed=True) as receiver:
        for pair in range(options.pairs or PAIRS):
            theirs.append(_prototype(place, receiver, events, options))
            ours.append(_ours(place, receiver, events, options))
            say(f"pair {pair + 1}: ours {ours[-1]}, prototype {theirs[-1]} ms")
    return [_figure(percent, ours, theirs) for percent in sorted(GOALS, reverse=True)]


def _figure(percent: int, ours: Sequence[Percentiles], theirs: Sequence[Percentiles]) -> Figure:
    mine, other = (statistics.median(each[percent] for each in those) for those in (ours, theirs))
    return Figure(
        "latency" if percent == 99 else f"latency p{percent}",
        rounded(mine),
        GOALS[percent],
        f"ms, p{percent} at {RATE}/s",
        theirs=rounded(other),
        ratio=round(mine / other, 3),
        pairs=len(ours),
        judged="difference",
        most=True,
        more={"difference": rounded(mine - other)},
    )


def _ours(place: Scene, receiver: Sink, events: int, options: Options) -> Percentiles:
    topic = place.kafka.new_topic("latency")
    shape = Shape(topic, f"{receiver.url}send", options.records, options.journal)
    with system(place, shape) as found:
        found.start()
        return measured(place, receiver, topic, events, options.records)


def _prototype(place: Scene, receiver: Sink, events: int, options: Options) -> Percentiles:
    topic = place.kafka.new_topic("latency")
    peer = begun_prototype(place, receiver, topic, events=events + 1, records=options.records)
    found = measured(place, receiver, topic, events, options.records)
    peer.said()
    return found


def measured(place: Scene, receiver: Sink, topic: str, events: int, records: int) -> Percentiles:
    """Trickle events onto a topic and wait for their messages; one goes before, until it has arrived."""
    producer = Producer({"bootstrap.servers": place.kafka.plain, "linger.ms": 0, "acks": "1"})
    receiver.clear()
    trickle(_onto(producer, topic, records), 1)
    wait_for(lambda: receiver.figures()["count"], within=60, what="The first message")
    trickle(_onto(producer, topic, records, begin=1), events)
    producer.flush(10)
    wait_for(lambda: receiver.figures()["keys"] > events, within=30, what="The last message")
    return percentiles(receiver.times()[WARM:])


def _onto(producer: Producer, topic: str, records: int, begin: int = 0) -> Callable[[int], None]:
    def send(number: int) -> None:
        now, each = time.time_ns() // 1_000_000, begin + number
        made = f"t{time.monotonic_ns()}@example.org"
        producer.produce(topic, sign_in(f"l{now}-{each}", f"u{each * 7919 % records}", made, now))
        producer.poll(0)

    return send


def trickle(send: Callable[[int], None], events: int, *, rate: float = RATE) -> None:
    """Send so many at an even rate."""
    began, pause = time.monotonic(), threading.Event()
    for number in range(events):
        ahead = began + number / rate - time.monotonic()
        if ahead > 0:
            pause.wait(ahead)
        send(number)


def percentiles(times: Sequence[float]) -> Percentiles:
    """p50 and p99."""
    cut = statistics.quantiles(times, n=100, method="inclusive")
    return {percent: round(cut[percent - 1], 2) for percent in GOALS}

"""A receiver that takes 50 ms for each answer: how near the rate comes to requests at once ÷ 50 ms."""

from __future__ import annotations

import statistics

from tests.bench.figures import Figure, rounded
from tests.bench.line import lost
from tests.bench.options import Options
from tests.bench.ours import Shape, work
from tests.bench.scene import Scene, Sink, say, scene, sink

DELAY, PAIRS, GOAL = 0.05, 5, 0.85
EVENTS = {512: 60_000, 64: 10_000}


def run(options: Options) -> list[Figure]:
    """512 first: the harder one gives the bench its name."""
    with scene() as place, sink(delay=DELAY) as receiver:
        figures = [_at_once(place, receiver, each, options) for each in EVENTS]
    return figures


def _at_once(place: Scene, receiver: Sink, handles: int, options: Options) -> Figure:
    events = options.events or EVENTS[handles]
    topic = place.topic(events, records=options.records)
    shape = Shape(topic, f"{receiver.url}send", options.records, options.journal, concurrency=handles)
    works = []
    for pair in range(options.pairs or PAIRS):
        works.append(work(place, shape, receiver, events=events))
        say(f"round {pair + 1}: {handles} at once {works[-1].rate:,.0f}")
    rate, ideal = statistics.median(each.rate for each in works), handles / DELAY
    return Figure(
        "inflight" if handles == max(EVENTS) else f"inflight {handles}",
        rounded(rate),
        GOAL,
        "messages/s",
        theirs=ideal,
        ratio=round(rate / ideal, 3),
        pairs=len(works),
        faults=lost(works),
        more={"at once": handles, "receiver_ms": DELAY * 1000},
    )

"""Messages into a file, each safe on the disk before it counts, beside the prototype that produces them to Kafka."""

from __future__ import annotations

from tests.bench.figures import Figure, paired
from tests.bench.line import lost
from tests.bench.options import Options
from tests.bench.ours import Shape, Work, work
from tests.bench.peers import prototype_to_kafka
from tests.bench.scene import say, scene

EVENTS, PAIRS, GOAL = 100_000, 5, 0.2


def run(options: Options) -> list[Figure]:
    """Ours by the journal's times, theirs until the broker has all."""
    events, pairs = options.events or EVENTS, options.pairs or PAIRS
    ours: list[Work] = []
    theirs = list[float]()
    with scene() as place:
        topic = place.topic(events, records=options.records)
        for pair in range(pairs):
            theirs.append(prototype_to_kafka(place, topic, events=events, records=options.records))
            ours.append(work(place, Shape(topic, "", options.records, options.journal), None, events=events))
            say(f"pair {pair + 1}: ours {ours[-1].rate:,.0f}, prototype to Kafka {theirs[-1]:,.0f}")
    rates = [each.rate for each in ours]
    return [paired("file", rates, theirs, goal=GOAL, unit="messages/s", faults=lost(ours))]

"""The whole way beside FastStream's batch consumer, which has no journal, stash, limits or resends either."""

from __future__ import annotations

from tests.bench.figures import Figure, paired
from tests.bench.line import lost
from tests.bench.options import Options
from tests.bench.ours import Shape, Work, work
from tests.bench.peers import faststream
from tests.bench.scene import say, scene, sink

EVENTS, PAIRS, GOAL = 60_000, 5, 2.0


def run(options: Options) -> list[Figure]:
    """Interleaved pairs over the same topic."""
    events, pairs = options.events or EVENTS, options.pairs or PAIRS
    ours: list[Work] = []
    theirs = list[float]()
    with scene() as place, sink() as receiver:
        topic = place.topic(events, records=options.records)
        shape = Shape(topic, f"{receiver.url}send", options.records, options.journal)
        for pair in range(pairs):
            theirs.append(faststream(place, receiver, topic, events=events, records=options.records))
            ours.append(work(place, shape, receiver, events=events))
            say(f"pair {pair + 1}: ours {ours[-1].rate:,.0f}, FastStream {theirs[-1]:,.0f}")
    rates = [each.rate for each in ours]
    return [paired("faststream", rates, theirs, goal=GOAL, unit="messages/s", faults=lost(ours))]

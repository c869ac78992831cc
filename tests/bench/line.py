"""The whole way, Kafka → PostgreSQL store → HTTP, beside the bare prototype and its bare client in the same run."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from tests.bench.figures import Figure, paired, rounded
from tests.bench.options import Options
from tests.bench.ours import Shape, Work, work
from tests.bench.peers import posting, prototype
from tests.bench.scene import say, scene, sink

EVENTS, PAIRS, GOAL = 100_000, 5, 0.5
HONEST = 0.8
"""What the prototype has to reach of its bare client's limit."""


def run(options: Options) -> list[Figure]:
    """Everything on, 1,000,000 events behind it, one service process."""
    events, pairs = options.events or EVENTS, options.pairs or PAIRS
    ours: list[Work] = []
    theirs, bare = list[float](), list[float]()
    with scene() as place, sink() as receiver:
        topic = place.topic(events, records=options.records)
        shape = Shape(topic, f"{receiver.url}send", options.records, options.journal)
        for pair in range(pairs):
            bare.append(posting(place, receiver, events=events))
            theirs.append(prototype(place, receiver, topic, events=events, records=options.records))
            ours.append(work(place, shape, receiver, events=events))
            say(
                f"pair {pair + 1}: ours {ours[-1].rate:,.0f}, prototype {theirs[-1]:,.0f}, bare {bare[-1]:,.0f}"
            )
    return [figure(ours, theirs, bare, events=events, journal=options.journal)]


def figure(
    ours: Sequence[Work], theirs: Sequence[float], bare: Sequence[float], *, events: int, journal: int
) -> Figure:
    """A failure too if the prototype is no prototype, or an event is unaccounted for."""
    honest = statistics.median(a / b for a, b in zip(theirs, bare, strict=True))
    faults = [*lost(ours)]
    if honest < HONEST:
        faults.append(f"the prototype reached only {honest:.2f} of its bare client's limit")
    return paired(
        "line",
        [each.rate for each in ours],
        theirs,
        goal=GOAL,
        unit="messages/s",
        faults=faults,
        more={
            "events": events,
            "journal": journal,
            "cpu_us": rounded(statistics.median(each.cpu for each in ours)),
            "bare POST": rounded(statistics.median(bare)),
            "prototype of bare POST": round(honest, 3),
            "unaccounted": sum(each.unaccounted for each in ours),
        },
    )


def lost(works: Sequence[Work]) -> list[str]:
    """A sentence for each run in which some event has no proper end."""
    return [
        f"{each.unaccounted} events unaccounted for: {dict(each.states)}"
        for each in works
        if each.unaccounted
    ]

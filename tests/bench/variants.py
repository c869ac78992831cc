"""Ours beside ours: two shapes of a system, interleaved."""

from __future__ import annotations

from collections.abc import Callable

from tests.bench.figures import Figure, paired
from tests.bench.line import lost
from tests.bench.options import Options
from tests.bench.ours import Shape, Work, work
from tests.bench.scene import say, scene, sink

EVENTS, PAIRS = 60_000, 5


def compared(name: str, options: Options, *, goal: float, change: Callable[[Shape], Shape]) -> list[Figure]:
    """The plain shape, and what `change` makes of it."""
    events, pairs = options.events or EVENTS, options.pairs or PAIRS
    ours, plain = list[Work](), list[Work]()
    with scene() as place, sink() as receiver:
        topic = place.topic(events, records=options.records)
        shape = Shape(topic, f"{receiver.url}send", options.records, options.journal)
        other = change(shape)
        for pair in range(pairs):
            plain.append(work(place, shape, receiver, events=events))
            ours.append(work(place, other, receiver, events=events))
            say(f"pair {pair + 1}: {ours[-1].rate:,.0f}, plain {plain[-1].rate:,.0f}")
    return [
        paired(
            name,
            [each.rate for each in ours],
            [each.rate for each in plain],
            goal=goal,
            unit="messages/s",
            faults=lost([*ours, *plain]),
        )
    ]

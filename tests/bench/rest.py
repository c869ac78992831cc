"""A service at rest: memory and CPU; and how its memory grows while it works through a million events."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from itertools import islice

import psutil

from tests.bench.figures import Figure, rounded
from tests.bench.options import Options
from tests.bench.ours import Rest, Shape, resident, spent, system
from tests.bench.scene import Scene, Sink, say, scene, sign_ins, sink, wait_for

EVENTS, WARM, CHUNK = 1_000_000, 100_000, 100_000
SETTLE, WATCHED = 20.0, 30.0
"""Seconds after the start, and seconds that are looked at."""
MEMORY, CPU, GROWTH = 120.0, 1.0, 1.0


def run(options: Options) -> list[Figure]:
    """At rest first, then after 100,000 events, then after as many as are asked more."""
    with scene() as place, sink() as receiver:
        topic = place.kafka.new_topic("rest")
        with system(place, Shape(topic, f"{receiver.url}send", options.records, options.journal)) as found:
            found.start()
            process = psutil.Process(found.service.process.pid)
            memory, share = at_rest(process)
            say(f"at rest: {memory:.0f} MB, {share:.2f} % of a core")
            grown = _grown(place, receiver, topic, process, options)
    cpu = Figure("rest cpu", rounded(share), CPU, "% of a core", judged="ours", most=True)
    return [Figure("rest", rounded(memory), MEMORY, "MB", judged="ours", most=True), cpu, grown]


def at_rest(process: psutil.Process) -> tuple[float, float]:
    """MB, and per cent of a core."""
    pause = threading.Event()
    pause.wait(SETTLE)
    before = spent(process)
    pause.wait(WATCHED)
    return resident(process), (spent(process) - before) / WATCHED * 100


def _grown(place: Scene, receiver: Sink, topic: str, process: psutil.Process, options: Options) -> Figure:
    """By the events that came in meanwhile, on a service that has nothing to do again."""
    more = options.events or EVENTS
    events = sign_ins(WARM + more, records=options.records)
    receiver.clear()
    _through(place, receiver, topic, events, WARM, 0)
    before = resident(process)
    for done in range(WARM, WARM + more, CHUNK):
        _through(place, receiver, topic, events, min(CHUNK, WARM + more - done), done)
        say(f"{done + CHUNK:,} events: {resident(process):.1f} MB")
    growth = (resident(process) - before) / (more / 1_000_000)
    said = {"after 100,000": rounded(before), "at the end": rounded(resident(process)), "events": more}
    return Figure(
        "rest growth", rounded(growth), GROWTH, "MB a million events", judged="ours", most=True, more=said
    )


def _through(
    place: Scene, receiver: Sink, topic: str, events: Iterable[bytes], count: int, before: int
) -> None:
    place.kafka.produce(topic, islice(events, count))
    wait_for(Rest(receiver, before + count), within=300, what="All messages", every=0.2)
    threading.Event().wait(2)

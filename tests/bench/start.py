"""How soon a service sends its first message, after a stop and after kill -9, with events waiting; and `--help`."""

from __future__ import annotations

import statistics
import subprocess
import time

from tests.bench.figures import Figure, rounded
from tests.bench.options import Options
from tests.bench.ours import Rest, Shape, system
from tests.bench.scene import Scene, Sink, say, scene, sign_ins, sink, wait_for
from tests.faults.service import WHEREUPON, System

EVENTS, ROUNDS, FIRST, HELP = 20_000, 5, 3.0, 0.5


def run(options: Options) -> list[Figure]:
    """Each round kills a service at work, and starts it again."""
    cleanly, killed = list[float](), list[float]()
    with scene() as place, sink() as receiver:
        topic = place.kafka.new_topic("start")
        with system(place, Shape(topic, f"{receiver.url}send", options.records, options.journal)) as found:
            # The broker makes its list of groups for the first member that there ever is.
            _first(place, receiver, found, topic, options)
            found.stop()
            for each in range(options.pairs or ROUNDS):
                cleanly.append(_first(place, receiver, found, topic, options))
                found.service.kill()
                killed.append(_first(place, receiver, found, topic, options))
                wait_for(Rest(receiver, 10**9), within=120, what="The last message")
                found.stop()
                say(f"round {each + 1}: {cleanly[-1]:.2f} s, after kill -9 {killed[-1]:.2f} s")
    helped = [_help() for _ in range(7)]
    return [
        _figure("start", killed, FIRST, "s to the first message after kill -9"),
        _figure("start clean", cleanly, FIRST, "s to the first message"),
        _figure("start help", helped, HELP, "s for whereupon --help"),
    ]


def _first(place: Scene, receiver: Sink, system: System, topic: str, options: Options) -> float:
    """Seconds from the start of the process to the first message; the service goes on."""
    place.kafka.produce(topic, sign_ins(options.events or EVENTS, records=options.records))
    receiver.clear()
    system.start()
    wait_for(lambda: receiver.figures()["count"], within=60, what="The first message")
    return float(receiver.figures()["first"] / 1e9 - system.began)


def _help() -> float:
    began = time.monotonic()
    subprocess.run([*WHEREUPON, "--help"], capture_output=True, check=True)
    return time.monotonic() - began


def _figure(name: str, seconds: list[float], goal: float, unit: str) -> Figure:
    middle = rounded(statistics.median(seconds))
    more = {"worst": rounded(max(seconds))}
    return Figure(name, middle, goal, unit, pairs=len(seconds), judged="ours", most=True, more=more)

"""Lists the benches, runs one or all: `python packaging/dev.py bench [NAME | all] [--json]`.

A bench is a module with a function `run(options)` that gives figures; the first one has the bench's name. `bench all`
keeps what it finds in results.json, with date and machine.
"""

from __future__ import annotations

import argparse
import importlib
import signal
import sys
from collections.abc import Sequence

from tests.bench import figures, picture, results
from tests.bench.figures import Figure
from tests.bench.options import Options
from tests.bench.scene import say

BENCHES = {
    "line": "Kafka → PostgreSQL store → HTTP, everything on, beside a bare prototype",
    "faststream": "the same beside FastStream's batch consumer",
    "latency": "p50 and p99 at 200 events/s beside the prototype's",
    "inflight": "a receiver that takes 50 ms, 64 and 512 requests at once",
    "tls": "events over SASL_SSL beside plain ones",
    "file": "into a file, beside the prototype into Kafka",
    "postgresql": "the journal in PostgreSQL beside SQLite",
    "growth": "how the rate changes with partitions, campaigns, records, events behind it, the receiver",
    "rest": "memory and CPU at rest, and how memory grows by events",
    "retention": "old events leave while 2,000 a second come in",
    "load": "load-communications into PostgreSQL",
    "fill": "a table campaign that fills a store in PostgreSQL",
    "templates": "the worked example's two templates",
    "start": "start to first message, also after kill -9; --help",
}


def main(words: Sequence[str] | None = None) -> int:
    """Exit code 1 if a goal is missed."""
    asked = _asked(words)
    # Servers and services end with us, however we are ended.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if asked.name is None:
        _list()
        return 0
    options = Options(asked.pairs, asked.events, asked.records, asked.journal)
    if asked.name == "all":
        return _all(options, as_json=asked.json)
    found = bench(asked.name, options)
    _tell(found, as_json=asked.json)
    if asked.keep:
        _keep(asked.name, found, options)
    return 0 if all(each.met for each in found) else 1


def _asked(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="dev.py bench", description="Measures the line; without a name, lists."
    )
    parser.add_argument("name", nargs="?", choices=[*BENCHES, "all"], metavar="NAME")
    parser.add_argument("--json", action="store_true", help="the last line of a bench is an object")
    parser.add_argument(
        "--keep", action="store_true", help="keep the figures of one bench in results.json too"
    )
    parser.add_argument("--pairs", type=int, default=0, help="rounds, for a quicker run")
    parser.add_argument("--events", type=int, default=0, help="events of each round")
    parser.add_argument("--records", type=int, default=Options().records, help="persons in the store")
    parser.add_argument(
        "--journal", type=int, default=Options().journal, help="events behind it in the journal"
    )
    return parser.parse_args(words)


def _list() -> None:
    width = max(map(len, BENCHES)) + 2
    for name, said in BENCHES.items():
        sys.stdout.write(f"{name:{width}}{said}\n")
    sys.stdout.write(f"{'all':{width}}all of them, kept in tests/bench/results.json\n")


def bench(name: str, options: Options) -> list[Figure]:
    """Run one."""
    found: list[Figure] = importlib.import_module(f"tests.bench.{name}").run(options)
    return found


def _all(options: Options, *, as_json: bool) -> int:
    """One that breaks is told, and the others go on; what was found before it stays in the file."""
    met = True
    for name in BENCHES:
        say(f"== {name}")
        try:
            found = bench(name, options)
        except (SystemExit, AssertionError) as error:
            say(f"{name} broke: {error}")
            met = False
            continue
        _tell(found, as_json=as_json)
        _keep(name, found, options)
        met = met and all(each.met for each in found)
    return 0 if met else 1


def _keep(name: str, found: Sequence[Figure], options: Options) -> None:
    """Only what was measured whole."""
    if options != Options():
        say("A run with fewer rounds or events isn't kept.")
        return
    results.keep(name, found)
    if name == "growth":
        picture.draw()


def _tell(found: Sequence[Figure], *, as_json: bool) -> None:
    for each in found:
        (sys.stderr if as_json else sys.stdout).write(f"{each}\n")
    if as_json:
        sys.stdout.write(figures.line(found) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())

"""Lists the benches, or runs one: `python -m tests.bench.run [NAME] [--json]`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from typing import Any

from tests.bench import line

BENCHES: dict[str, tuple[str, Callable[[], dict[str, Any]]]] = {
    "line": ("Kafka → PostgreSQL store → HTTP, everything on, beside a bare prototype", line.run),
}


def main() -> int:
    """Exit code 1 if a figure is below its goal, or an event is unaccounted for."""
    parser = argparse.ArgumentParser(prog="dev.py bench")
    parser.add_argument("name", nargs="?", choices=sorted(BENCHES))
    parser.add_argument("--json", action="store_true", help="the last line is an object")
    words = parser.parse_args()
    if words.name is None:
        for name, (said, _) in BENCHES.items():
            sys.stdout.write(f"{name:8}{said}\n")
        return 0
    figures = BENCHES[words.name][1]()
    sys.stdout.write(json.dumps(figures) + "\n" if words.json else spoken(figures))
    return 0 if figures["ratio"] >= figures["goal"] and not figures["unaccounted"] else 1


def spoken(figures: dict[str, Any]) -> str:
    """The figures for people."""
    head = (
        f"{figures['name']}: {figures['ours']:,} {figures['unit']}, the other {figures['theirs']:,}:"
        f" ratio {figures['ratio']} (goal {figures['goal']}), {figures['pairs']} pairs\n"
    )
    rest = [
        name for name in figures if name not in ("name", "ours", "theirs", "ratio", "goal", "unit", "pairs")
    ]
    return head + "".join(f"  {name}: {figures[name]}\n" for name in rest)


if __name__ == "__main__":
    sys.exit(main())

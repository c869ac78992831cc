"""`load-communications`: lines of the stash become rows, with the command's own start."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

from tests.bench.figures import Figure, rounded
from tests.bench.options import Options
from tests.bench.ours import SECRETS
from tests.bench.scene import Scene, say, scene
from tests.faults.service import System
from whereupon.storage.stash import Line, encoded

EVENTS, ROUNDS, GOAL = 300_000, 3, 20_000
A_FILE = 100_000


def run(options: Options) -> list[Figure]:
    """Into a system database in PostgreSQL, and into one in SQLite."""
    with scene() as place:
        return [
            _figure(place, options, "load", server=True),
            _figure(place, options, "load SQLite", server=False),
        ]


def _figure(place: Scene, options: Options, name: str, *, server: bool) -> Figure:
    lines, rates, faults = options.events or EVENTS, list[float](), list[str]()
    for _ in range(options.pairs or ROUNDS):
        system = _system(place, server=server)
        _write(system.folder / "Stash", lines)
        began = time.monotonic()
        system.command("load-communications", "--json")
        rates.append(lines / (time.monotonic() - began))
        rows = system.count("SELECT COUNT(*) FROM communications", of="system")
        faults += [f"{rows} rows of {lines} lines"] if rows != lines else []
        say(f"{name}: {rates[-1]:,.0f} rows/s")
    rate = rounded(statistics.median(rates))
    return Figure(
        name, rate, GOAL, "rows/s", pairs=len(rates), judged="ours", faults=faults, more={"rows": lines}
    )


def _system(place: Scene, *, server: bool) -> System:
    url = place.postgresql.url(place.postgresql.create_database("system"), password=None)
    setup = {
        "version": 1,
        "system": {"name": "TealHols", "time_zone": "Europe/London"},
        **({"databases": {"system": url}} if server else {}),
    }
    return System(place.folder / f"load{place.number()}", setup, secrets=SECRETS)


def _write(stash: Path, count: int) -> None:
    """Closed files, as a service leaves them."""
    for number, first in enumerate(range(0, count, A_FILE)):
        lines = (encoded(line(each)) for each in range(first, min(first + A_FILE, count)))
        (stash / f"1732190400000-{number:03d}.stash").write_bytes(b"".join(lines))


def line(number: int) -> Line:
    """What was sent for one event."""
    key, sent = f"{number * 2654435761 % 2**32:08x}{number:056x}", 1732190400000 + number
    person, address = f"u{number}", f"ada{number}@example.org"
    return Line(
        key, "Welcome back", 1, "SignIn", f"e1732190400000-{number}", person, "ESP", address, "", sent,
        number + 1, 2,
    )  # fmt: skip

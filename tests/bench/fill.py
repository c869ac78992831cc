"""A table campaign that fills a store in PostgreSQL, by its command, with the command's own start."""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import Any

import yaml

from tests.bench.figures import Figure, rounded
from tests.bench.options import Options
from tests.bench.ours import SECRETS
from tests.bench.scene import say, scene
from tests.faults.service import System
from whereupon.host.paths import resources

EVENTS, ROUNDS, GOAL = 200_000, 3, 15_000
CAMPAIGN = "Fill TealGreen"


def run(options: Options) -> list[Figure]:
    """The worked example's, first into an empty store, then over the records that are there."""
    people = options.events or EVENTS
    new, again, faults = list[float](), list[float](), list[str]()
    with scene() as place:
        for _ in range(options.pairs or ROUNDS):
            folder = place.folder / f"fill{place.number()}"
            folder.mkdir()
            database = place.postgresql.create_database("store")
            system = System(
                folder, setup(folder, people, place.postgresql.url(database, password=None)), secrets=SECRETS
            )
            new.append(_rate(system, people))
            again.append(_rate(system, people))
            rows = place.postgresql.rows(database, "SELECT COUNT(*) FROM record")[0][0]
            faults += [f"{rows} records of {people} people"] if rows != people else []
            say(f"fill: {new[-1]:,.0f} records/s, again {again[-1]:,.0f}")
    return [_figure("fill", new, faults), _figure("fill again", again, [])]


def _rate(system: System, people: int) -> float:
    began = time.monotonic()
    system.command("run", CAMPAIGN, "--quiet")
    return people / (time.monotonic() - began)


def _figure(name: str, rates: list[float], faults: list[str]) -> Figure:
    rate = rounded(statistics.median(rates))
    return Figure(name, rate, GOAL, "records/s", pairs=len(rates), judged="ours", faults=faults)


def setup(folder: Path, people: int, store: str) -> dict[str, Any]:
    """The worked example without its streams."""
    with (folder / "people.csv").open("w", encoding="utf-8") as file:
        file.write("person_urn,email,forename,surname,lifetime_spend\n")
        for each in range(people):
            file.write(f"u{each},ada{each}@example.org,Ada{each},Byrne,{each * 137 % 2400}.50\n")
    found: dict[str, Any] = yaml.safe_load(
        (resources() / "example" / "tealhols.yaml").read_text(encoding="utf-8")
    )
    found["databases"] = {"pull_marketing": store}
    found["campaigns"] = [each for each in found["campaigns"] if each["name"] == CAMPAIGN]
    fills = found["campaigns"][0]["message"]["delivery"]["channel"]
    found["channels"] = [each for each in found["channels"] if each["name"] == fills]
    del found["streams"], found["realtime_data"]
    return found

"""How the rate changes with what the line stands on: one thing varied at a time, everything else as in `line`."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.bench.figures import Figure, rounded
from tests.bench.line import lost
from tests.bench.options import Options
from tests.bench.ours import Shape, Work, work
from tests.bench.scene import Scene, say, scene, sink

EVENTS, ROUNDS = 40_000, 3
SLOWER = 0.75
"""What the rate with 3 million events behind it has to reach of the rate with none."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One place in the table: what is varied, its value in words, and how."""

    varied: str
    value: str
    shape: Mapping[str, int] = field(default_factory=dict, hash=False)
    topic: Mapping[str, int] = field(default_factory=dict, hash=False)
    delay: float = 0.0


PERSON = "every tenth event of a person with"
JOURNAL = "events in the journal"
CELLS = (
    *(Cell("partitions", f"{each}", topic={"partitions": each}) for each in (1, 4, 16)),
    *(Cell("campaigns, of which 1 matches", f"{each}", {"campaigns": each}) for each in (1, 10, 50)),
    Cell(PERSON, "no others"),
    Cell(PERSON, "100,000 events", {"crowd": 100_000}, {"crowd": 10}),
    *(Cell("records in the store", f"{each:,}", {"records": each}) for each in (10_000, 1_000_000)),
    Cell(JOURNAL, "0", {"journal": 0}),
    *(Cell(JOURNAL, f"{each} million", {"journal": each * 1_000_000}) for each in (1, 3, 10)),
    *(Cell("receiver takes", f"{each} ms", delay=each / 1000) for each in (1, 50, 500)),
)


def run(options: Options) -> list[Figure]:
    """The cells by turns, round after round; the first figure is the journal's bar."""
    works: dict[Cell, list[Work]] = {each: [] for each in CELLS}
    with scene() as place:
        for number in range(options.pairs or ROUNDS):
            for cell, found in works.items():
                found.append(_work(place, cell, options))
                say(f"round {number + 1}: {cell.varied} {cell.value}: {found[-1].rate:,.0f}")
    return [_bar(works), *(_figure(cell, found) for cell, found in works.items())]


def _work(place: Scene, cell: Cell, options: Options) -> Work:
    events = (
        min(options.events or EVENTS, int(64 / cell.delay * 8)) if cell.delay else options.events or EVENTS
    )
    plain = {"records": options.records, "journal": options.journal}
    varied: dict[str, Any] = {**plain, **cell.shape}
    topic = place.topic(events, records=varied["records"], **cell.topic)
    with sink(delay=cell.delay) as receiver:
        return work(place, Shape(topic, f"{receiver.url}send", **varied), receiver, events=events)


def _figure(cell: Cell, works: list[Work]) -> Figure:
    rates = [each.rate for each in works]
    more = {
        "varied": cell.varied,
        "value": cell.value,
        "cpu_us": rounded(statistics.median(each.cpu for each in works)),
    }
    name = f"growth {cell.varied} {cell.value}"
    return Figure(
        name,
        rounded(statistics.median(rates)),
        None,
        "messages/s",
        pairs=len(works),
        more=more,
        faults=lost(works),
    )


def _bar(works: Mapping[Cell, list[Work]]) -> Figure:
    """At 3 million events no more than 25 % slower than at none."""
    by_value = {cell.value: found for cell, found in works.items() if cell.varied == JOURNAL}
    full, empty = ([each.rate for each in by_value[value]] for value in ("3 million", "0"))
    ratio = statistics.median(a / b for a, b in zip(full, empty, strict=True))
    return Figure(
        "growth",
        rounded(statistics.median(full)),
        SLOWER,
        "messages/s with 3 million events in the journal",
        theirs=rounded(statistics.median(empty)),
        ratio=round(ratio, 3),
        pairs=len(full),
    )

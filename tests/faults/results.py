"""What came of the fault rows: kept by the suite in `results.json`, shown as the README's table.

A run with `--faults` or `--row N` replaces the lines of the rows that passed in it, one a row and tier, and writes the
table anew; any other run, so the plain suite in CI, leaves the tree alone and writes `.cache/fault_report.json` only.
`python -m tests.faults.results` writes the table from the file as it is.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.servers.processes import ROOT

FILE = ROOT / "tests" / "faults" / "results.json"
README = ROOT / "README.md"
REPORT = ROOT / ".cache" / "fault_report.json"
BEGIN, END = "<!-- faults -->", "<!-- /faults -->"
ROWS, LINE = "fault rows", "fault"
"""The properties by which a test's report names its rows, and each line that it told `fault_report`."""
# Each figure: what of an account it sums. A repeat was held back on purpose, a refused message goes no further.
FIGURES = {
    "produced": ("produced",),
    "delivered": ("delivered",),
    "doubled": ("doubled",),
    "withheld": ("withheld", "repeats"),
    "dead": ("dead", "failed"),
    "unknown": ("unknown",),
    "lost": ("lost",),
}
FAULTS = {
    1: "killed at random",
    2: "killed at every named point",
    3: "restarted under load",
    4: "started twice",
    8: "broker killed",
    9: "broker unreachable, slow, cut off",
    10: "broker down at the start",
    11: "topic deleted, events expired",
    12: "topic gets more partitions",
    13: "events that nobody can read",
    17: "events that come again",
    18: "database killed",
    20: "database slow, locked, full up",
    22: "database deadlocks",
    23: "people missing or twice in the store",
    24: "receiver answers badly",
    26: "one of two receivers dead",
    27: "mail server fails at each stage",
    28: "one of 500 mails refused",
    32: "disk full",
    33: "disk full at the n-th write",
    36: "stash files damaged",
    37: "load of the stash killed",
    39: "clock jumps",
    40: "daylight saving, every zone",
    41: "schedules missed while off",
    43: "its own databases damaged",
    48: "campaign published under load",
    49: "hostile templates",
    51: "threads die",
    56: "the same error for an hour",
}
Line = Mapping[str, Any]
Result = dict[str, Any]


# ------------------------------------------------------------------------------------------- the file, the table
def result(row: int, tier: str, lines: Sequence[Line], *, seconds: float, date: str) -> Result:
    """A row's line of the file, of all that its tests reported."""
    figures = {
        name: sum(int(line.get(part, 0)) for line in lines for part in parts)
        for name, parts in FIGURES.items()
    }
    seed = next((line["seed"] for line in lines if line.get("seed")), 0)
    return {"row": row, "tier": tier, "seed": seed, **figures, "seconds": round(seconds, 1), "date": date}


def merged(old: Iterable[Result], new: Iterable[Result]) -> list[Result]:
    """Both, in the order of rows; of the same row and tier the new one."""
    found = {(each["row"], each["tier"]): each for each in (*old, *new)}
    return [found[key] for key in sorted(found)]


def written(results: Iterable[Result]) -> str:
    """The file's text: a line for each result, so that a change shows as one line."""
    return "[\n" + ",\n".join(f" {json.dumps(each)}" for each in results) + "\n]\n"


def stored(file: Path) -> list[Result]:
    """What the file holds; nothing if it isn't there yet."""
    found: list[Result] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else []
    return found


def table(results: Iterable[Result]) -> str:
    """The results as Markdown: of each row its full run, or its quick one where there is no other."""
    best = {each["row"]: each for each in sorted(results, key=lambda each: each["tier"], reverse=True)}
    lines = [
        f"| Row | Fault | {' | '.join(each.capitalize() for each in FIGURES)} | Seconds | Run |",
        f"|--:|---|{'--:|' * len(FIGURES)}--:|---|",
    ]
    for row, each in sorted(best.items()):
        figures = " | ".join(f"{each[name]:,}" for name in FIGURES)
        run = f"{each['tier']}, {each['date']}"
        lines.append(f"| {row} | {FAULTS[row]} | {figures} | {each['seconds']:,.0f} | {run} |")
    return "\n".join(lines)


def shown(readme: str, text: str) -> str:
    """The README with this table between its marks."""
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"The README has no place for the table: {BEGIN} and {END} around it.")
    return f"{before}{BEGIN}\n{text}\n{END}{after}"


def keep(new: Iterable[Result], *, file: Path = FILE, readme: Path = README) -> None:
    """Put these results into the file, and the table of all into the README."""
    results = merged(stored(file), new)
    file.write_text(written(results), encoding="utf-8")
    readme.write_text(shown(readme.read_text(encoding="utf-8"), table(results)), encoding="utf-8")


# -------------------------------------------------------------------------------------------------- the collector
class Collector:
    """A plugin of pytest's main process: it collects what the rows' tests report, and keeps it when the session ends.

    A row is kept only if all of its tests ran and passed.
    """

    def __init__(
        self, *, tier: str, kept: bool, file: Path = FILE, readme: Path = README, report: Path = REPORT
    ) -> None:
        self._tier, self._kept = tier, kept
        self._file, self._readme, self._report = file, readme, report
        self._lines: dict[int, list[Line]] = defaultdict(list)
        self._seconds: dict[int, float] = defaultdict(float)
        self._broken: set[int] = set()

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        """A row of which a part was left out isn't kept."""
        self._broken.update(row for each in items for row in rows_of(each))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take what a test of a row told."""
        rows = [row for name, value in report.user_properties if name == ROWS for row in _list(value)]
        if not report.passed:
            self._broken.update(rows)
        if report.when != "call":
            return
        for row in rows:
            self._seconds[row] += report.duration
        for name, value in report.user_properties:
            if name == LINE and isinstance(value, dict):
                self._lines[value["row"]].append(value)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Keep what passed; nothing of a session that was broken off."""
        if not self._seconds:
            return
        lines = [each for row in sorted(self._lines) for each in self._lines[row]]
        self._report.parent.mkdir(exist_ok=True)
        self._report.write_text(json.dumps(lines, indent=1) + "\n", encoding="utf-8")
        if self._kept and not (session.shouldstop or session.shouldfail):
            keep(self._results(), file=self._file, readme=self._readme)

    def _results(self) -> list[Result]:
        date = datetime.now(UTC).date().isoformat()
        return [
            result(row, self._tier, self._lines[row], seconds=seconds, date=date)
            for row, seconds in self._seconds.items()
            if row not in self._broken
        ]


def rows_of(item: pytest.Item) -> list[int]:
    """The rows of the fault matrix that a test belongs to."""
    return [row for mark in item.iter_markers("fault") for row in mark.args]


def _list(value: object) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else []


if __name__ == "__main__":
    keep(())

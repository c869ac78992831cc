"""What the demo shows: step by step, event by event, and the sum at the end."""

from __future__ import annotations

import json
import sys
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from whereupon.demo.account import Totals

STYLES = {
    "sent": "green",
    "withheld": "yellow",
    "repeat": "cyan",
    "dead letter": "magenta",
    "failed": "red",
    "unknown": "red",
}


class Face:
    """On a terminal with colours and a bar; in a pipe line by line; as JSON the sum alone, on the last line."""

    def __init__(self, events: int, *, as_json: bool) -> None:
        self._json = as_json
        self._out = Console(file=sys.stdout, highlight=False, soft_wrap=True)
        self._beside = Console(file=sys.stderr, highlight=False, soft_wrap=True) if as_json else self._out
        self._open = ExitStack()
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        self._bar = Progress(
            *columns, console=self._beside, transient=True, disable=not self._beside.is_terminal
        )
        self._task = self._bar.add_task("events accounted for", total=events)

    def close(self) -> None:
        """Take the bar away; a second call does nothing."""
        self._open.close()

    def step(self, words: str) -> None:
        """Something about to be done."""
        self._beside.print(Text(words, style="bold"))

    def begin(self) -> None:
        """Events begin to come."""
        self._open.enter_context(self._bar)

    def happened(self, outcome: str, who: str, what: str) -> None:
        """What became of one event."""
        if not self._json:
            line = Text.assemble((f"{outcome:<12}", STYLES.get(outcome, "")), f"{who:<28} ", (what, "dim"))
            wrapped = not self._out.is_terminal
            self._out.print(
                line, no_wrap=True, overflow="ignore" if wrapped else "ellipsis", soft_wrap=wrapped
            )

    def accounted(self, number: int) -> None:
        """So many events have their end."""
        self._bar.update(self._task, completed=number)

    def closing(self, totals: Totals, *, folder: Path, kept: bool, kafka: str, stray: int) -> None:
        """The sum of it all."""
        self.close()
        if self._json:
            self._out.print(json.dumps(asdict(totals), ensure_ascii=False), markup=False)
            return
        self._out.print(_table(totals))
        self._out.print(f"From hand-over to arrival: p50 {totals.p50_ms:g} ms, p99 {totals.p99_ms:g} ms.")
        if stray:
            self._out.print(Text(f"{stray} messages arrived that no event explains.", style="red"))
        for line in (_files(folder) if kept else _without(folder)) + _further(kafka):
            self._out.print(Text(line))


def _table(totals: Totals) -> Table:
    table = Table("Outcome", "Reason", "Events", box=SIMPLE_HEAD, pad_edge=False)
    table.columns[2].justify = "right"
    rows = [("sent", "", totals.sent)]
    rows += [("withheld", reason, number) for reason, number in sorted(totals.withheld.items())]
    rows += [("failed", "", totals.failed), ("unknown", "", totals.unknown)]
    rows += [
        ("dead letter", "can't be used", totals.dead_letters),
        ("repeat", "recognised, not sent again", totals.repeats),
    ]
    for outcome, reason, number in rows:
        if number:
            table.add_row(Text(outcome, style=STYLES[outcome]), reason, f"{number:,}")
    if totals.unaccounted:
        table.add_row(Text("unaccounted", style="bold red"), "", f"{totals.unaccounted:,}")
    table.add_section()
    table.add_row("events", "", f"{totals.events:,}")
    return table


def _files(folder: Path) -> list[str]:
    return [
        f"The set-up file:             {folder / 'tealhols.yaml'}",
        f"The system:                  {folder}",
        f"What was sent, in files:     {folder / 'Stash'}",
        f"The service's log:           {folder / 'Logs'}",
        f"See what became of each:     whereupon activity --system {folder}",
        f"And why:                     whereupon explain --event ID --system {folder}",
    ]


def _without(folder: Path) -> list[str]:
    return [f"It all stood in {folder}, which is deleted now; --keep DIR leaves it to you."]


def _further(kafka: str) -> list[str]:
    return [] if kafka else ["The same with your own Kafka: whereupon demo --kafka HOST:PORT"]

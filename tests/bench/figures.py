"""What a bench found: a figure, beside what it is compared with and what it has to reach."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Judged = Literal["ratio", "ours", "difference"]


@dataclass(frozen=True, slots=True)
class Figure:
    """`judged` says what has to reach `goal`: ours ÷ theirs, ours alone, or ours − theirs; `most` turns it round.

    `faults` are sentences that make it a failure whatever its figures; `more` is said beside them.
    """

    name: str
    ours: float
    goal: float | None
    unit: str
    theirs: float | None = None
    ratio: float | None = None
    pairs: int = 1
    judged: Judged = "ratio"
    most: bool = False
    faults: Sequence[str] = ()
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def value(self) -> float | None:
        """What is judged."""
        if self.judged == "difference" and self.theirs is not None:
            return round(self.ours - self.theirs, 3)
        return self.ratio if self.judged == "ratio" else self.ours

    @property
    def met(self) -> bool:
        """Whether the goal is reached, and nothing went wrong."""
        if self.faults:
            return False
        if self.goal is None or self.value is None:
            return True
        return self.value <= self.goal if self.most else self.value >= self.goal

    @property
    def asked(self) -> str:
        """The goal in words."""
        sign = "≤" if self.most else "≥"
        return "" if self.goal is None else f"{self.judged} {sign} {self.goal:g}"

    def object(self) -> dict[str, Any]:
        """As the last line of `bench NAME --json` and as `results.json` keeps it."""
        keys = ("name", "ours", "theirs", "ratio", "goal", "unit", "pairs")
        found = {each: getattr(self, each) for each in keys} | {"asked": self.asked, "met": self.met}
        return {**found, **self.more, **({"faults": list(self.faults)} if self.faults else {})}

    def __str__(self) -> str:
        beside = f", the other {self.theirs:,g}" if self.theirs is not None else ""
        ratio = f": ratio {self.ratio}" if self.ratio is not None else ""
        head = f"{'ok' if self.met else 'NOT MET':8}{self.name}: {self.ours:,g} {self.unit}{beside}{ratio}"
        lines = [f"{head} ({self.asked or 'no goal'}; {self.pairs} pairs)"]
        lines += [f"{'':8}{name}: {value}" for name, value in self.more.items()]
        return "\n".join([*lines, *(f"{'':8}FAULT: {each}" for each in self.faults)])


def paired(
    name: str, ours: Sequence[float], theirs: Sequence[float], *, goal: float | None, unit: str, **more: Any
) -> Figure:
    """Interleaved pairs: the medians of both, and the median of the ratios of each pair."""
    ratio = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
    return Figure(
        name,
        rounded(statistics.median(ours)),
        goal,
        unit,
        theirs=rounded(statistics.median(theirs)),
        ratio=round(ratio, 3),
        pairs=len(ours),
        **more,
    )


def rounded(value: float) -> float:
    """To a whole number above 100, else to two places."""
    return round(value) if abs(value) >= 100 else round(value, 2)


def line(figures: Sequence[Figure]) -> str:
    """The last line of a bench: its first figure, with the others under `also`; met if all are."""
    first, *rest = figures
    found = first.object() | {"met": all(each.met for each in figures)}
    return json.dumps(found | ({"also": [each.object() for each in rest]} if rest else {}))

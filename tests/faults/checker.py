"""The external checker: what became of every produced event, by the producer's and the receivers' own books.

`whereupon activity --json` is one witness, the sink the other; neither is believed alone. A message that the activity
calls sent and no sink has is lost; one that a sink has and the activity doesn't know is a stray.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

OPEN = {"queued", "sending", "waiting"}
DEAD = {"dead", "dead letter"}
Line = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Produced:
    """One event as it was put on a stream. The same id and person a second time is a repeat.

    `readable=False`: nobody can tell whose it is (bad JSON, a missing Reference): it has to become a dead letter.
    """

    id: str
    person: str
    readable: bool = True


@dataclass
class Account:
    """Where every event went. `lost`, `doubled` and `strays` name those that make the run a failure."""

    produced: int = 0
    delivered: int = 0
    withheld: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    dead: int = 0
    unknown: int = 0
    repeats: int = 0
    pending: int = 0
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    strays: list[str] = field(default_factory=list)

    @property
    def problems(self) -> list[str]:
        """The first few of what must not be, each with a word."""
        kinds = {"lost": self.lost, "doubled": self.doubled, "stray": self.strays}
        return [f"{kind}: {each}" for kind, those in kinds.items() for each in those[:5]]

    @property
    def settled(self) -> bool:
        """True once nothing is on its way any more, and nothing is missing."""
        return not self.pending and not self.lost

    def row(self, row: int, *, seed: int, kills: int, seconds: float) -> dict[str, Any]:
        """A line of the fault report."""
        return {
            "row": row,
            "seed": seed,
            "kills": kills,
            "produced": self.produced,
            "delivered": self.delivered,
            "withheld": sum(self.withheld.values()),
            "failed": sum(self.failed.values()),
            "doubled": len(self.doubled),
            "dead": self.dead,
            "unknown": self.unknown,
            "repeats": self.repeats,
            "lost": len(self.lost),
            "seconds": round(seconds, 1),
        }


def account(produced: Sequence[Produced], arrived: Mapping[str, int], activity: Iterable[Line]) -> Account:
    """Give each produced event exactly one end: delivered, withheld, failed, dead, unknown, repeat, pending or lost.

    `arrived` counts by message key. A line of the activity belongs to an event by `event_id` and `person`; where it has
    no `event_id`, by person alone: then let every event be of a person of its own.
    """
    books = _Books(activity)
    result = Account(produced=len(produced))
    unreadable = [each for each in produced if not each.readable]
    result.dead = min(len(unreadable), books.unreadable)
    result.lost = [f"{each.id} (unreadable)" for each in unreadable[books.unreadable :]]
    for event, times in Counter(each for each in produced if each.readable).items():
        _settle(event, times, books, arrived, result)
    result.strays += [f"key {key}" for key in arrived if key not in books.keys]
    return result


class _Books:
    """The activity's lines, found by event."""

    def __init__(self, activity: Iterable[Line]) -> None:
        self._lines: dict[tuple[str, str], list[Line]] = defaultdict(list)
        self.keys: set[str] = set()
        self.unreadable = 0
        for line in activity:
            self.keys.add(str(line.get("key") or ""))
            if line["outcome"] in DEAD and not line.get("person"):
                self.unreadable += 1
            self._lines[str(line.get("event_id") or ""), str(line.get("person") or "")].append(line)

    def of(self, event: Produced) -> list[Line]:
        return self._lines.get((event.id, event.person)) or self._lines.get(("", event.person), [])


def _settle(event: Produced, times: int, books: _Books, arrived: Mapping[str, int], result: Account) -> None:
    lines = books.of(event)
    name = f"{event.id} of {event.person}"
    repeats = sum(line["outcome"] == "repeat" for line in lines)
    ends: dict[str, list[Line]] = defaultdict(list)
    for line in lines:
        if line["outcome"] != "repeat":
            ends[str(line.get("campaign") or "")].append(line)
    if not ends:
        result.lost.append(name)
    for campaign in ends.values():
        _settle_campaign(name, campaign, arrived, result)
    result.repeats += min(repeats, times - 1)
    result.lost += [f"{name}, a repeat"] * max(0, times - 1 - repeats)


def _settle_campaign(name: str, lines: list[Line], arrived: Mapping[str, int], result: Account) -> None:
    """One event and campaign: its outcome, and a dead letter where that asks for a person."""
    outcomes = [line for line in lines if line["outcome"] not in DEAD]
    line = (outcomes or lines)[0]
    taken = arrived.get(str(line.get("key") or ""), 0)
    if len(outcomes) > 1:
        result.doubled.append(f"{name}, decided {len(outcomes)} times")
    if taken > 1:
        result.doubled.append(f"{name}, arrived {taken} times")
    if taken and line["outcome"] not in {"sent", "unknown", *OPEN}:
        result.strays.append(f"{name}, arrived though {line['outcome']}")
        return
    _count(name, line, taken, len(lines) > len(outcomes), result)


def _count(name: str, line: Line, taken: int, dead: bool, result: Account) -> None:
    reason = str(line.get("reason") or "")
    match line["outcome"]:
        case "sent" if not taken:
            result.lost.append(f"{name}, called sent")
        case "sent":
            result.delivered += 1
        case "unknown":
            result.unknown += 1
        case "withheld":
            result.withheld[reason] += 1
        case "failed" if not dead:
            result.failed[reason] += 1
        case "failed" | "dead" | "dead letter":
            result.dead += 1
        case outcome if outcome in OPEN:
            result.pending += 1
        case outcome:
            result.lost.append(f"{name}, outcome {outcome!r}")

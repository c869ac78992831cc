"""The demo's account: every event that was handed over has to have arrived, or to have a recorded reason why not."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from whereupon.demo.sinks import Arrival
from whereupon.demo.traffic import Event
from whereupon.engine.pulse import percentile

Identity = tuple[str, str, str]
"""Stream, event id, person."""


@dataclass(slots=True)
class Handed:
    """An event and what became of it. `times` are those of each hand-over, monotonic seconds."""

    event: Event
    times: list[float] = field(default_factory=list)
    key: str = ""
    arrived: float | None = None


@dataclass(frozen=True, slots=True)
class Totals:
    """The account closed. Milliseconds are from hand-over to sink; every event is in exactly one of the counts."""

    events: int
    sent: int
    withheld: dict[str, int]
    failed: int
    unknown: int
    dead_letters: int
    repeats: int
    unaccounted: int
    p50_ms: float
    p99_ms: float


class Account:
    """`key` gives the key that an event's message has to carry; any thread may book."""

    def __init__(self, key: Callable[[Event], str]) -> None:
        self._key = key
        self._lock = threading.Lock()
        self._handed: dict[Identity, Handed] = {}
        self._by_key: dict[str, Handed] = {}
        self._broken: Counter[bytes] = Counter()
        self._ended: dict[Identity, tuple[str, str]] = {}
        self._repeats: Counter[Identity] = Counter()
        self._dead: Counter[bytes] = Counter()
        self.strays = 0

    # -- booking -----------------------------------------------------------------------------------------------

    def hand_over(self, event: Event, at: float) -> None:
        """An event is about to be handed over."""
        with self._lock:
            if not event.event_id:
                self._broken[event.value] += 1
                return
            identity = (event.stream, event.event_id, event.person)
            if identity not in self._handed:
                handed = Handed(event, key=self._key(event))
                self._handed[identity] = self._by_key[handed.key] = handed
            self._handed[identity].times.append(at)

    def arrive(self, arrival: Arrival) -> Event | None:
        """A message arrived; its event, None if no event of ours can have caused it, or it came before."""
        with self._lock:
            handed = self._by_key.get(arrival.key)
            if handed is None:
                self.strays += 1
                return None
            if handed.arrived is not None:
                return None
            handed.arrived = arrival.at
            return handed.event

    def record(self, row: Mapping[str, Any]) -> None:
        """A row of what the service recorded (`activity`): the reasons of what didn't arrive."""
        identity = (row["stream"], row["event_id"], row["person"])
        with self._lock:
            if row["outcome"] == "repeat":
                self._repeats[identity] += 1
            elif row["outcome"] != "dead letter":
                self._ended[identity] = (row["outcome"], row["reason"])

    def record_dead(self, raw: bytes) -> None:
        """An event stands among the dead letters, as it came."""
        with self._lock:
            self._dead[raw] += 1

    # -- closing -----------------------------------------------------------------------------------------------

    def totals(self) -> Totals:
        """The account as it stands."""
        with self._lock:
            counts, withheld = Counter[str](), Counter[str]()
            for identity, handed in self._handed.items():
                counts["events"] += len(handed.times)
                counts["repeats"] += min(self._repeats[identity], len(handed.times) - 1)
                outcome, reason = self._outcome(identity, handed)
                counts[outcome] += 1
                withheld.update([reason] if outcome == "withheld" else [])
            dead = sum(min(count, self._dead[raw]) for raw, count in self._broken.items())
            took = sorted(
                1000 * (each.arrived - each.times[0]) for each in self._handed.values() if each.arrived
            )
        events = counts["events"] + sum(self._broken.values())
        accounted = (
            sum(counts[each] for each in ("sent", "withheld", "failed", "unknown", "repeats", "dead")) + dead
        )
        return Totals(
            events, counts["sent"], dict(withheld), counts["failed"], counts["unknown"], dead + counts["dead"],
            counts["repeats"], events - accounted, percentile(took, 50) if took else 0.0,
            percentile(took, 99) if took else 0.0,
        )  # fmt: skip

    def _outcome(self, identity: Identity, handed: Handed) -> tuple[str, str]:
        if handed.arrived is not None:
            return "sent", ""
        outcome, reason = self._ended.get(identity, ("", ""))
        if outcome in ("withheld", "failed", "unknown"):
            return outcome, reason
        return ("dead", "") if self._dead[handed.event.value] else ("open", "")

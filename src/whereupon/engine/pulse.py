"""The figures of a running service: counts, latencies by step, and why nothing happens."""

from __future__ import annotations

import math
import threading
from collections import Counter, deque
from collections.abc import Sequence

from whereupon.model.decided import SENT, WITHHELD, Decision
from whereupon.model.events import Receipt
from whereupon.storage.deliveries import Ending

KEPT = 5_000
"""Latest measurements a percentile is taken of."""


class Pulse:
    """Counts since the start and the latest latencies, in milliseconds; any thread may note, any may ask."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._steps: dict[str, deque[float]] = {}

    def count(self, name: str, by: int = 1) -> None:
        """Something happened `by` times."""
        if by:
            with self._lock:
                self._counts[name] += by

    def took(self, step: str, milliseconds: float) -> None:
        """A step took so long, for a whole batch."""
        with self._lock:
            self._steps.setdefault(step, deque(maxlen=KEPT)).append(milliseconds)

    def ended(self, endings: Sequence[Ending], sent: Sequence[Receipt] = ()) -> None:
        """Messages ended; `sent` are those of a first try."""
        counts = Counter(each.state for each in endings)
        times = [each.finished - each.first_try for each in endings if each.finished and each.first_try]
        with self._lock:
            self._counts.update(counts)
            if sent:
                self._counts[SENT] += len(sent)
            sending = self._steps.setdefault("send", deque(maxlen=KEPT))
            sending.extend(times)
            sending.extend([each.ended - each.started for each in sent])

    def decided(self, decision: Decision) -> None:
        """A batch was decided."""
        traces = [trace.state for event in decision.record.events for trace in event.traces]
        self.count("events", len(decision.record.events))
        self.count("repeats", len(decision.record.repeats))
        self.count("dead letters", len(decision.dead))
        self.count("withheld", traces.count(WITHHELD))

    def counts(self) -> dict[str, int]:
        """What happened since the start."""
        with self._lock:
            return dict(self._counts)

    def latencies(self) -> dict[str, dict[str, float]]:
        """Step → p50, p99 and the number of measurements."""
        with self._lock:
            steps = {name: sorted(values) for name, values in self._steps.items() if values}
        return {
            name: {"p50": percentile(values, 50), "p99": percentile(values, 99), "n": len(values)}
            for name, values in steps.items()
        }


def percentile(ordered: Sequence[float], percent: float) -> float:
    """The nearest-rank percentile of ordered values."""
    rank = math.ceil(percent / 100 * len(ordered))
    return round(ordered[max(rank, 1) - 1], 3)

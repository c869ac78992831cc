"""How long ago this service's lease was renewed: one that slept offers nothing before it has renewed it."""

from __future__ import annotations

from whereupon.host.clock import Clock

STALE = 40.0
"""Seconds without a renewal, by a clock that counts sleep, after which nothing is offered (line.md, *More than one
service*): another service may take the rows over after 60 s."""


class Renewal:
    """Whether what this service holds is still its own. Where no lease is kept (SQLite: one service) it always is.

    `lapses` counts how often it wasn't: what was held before may belong to another service since, though the lease was
    renewed before anybody looked.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last: float | None = None
        self.lapses = 0

    def renewed(self) -> None:
        """The lease was renewed; from the first time on it has to be."""
        self.lapses += not self.fresh()
        self._last = self._clock.monotonic()

    def fresh(self) -> bool:
        """Whether the last renewal is young enough."""
        return self._last is None or self._clock.monotonic() - self._last < STALE

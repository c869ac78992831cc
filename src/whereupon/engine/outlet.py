"""What is known of the messages that the journal holds for a lane."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from whereupon.engine.lane import Lane

LAST = 2**62
"""A number above all events."""


@dataclass(slots=True)
class Outlet:
    """What the finisher knows of a lane's messages in the journal. `queued` is a count that is never 0 while some may
    be queued, from the number `cursor` on; `next_due` is when to look at the `waiting` ones (ms). `bulk` are the table
    runs through this lane by their campaigns: each has a queue of its own, to be looked at when it is `next_due`,
    because what a run adds to it nobody tells."""

    lane: Lane
    queued: int = 0
    cursor: int = 0
    waiting: int = 0
    next_due: int = 0
    bulk: dict[int, Outlet] = field(default_factory=dict)
    _lowest: int = LAST
    _added: bool = False

    def add(self, count: int, first: int) -> None:
        """So many were queued, none with a number below `first`."""
        if not count:
            return
        self.cursor = min(self.cursor, first) if self.queued else first
        self.queued += count
        self._lowest, self._added = min(self._lowest, first), True

    def look(self) -> int:
        """The number to look from; what is added from now on is seen by `looked`."""
        self._lowest, self._added = LAST, False
        return self.cursor

    def looked(self, last: int, count: int, *, all: bool) -> None:
        """So many left, the last with this number (0 = none); `all`: the journal had no more when it was asked."""
        self.cursor = min(last or self.cursor, self._lowest)
        self.queued = 0 if all and not self._added else max(1, self.queued - count)

    def runs(self, wanted: Mapping[int, int]) -> None:
        """The table runs through this lane: campaign → the number that its messages begin at."""
        for campaign, first in wanted.items():
            if campaign not in self.bulk:
                self.bulk[campaign] = Outlet(self.lane, 1, first)
        for campaign in [each for each in self.bulk if each not in wanted]:
            self.add(1, self.bulk.pop(campaign).cursor)

    def queue_of(self, campaign: int) -> Outlet:
        """Where a message of this campaign is queued."""
        return self.bulk.get(campaign, self)

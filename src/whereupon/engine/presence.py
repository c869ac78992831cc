"""Whether the other side of a channel is there, judged by its answers (line.md, *Errors*, `Away`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from msgspec import structs

from whereupon.host.clock import Clock
from whereupon.host.logs import logger
from whereupon.model.events import Receipt, Result

SHORTEST_PROBE, LONGEST_PROBE, LONGEST = 1.0, 60.0, 3600.0
"""Seconds between probes: the first pause, the longest one, and the longest that Retry-After may ask for."""
IN_A_ROW = 20
"""So many UNAVAILABLE in a row mean that the whole other side is away."""
PROBES = 3
"""A message that so many probes refused while others went through is itself to blame; if none went, it steps aside."""
BLAMED = 4_000
_ACCEPTED = Result.ACCEPTED
log = logger("lane")


@dataclass(frozen=True, slots=True)
class Absence:
    """Why a lane stands still, when it tries again (monotonic seconds), and how long it paused (seconds)."""

    reason: str
    until: float
    pause: float


class Presence:
    """One channel's; the lane's thread judges, others may read `absence`, `probe_due` and `probes`."""

    def __init__(self, name: str, *, clock: Clock) -> None:
        self.absence: Absence | None = None
        self._name = name
        self._clock = clock
        self._unavailable = 0
        self._accepted = 0
        self._blamed: dict[str, tuple[int, int]] = {}

    @property
    def probe_due(self) -> bool:
        """Whether an absence has lasted until its next probe."""
        absence = self.absence
        return absence is not None and self._clock.monotonic() >= absence.until

    def probes(self, key: str) -> int:
        """How often a message of this key found the other side away."""
        return self._blamed.get(key, (0, 0))[0]

    def judged(self, receipts: Sequence[Receipt]) -> Sequence[Receipt]:
        """Receipts as they count: AWAY where the other side as a whole is to blame, not where this message is."""
        amiss = self._unavailable or self._blamed or self.absence is not None
        if not amiss and all(each.result is _ACCEPTED for each in receipts):
            self._accepted += len(receipts)
            return receipts
        return [self._judged(each) for each in receipts]

    def _judged(self, receipt: Receipt) -> Receipt:
        result = receipt.result
        if result is Result.AWAY:
            return self._blame(receipt)
        if result is Result.UNAVAILABLE:
            self._unavailable += 1
            return self._blame(receipt) if self.absence or self._unavailable >= IN_A_ROW else receipt
        if result in (Result.ACCEPTED, Result.REFUSED, Result.ANSWER_LOST):
            self._unavailable = 0
            self._blamed.pop(receipt.message.key, None)
        if result is Result.ACCEPTED:
            self._accepted += 1
            self._back()
        return receipt

    def gone(self, reason: str, retry_after: float | None = None) -> None:
        """The other side is away; what is said within the same absence changes nothing."""
        before, now = self.absence, self._clock.monotonic()
        if before is not None and now < before.until:
            return
        if before is None:
            log.warning("channel is away", channel=self._name, reason=reason)
        pause = min(before.pause * 2, LONGEST_PROBE) if before is not None else SHORTEST_PROBE
        wait = min(retry_after, LONGEST) if retry_after is not None else pause
        self.absence = Absence(reason or "can't be reached", now + wait, pause)

    def _back(self) -> None:
        if self.absence is not None:
            log.info("channel is back", channel=self._name)
            self.absence = None

    def _blame(self, receipt: Receipt) -> Receipt:
        key = receipt.message.key
        probes, accepted = self._blamed.get(key, (0, self._accepted))
        if probes + 1 >= PROBES and self._accepted > accepted:
            self._blamed.pop(key, None)
            return structs.replace(receipt, result=Result.REFUSED if receipt.denied else Result.UNAVAILABLE)
        if len(self._blamed) >= BLAMED:
            self._blamed.pop(next(iter(self._blamed)))
        self._blamed[key] = (probes + 1, accepted)
        self.gone(receipt.answer, receipt.retry_after)
        return structs.replace(receipt, result=Result.AWAY)

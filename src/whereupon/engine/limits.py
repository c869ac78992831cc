"""How many messages a person may get: counted by the time of decision, in sliding windows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import msgspec

from whereupon.model.setup import Limit

CROWDED = 10_000
"""Events of one person that are looked at; with more, campaigns with limits withhold *too many events*."""


class Counted(msgspec.Struct, frozen=True, gc=False):
    """A message that counts: open, sent or unknown, decided at `at` (UTC ms)."""

    campaign: int
    channel: int
    at: int


@dataclass(frozen=True, slots=True)
class Cap:
    """A campaign's limit, ready to be asked."""

    at_most: int
    messages: Literal["any", "channel", "campaign"]
    within: int

    def counts(self, message: Counted, *, campaign: int, channel: int, since: int) -> bool:
        """Whether this message takes a place in the limit of this campaign on this channel."""
        if message.at <= since:
            return False
        if self.messages == "campaign":
            return message.campaign == campaign
        return self.messages == "any" or message.channel == channel


def caps(limits: Iterable[Limit]) -> tuple[Cap, ...]:
    """The limits of a campaign, compiled."""
    return tuple(Cap(each.at_most, each.messages, each.within.milliseconds) for each in limits)


class Counters:
    """What the persons of one batch have had, moved on with every message decided in it."""

    def __init__(
        self, counted: Mapping[str, list[Counted]] | None = None, crowded: Iterable[str] = ()
    ) -> None:
        self._counted = {person: list(each) for person, each in (counted or {}).items()}
        self.crowded = frozenset(crowded)

    def counts(
        self, person: str, limits: tuple[Cap, ...], *, campaign: int, channel: int, now: int
    ) -> list[int]:
        """For each limit, how many messages already stand in its window."""
        had = self._counted.get(person)
        if not had:
            return [0] * len(limits)
        return [
            sum(cap.counts(each, campaign=campaign, channel=channel, since=now - cap.within) for each in had)
            for cap in limits
        ]

    def add(self, person: str, message: Counted) -> None:
        """A message was decided and takes its place."""
        self._counted.setdefault(person, []).append(message)


def reached(limits: tuple[Cap, ...], counts: list[int]) -> Cap | None:
    """The first limit that leaves no place for another message."""
    for cap, count in zip(limits, counts, strict=True):
        if count >= cap.at_most:
            return cap
    return None

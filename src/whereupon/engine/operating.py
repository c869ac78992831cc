"""The operating state: what people paused, what the service holds, and what makes the whole line stand still."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from whereupon.storage.operations import Hold

LEAST_FREE = 500_000_000
LEAST_SHARE = 0.05
"""Streams pause below the smaller of 500 MB and 5 % of the disk (line.md, *Errors*)."""


@dataclass(slots=True)
class Operating:
    """Read by the lines at every batch, written once a second by the keeper. `unsaved` are campaigns that the service
    holds (with the reason) and that the table of holds doesn't know yet."""

    paused: Collection[int] = frozenset()
    held: Mapping[int, str] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)
    unsaved: Mapping[int, str] = field(default_factory=dict)

    def standstill(self) -> str:
        """Why no stream may go on, or nothing."""
        return next((reason for reason in self.reasons.values() if reason), "")

    def note(self, holds: Sequence[Hold]) -> None:
        """Take over what people and the service have paused and held."""
        campaigns = [each for each in holds if each.role == "campaign"]
        self.paused = frozenset(each.part for each in campaigns if each.kind == "paused")
        known = {each.part: each.reason for each in campaigns if each.kind == "held"}
        self.held = {**known, **self.unsaved}

    def hold(self, campaign: int, reason: str) -> None:
        """The service holds a campaign until a person has acted: at once here, in the table with the next `saved`."""
        if campaign not in self.held:
            self.unsaved = {**self.unsaved, campaign: reason}
            self.held = {**self.held, campaign: reason}

    def saved(self, campaign: int) -> None:
        """The table of holds knows this campaign now."""
        self.unsaved = {each: reason for each, reason in self.unsaved.items() if each != campaign}

    def say(self, about: str, reason: str) -> None:
        """Something makes the line stand still, or (no reason) no longer does."""
        self.reasons = {**self.reasons, about: reason}


def disk_reason(folder: Path) -> str:
    """Why the disk is too full to take more work, or nothing."""
    disk = shutil.disk_usage(folder)
    if disk.free >= min(LEAST_FREE, LEAST_SHARE * disk.total):
        return ""
    return f"Paused: disk. Only {disk.free // 1_000_000} MB are free where the system's folder is."

"""What a bench is told: how much of it is run. 0 is the bench's own figure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Options:
    """`pairs` rounds of `events` each; `records` in the store and `journal` events behind, where the bench varies them
    not itself."""

    pairs: int = 0
    events: int = 0
    records: int = 1_000_000
    journal: int = 1_000_000

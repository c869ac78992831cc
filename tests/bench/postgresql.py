"""The journal in PostgreSQL beside the journal in SQLite, both safe on the disk at each commit."""

from __future__ import annotations

from dataclasses import replace

from tests.bench.figures import Figure
from tests.bench.options import Options
from tests.bench.variants import compared


def run(options: Options) -> list[Figure]:
    """On the cluster that holds the store, too."""
    return compared(
        "postgresql", options, goal=0.8, change=lambda shape: replace(shape, streams="postgresql")
    )

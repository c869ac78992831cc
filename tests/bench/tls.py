"""Events over SASL_SSL beside events over a plain connection."""

from __future__ import annotations

from dataclasses import replace

from tests.bench.figures import Figure
from tests.bench.options import Options
from tests.bench.variants import compared


def run(options: Options) -> list[Figure]:
    """The same topic by both of the broker's listeners."""
    return compared("tls", options, goal=0.85, change=lambda shape: replace(shape, secure=True))

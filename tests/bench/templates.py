"""The worked example's two templates, rendered as the line renders them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping

import yaml

from tests.bench.figures import Figure, rounded
from tests.bench.options import Options
from whereupon.host.paths import resources
from whereupon.model.templates import written

EVENTS, ROUNDS, GOAL = 200_000, 7, 200_000
KNOWN = {"forename": "Ada", "offer": "TEAL20", "location": "Lisbon, Portugal"}
Make = Callable[[object, Mapping[str, object]], str]


def run(options: Options) -> list[Figure]:
    """Both by turns, in one thread."""
    makers = [written(source, field).maker(escape=False) for field, source in sources()]
    rates = [_rate(makers, options.events or EVENTS) for _ in range(options.pairs or ROUNDS)]
    rate = rounded(statistics.median(rates))
    return [Figure("templates", rate, GOAL, "renders/s", pairs=len(rates), judged="ours")]


def sources() -> list[tuple[str, str]]:
    """Field and template of *Welcome back*."""
    example = yaml.safe_load((resources() / "example" / "tealhols.yaml").read_text(encoding="utf-8"))
    campaign = next(each for each in example["campaigns"] if each["name"] == "Welcome back")
    return [
        (each["field"], each["template"]) for each in campaign["message"]["content"] if "template" in each
    ]


def _rate(makers: list[Make], events: int) -> float:
    contexts = [{**KNOWN, "forename": f"Ada{each}"} for each in range(1000)]
    began = time.perf_counter()
    for number in range(events // len(makers)):
        context = contexts[number % 1000]
        for make in makers:
            make(None, context)
    return events / (time.perf_counter() - began)

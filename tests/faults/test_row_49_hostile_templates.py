"""Row 49: templates and events that were written to break out or to break down, through the real line."""

from __future__ import annotations

import itertools
import json
import random
import re
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.conftest import Bar
from tests.faults.checker import Produced, account
from tests.faults.service import Part, System, local, setup, sign_in, to_local
from tests.faults.sinks import keys_of_file
from tests.servers.processes import ROOT, wait_until
from whereupon.engine.pulse import percentile
from whereupon.kit.registry import discover
from whereupon.model.errors import Mistakes
from whereupon.storage.apply import apply

Report = Callable[[Mapping[str, Any]], None]
pytestmark = [pytest.mark.fault(49), pytest.mark.process, pytest.mark.slow]

CORPUS = json.loads((ROOT / "tests" / "data" / "velocity" / "hostile.json").read_text(encoding="utf-8"))
HOSTILE, NAMES = sorted(set(CORPUS["templates"])), sorted(CORPUS["context"])
PLAIN = {"field": "SignIn.location", "is": "starts with", "value": "plain"}
SIGNS = ("<class", "<built-in", "<function", "<module", "object at", "uid=", "root:", "whereupon.")
FILE = {"name": "File", "type": "file", "settings": {"path": "sent.jsonl"},
        "fields": ["email", "forename", "subject", "body", *NAMES]}  # fmt: skip
RATE, EVERY = 100, 6
"""Events a second, and after how many of them comes a hostile one."""
SLACK, STALL = 0.5, 3.0
"""Seconds by which the middle, and the slowest, of the neighbours may be later. Few templates use up the 0.2 s of the
processor that a rendering may take; on a busy machine that is a second. One without bounds takes minutes."""
GROWTH = 50_000_000


def hostile(number: int, template: str) -> Part:
    """A campaign with this template, for events whose location is its number."""
    fields = [{"field": name, "text": "abc"} for name in NAMES]
    body = {"field": "body", "template": template}
    return {
        "name": f"Hostile {number}",
        "audience": {"stream": "SignIn", "where": at(f"hostile-{number}")},
        "message": {
            "content": [{"field": "email", "from": "SignIn.email"}, *fields, body],
            "delivery": {"channel": "File"},
        },
        "schedule": "event triggered",
        "publish": True,
    }


def at(location: str) -> Part:
    """A condition on an event's location."""
    return {"all": [{"field": "SignIn.location", "is": "equals", "value": location}]}


def set_up(templates: Mapping[int, str]) -> Part:
    """A campaign for each of these templates, and a plain one for their neighbours."""
    made = setup(stream=local(), channels=[FILE])
    plain = {"stream": "SignIn", "where": {"all": [PLAIN]}}
    bad = [hostile(number, template) for number, template in templates.items()]
    made["campaigns"] = [{**made["campaigns"][0], "audience": plain}, *bad]
    return made


class Sent:
    """What was put on the stream, and when."""

    def __init__(self, system: System) -> None:
        self.produced: list[Produced] = []
        self.at: dict[str, float] = {}
        self._append = to_local(system)
        self._numbers = itertools.count()

    def send(self, locations: Iterable[str]) -> list[str]:
        """One event after the other; the persons they are of."""
        persons, begun = [], time.monotonic()
        for number, location in enumerate(locations):
            wait_until(lambda due=begun + number / RATE: time.monotonic() >= due)  # type: ignore[misc]
            event, value = sign_in(next(self._numbers), location=location)
            self.at[event.person] = time.time()
            self._append([value])
            # No journal takes a text with that in it, so it is a dead letter.
            self.produced.append(replace(event, readable="\0" not in location))
            persons.append(event.person)
        return persons

    def settle(self, system: System) -> None:
        """Wait until all of them came to their end."""
        dead = sum(not each.readable for each in self.produced)
        system.settle(events=len(self.produced) - dead, dead=dead, within=120)


def test_hostile_templates_and_events_reach_nothing_and_hold_nobody_up(
    system_of: Callable[..., System], tmp_path: Path, seed: int, bar: Bar, fault_report: Report
) -> None:
    rounds, some = bar(quick=(2, 60), full=(4, len(HOSTILE)))
    templates = dict(enumerate(random.Random(seed).sample(HOSTILE, some)))
    system = system_of(set_up({}))
    refused = applied(system, tmp_path / "hostile.yaml", templates)
    templates = {number: each for number, each in templates.items() if number not in refused}
    system.start()
    began, sent = time.monotonic(), Sent(system)
    memory = psutil.Process(system.service.process.pid).memory_info
    alone, beside = list[list[str]](), list[list[str]]()
    # What an event says is data: it is put out as it is.
    texts = {person: each for each in templates.values() for person in sent.send([f"plain {each}"])}
    texts = {person: each for person, each in texts.items() if "\0" not in each}
    sent.settle(system)
    before = memory().rss
    mixed = [each for number in templates for each in [f"hostile-{number}", *["plain"] * (EVERY - 1)]]
    for _ in range(rounds):
        alone.append(sent.send(["plain"] * 300))
        sent.settle(system)
        beside.append(sent.send(mixed))
        sent.settle(system)
    grown, seconds = memory().rss - before, time.monotonic() - began
    system.stop()
    activity, file = system.activity(), system.folder / "sent.jsonl"
    result = account(sent.produced, keys_of_file(file), activity)
    lines = [json.loads(each) for each in file.read_text(encoding="utf-8").splitlines()]
    latency = {
        line["person"]: seen(line) - sent.at[line["person"]]
        for line in lines
        if line["campaign"] == "By File"
    }
    p50, p99 = ([percentiles(rounds, latency, each) for rounds in (alone, beside)] for each in (50, 99))
    figures = {"templates": len(templates), "refused": len(refused), "p50": p50, "p99": p99}
    fault_report({**result.row(49, seed=seed, kills=0, seconds=seconds), **figures})
    assert not result.problems
    assert not result.failed + result.withheld - Counter(template=result.withheld["template"])
    assert [each for line in lines for each in escapes(line, templates)] == []
    bodies = {line["person"]: line["fields"]["body"] for line in lines}
    assert {person: bodies[person] for person in texts} == {
        person: f"Welcome back, friend, in plain {each}." for person, each in texts.items()
    }
    assert len(latency) == sum(len(each) for each in alone) + len(texts) + rounds * len(templates) * (
        EVERY - 1
    )
    assert grown < GROWTH
    assert p50[1] <= 1.1 * p50[0] + SLACK
    assert p99[1] <= 1.1 * p99[0] + STALL


def applied(system: System, file: Path, templates: Mapping[int, str]) -> set[int]:
    """Publish them, without those that are refused; which these are."""
    refused = set[int]()
    for _ in range(2):
        wanted = {number: each for number, each in templates.items() if number not in refused}
        file.write_text(json.dumps(set_up(wanted)), encoding="utf-8")
        try:
            apply(file, system.folder, author="mallory", registry=discover())
        except Mistakes as error:
            refused |= {int(each) for line in error.mistakes for each in re.findall(r"Hostile (\d+)\b", line)}
    return refused


def escapes(line: Mapping[str, Any], templates: Mapping[int, str]) -> list[str]:
    """What a hostile template put out that it may not know."""
    _, _, number = line["campaign"].partition("Hostile ")
    if not number:
        return []
    template, text = (
        templates[int(number)],
        line["fields"].get("body", "").replace(templates[int(number)], ""),
    )
    words = [each for each in re.findall(r"\w*__\w*", text, re.ASCII) if each not in template]
    return [f"{template!r}: {text[:200]!r}"] if words or any(sign in text for sign in SIGNS) else []


def seen(line: Mapping[str, Any]) -> float:
    """When a line was written, in seconds."""
    return datetime.fromisoformat(line["at"]).timestamp()


def percentiles(rounds: Sequence[Sequence[str]], latency: Mapping[str, float], percent: float) -> float:
    """Of the plain events of each round, in seconds; the median of the rounds."""
    plain = [sorted(latency[each] for each in those if each in latency) for those in rounds]
    return round(statistics.median(percentile(each, percent) for each in plain), 3)

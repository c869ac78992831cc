"""Row 48: a campaign that is published anew twice a second while its events flow."""

from __future__ import annotations

import itertools
import json
import re
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Bar
from tests.faults.checker import account
from tests.faults.service import System, Trickle, local, setup, sign_ins, to_local
from tests.faults.sinks import keys_of_file
from tests.servers.processes import wait_until
from whereupon.kit.registry import discover
from whereupon.storage.apply import apply

Report = Callable[[Mapping[str, Any]], None]
pytestmark = [pytest.mark.fault(48), pytest.mark.process, pytest.mark.slow]

FILE = {
    "name": "File",
    "type": "file",
    "settings": {"path": "sent.jsonl"},
    "fields": ["email", "forename", "subject", "body"],
}
EVERY = 0.5
REVISION = re.compile(r"Revision (\d+)\b")


def edition(number: int) -> dict[str, Any]:
    """The set-up whose campaign says this number in its subject and in its body."""
    return setup(stream=local(), channels=[FILE], subject=f"Revision {number}")


def test_each_event_is_rendered_by_one_revision_whole(
    system_of: Callable[..., System], tmp_path: Path, seed: int, bar: Bar, fault_report: Report
) -> None:
    revisions, rate = bar(quick=10, full=200), 500
    system, pause = system_of(edition(0)), threading.Event()
    sent, began, registry = system.folder / "sent.jsonl", time.monotonic(), discover()
    system.start()
    with Trickle(to_local(system), sign_ins(itertools.count()), rate=rate) as trickle:
        for number in range(1, revisions + 1):
            pause.wait(EVERY)
            file = tmp_path / "next.yaml"
            file.write_text(json.dumps(edition(number)), encoding="utf-8")
            assert apply(file, system.folder, author="ann", registry=registry).published == ["By File"]
        wait_until(lambda: f"Revision {revisions}," in last_line(sent), within=90, what="The last revision")
    system.settle(events=len(trickle.produced), within=120)
    seconds = time.monotonic() - began
    system.stop()
    activity = system.activity()
    result = account(trickle.produced, keys_of_file(sent), activity)
    lines = [json.loads(each) for each in sent.read_text(encoding="utf-8").splitlines()]
    written = {line["key"]: said(line["fields"]) for line in lines}
    by_version = {line["version"]: written[line["key"]] for line in activity if line["key"]}
    used = len(by_version)
    fault_report(
        {**result.row(48, seed=seed, kills=0, seconds=seconds), "revisions": revisions, "used": used}
    )
    assert not result.problems
    assert result.delivered == result.produced > rate * EVERY * revisions / 4
    # Its subject and its body are of one revision, and that is the one which the journal says decided.
    assert {written[line["key"]] - by_version[line["version"]] for line in activity if line["key"]} == {0}
    assert len(set(by_version.values())) == used > revisions / 3
    versions = [line["version"] for line in sorted(activity, key=lambda line: int(line["event"]))]
    assert versions == sorted(versions)


def said(fields: Mapping[str, str]) -> int:
    """The number that subject and body have in common."""
    numbers = {int(each) for name in ("subject", "body") for each in REVISION.findall(fields[name])}
    assert len(numbers) == 1, fields
    return numbers.pop()


def last_line(file: Path) -> str:
    """The end of a file that is being written."""
    if not file.exists():
        return ""
    with file.open("rb") as lines:
        lines.seek(max(0, file.stat().st_size - 1_000))
        return lines.read().decode("utf-8", "replace")

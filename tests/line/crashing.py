"""A whole line as a process of its own, to be ended at a crash point: `python -m tests.line.crashing FOLDER CHANNEL`.

It reads the local stream `sign-ins` of the folder and ends once all is settled; WHEREUPON_CRASH_AT may end it before.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.servers.processes import ROOT, wait_until
from tests.world import FIELDS, PLAIN, World, running_of, setup_of
from whereupon.host.crash import VARIABLE
from whereupon.model.setup import Setup

KEYED = {"type": "file", "settings": {}}
KEYLESS = {"type": "memory", "settings": {"deduplicates": False, "concurrency": 4}}
KINDS: Mapping[str, Mapping[str, Any]] = {"keyed": KEYED, "keyless": KEYLESS}


def setup(kind: str) -> Setup:
    """The line's set-up: a stream that lasts, and a channel that knows a message again, or doesn't."""
    stream = {"name": "SignIn", "provider": "Local", "settings": {"Topic": "sign-ins"}, "event_id": "id",
              "fields": FIELDS}  # fmt: skip
    return setup_of(
        PLAIN,
        streams={"providers": [{"name": "Local", "type": "local"}], "streams": [stream]},
        channels=[{"name": "ESP", "fields": ["email", "subject"], **KINDS[kind]}],
    )


@contextmanager
def running(folder: Path, kind: str) -> Iterator[World]:
    """The line at work in this process."""
    world = World(folder)
    try:
        world.running = running_of(setup(kind))
        world.engine.start()
        world.engine.take(world.running)
        yield world
    finally:
        world.close()


def settled(world: World, count: int) -> bool:
    """Whether so many events have come to their end."""
    outcomes = [each for each in world.outcomes() if each != "dead letter"]
    return len(outcomes) == count and not {"queued", "sending", "waiting"} & set(outcomes)


def run(folder: Path, kind: str, *, at: str = "", count: int) -> int:
    """Run it as a child until all is settled or it died at `at`; its exit code."""
    environment = {**os.environ, VARIABLE: at}
    command = [sys.executable, "-m", "tests.line.crashing", str(folder), kind, str(count)]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    if done.returncode not in (0, 137):
        raise AssertionError(done.stdout + done.stderr)
    return done.returncode


if __name__ == "__main__":
    with running(Path(sys.argv[1]), sys.argv[2]) as world:
        wait_until(lambda: settled(world, int(sys.argv[3])), within=90)

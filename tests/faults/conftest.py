"""What every fault row needs: a seed that is told, sinks that outlive the service, and an end for all of it."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.faults.service import System, made
from tests.faults.sinks import KeyedSink


@pytest.fixture
def seed() -> int:
    """What a row's random numbers come from; FAULT_SEED makes a run the same as an earlier one."""
    chosen = int(os.environ.get("FAULT_SEED") or random.SystemRandom().randrange(1 << 30))
    sys.stdout.write(f"seed {chosen}\n")
    return chosen


@pytest.fixture
def keyed(tmp_path: Path) -> Iterator[KeyedSink]:
    """The keyed sink (K), which answers at once."""
    sink = KeyedSink(tmp_path / "keyed")
    yield sink
    sink.stop()


@pytest.fixture
def system_of(tmp_path: Path) -> Iterator[Callable[..., System]]:
    """`system_of(setup, secrets=…)`: a system in a folder of its own, whose service ends with the test."""
    with ExitStack() as stack:

        def make(setup: Mapping[str, Any] | None, *, name: str = "here", **more: Any) -> System:
            return stack.enter_context(made(tmp_path / name, setup, **more))

        yield make

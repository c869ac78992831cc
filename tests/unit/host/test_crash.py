"""A crash point is nothing, until a test arms it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from whereupon.host.crash import EXIT_CODE, VARIABLE, point

PROGRAM = """
from whereupon.host.crash import point
for number in range(5):
    point("another")
    point("after-T1")
    print(number, flush=True)
"""


def passes(armed: str | None) -> tuple[int, list[str]]:
    environment = {**os.environ, **({VARIABLE: armed} if armed else {})}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout.split()


def test_points_do_nothing_unless_one_is_named() -> None:
    point("after-T1")
    assert passes(None) == (0, ["0", "1", "2", "3", "4"])
    assert passes("elsewhere:1") == (0, ["0", "1", "2", "3", "4"])


@pytest.mark.parametrize(
    ("armed", "before"), [("after-T1", []), ("after-T1:1", []), ("after-T1:3", ["0", "1"])]
)
def test_the_process_dies_at_the_nth_pass_of_the_named_point(armed: str, before: list[str]) -> None:
    assert passes(armed) == (EXIT_CODE, before)

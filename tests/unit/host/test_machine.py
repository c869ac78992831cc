"""The machine's ways are those of the platform the tests run on."""

from __future__ import annotations

import sys

from whereupon.host.machine import machine


def test_each_platform_has_its_own_ways() -> None:
    assert machine.__name__ == f"whereupon.host.{'windows' if sys.platform == 'win32' else 'posix'}"

"""Points at which a test can let the process die as in a power cut: WHEREUPON_CRASH_AT=<name>:<n>."""

from __future__ import annotations

import itertools
import os

VARIABLE = "WHEREUPON_CRASH_AT"
EXIT_CODE = 137

_place, _, _pass = os.environ.get(VARIABLE, "").partition(":")
_fatal_pass = int(_pass or 1)
_passes = itertools.count(1)


def point(name: str) -> None:
    """Do nothing; or, at the n-th pass of the point named in the environment, end at once without any clean-up."""
    if name == _place and next(_passes) == _fatal_pass:
        os._exit(EXIT_CODE)  # pragma: no cover - coverage dies with the process

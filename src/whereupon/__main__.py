"""Hands the words to the command line, and without words to the window where there is one."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress


def main(words: Sequence[str] | None = None) -> int:
    """Run the program; its exit code."""
    from whereupon.cli.app import run

    _speak_utf8()
    given = list(sys.argv[1:] if words is None else words)
    code = run(given or ["--help"])
    _part_quietly()
    return code


def _speak_utf8() -> None:
    """Windows writes to files and pipes in its old code pages otherwise, which lack most of what people are called."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(encoding="utf-8", errors="backslashreplace")


def _part_quietly() -> None:
    """Whoever read our output may have gone: then nothing is left to be said, at the interpreter's end neither."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())

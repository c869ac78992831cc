"""What stands in the files of a stash and what the communications table made of it, without the product's own reading.

A line is `length crc32 json`; nothing here looks at the first two, so that a file may be damaged as one likes.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.faults.service import System

COLUMNS = (
    "key", "campaign", "version", "stream", "event_id", "person", "channel", "address", "provider_id", "sent_at",
    "event", "campaign_id",
)  # fmt: skip


def pieces(content: bytes) -> list[bytes]:
    """What stands between line breaks."""
    found = content.split(b"\n")
    return found if found[-1] else found[:-1]


def body(line: bytes) -> bytes:
    """The communication of a line, without its length and checksum."""
    return line.split(b" ", 2)[-1]


def row(body: bytes) -> tuple[Any, ...]:
    """A communication as the table has to have it."""
    communication = json.loads(body)
    return tuple(communication[each] for each in COLUMNS)


def taken(stash: Path) -> list[bytes]:
    """All lines of a stash whose service has stopped; its files are gone then."""
    lines = []
    for path in sorted(stash.glob("*.stash")):
        lines += pieces(path.read_bytes())
        path.unlink()
    return lines


def left(stash: Path) -> set[str]:
    """The files that aren't put away yet."""
    return {each.name for each in stash.iterdir() if each.suffix in {".stash", ".open"}}


def aside(stash: Path, name: str) -> list[bytes]:
    """What was kept aside of a file."""
    kept = [stash / f"{name}.bad", stash / f"{name}.torn"]
    return [each for path in kept if path.exists() for each in pieces(path.read_bytes())]


def communications(system: System) -> list[tuple[Any, ...]]:
    """All rows of the communications table."""
    return _asked(system, f"SELECT {', '.join(COLUMNS)} FROM communications")


def counts(system: System) -> dict[str, tuple[int, int]]:
    """Of each file how many lines were loaded and how many were bad, as the product noted it."""
    return {name: (lines, bad) for name, lines, bad in _asked(system, "SELECT name, lines, bad FROM loaded")}


def _asked(system: System, query: str) -> list[tuple[Any, ...]]:
    place = system.databases().system
    session = place.session(write=False)
    try:
        return session.all(query)
    finally:
        session.close()
        place.close()

"""A person's decision where a stream goes on: it leaves its places, and what wasn't read of them is recorded.

A place that was left stands under the stream's negative number until the service begins anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import NamedTuple

from whereupon.connect.databases import Database
from whereupon.model.decided import DeadLetter

READ = "read"
"""The stage of a dead letter that stands for events which nobody read."""
Places = Mapping[str, Mapping[int, int]]
"""Topic id → partition → offset of the next event."""


class Gap(NamedTuple):
    """Places of one topic that were left and are done with; `letter` stands for what wasn't read of them, if there is
    anything."""

    topic: str
    places: Mapping[int, int]
    letter: DeadLetter | None


def leave(database: Database, stream: int) -> int:
    """Let a stream begin as a new one does; how many places it leaves."""
    with closing(database.session()) as session, session.transaction():
        for topic, partition in session.all(
            "SELECT topic, partition FROM position WHERE stream = ?", (-stream,)
        ):
            session.run(
                "DELETE FROM position WHERE stream = ? AND topic = ? AND partition = ?",
                (stream, topic, partition),
            )
        return session.run("UPDATE position SET stream = ? WHERE stream = ?", (-stream, stream))


def unread(left: Places, topic: str, begun: Mapping[int, int], *, name: str, latest: bool) -> Iterator[Gap]:
    """What lies between the places that a stream left and those where it begins, with the earliest event or the latest.

    What an old topic still held when it was deleted, nobody knows.
    """
    why = "passed over" if latest else "expired before read"
    for old, places in left.items():
        if old != topic:
            yield Gap(old, places, DeadLetter(READ, f"{name}, topic {old}", _before(places)))
            continue
        for partition, was in places.items():
            if partition in begun:
                count, last = begun[partition] - was, begun[partition] - 1
                where = f"{name}, partition {partition}, offsets {was} to {last}"
                letter = DeadLetter(READ, where, f"{why}: {count:,} events") if count > 0 else None
                yield Gap(old, {partition: was}, letter)


def _before(places: Mapping[int, int]) -> str:
    known = ", ".join(f"partition {each} from offset {at}" for each, at in sorted(places.items()))
    return f"expired before read: whatever was left in the topic when it was deleted ({known})"

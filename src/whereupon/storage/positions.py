"""A person's decision where a stream goes on: what is known of its place is forgotten."""

from __future__ import annotations

from contextlib import closing

from whereupon.connect.databases import Database


def forget(database: Database, stream: int) -> int:
    """Forget how far a stream was read, so that it begins as a new one does; how many places that were."""
    with closing(database.session()) as session, session.transaction():
        return session.run("DELETE FROM position WHERE stream = ?", (stream,))

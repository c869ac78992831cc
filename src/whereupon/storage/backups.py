"""Copies of SQLite databases, made while they are in use."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from whereupon.connect.databases import Database
from whereupon.host.clock import Clock
from whereupon.host.files import private_folder, rename

KEPT = 14
"""Copies of each database that are kept, the newest (reliability: fourteen days of daily ones)."""


def backup(database: Database, why: str, *, clock: Clock | None = None) -> Path | None:
    """Copy a SQLite database into the folder Backups beside it; None if there is no file. Servers have their own ways.

    The copy has its name when it is whole. Raises by meaning, as a session does.
    """
    path = database.path
    if path is None or not path.exists():
        return None
    folder = private_folder(path.parent / "Backups")
    at = datetime.fromtimestamp((clock or Clock()).now() / 1000, UTC)
    copy = folder / f"{path.stem}-{at:%Y%m%dT%H%M%S%f}-{why}.db"
    unfinished = copy.with_suffix(".new")
    try:
        with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(unfinished)) as target:
            source.backup(target)
    except sqlite3.Error as error:
        unfinished.unlink(missing_ok=True)
        raise database.dialect.failure(error, database.words) from error
    rename(unfinished, copy)
    for old in copies(database)[KEPT:]:
        old.unlink(missing_ok=True)
    return copy


def copies(database: Database) -> list[Path]:
    """The copies of a SQLite database, the newest first."""
    if database.path is None:
        return []
    found = (database.path.parent / "Backups").glob(f"{database.path.stem}-[0-9]*T[0-9]*-*.db")
    return sorted(found, reverse=True)

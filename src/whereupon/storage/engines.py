"""Statements that SQLAlchemy builds, run over a database's engine with its errors in a person's words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from whereupon.connect.databases import Database
from whereupon.connect.servers import sqlite_connection


@contextmanager
def writing(database: Database) -> Iterator[Connection]:
    """A connection within a transaction, committed at the end; raises by meaning, as a session does."""
    with _meaning(database), database.engine.begin() as connection:
        yield connection


@contextmanager
def reading(database: Database) -> Iterator[Connection]:
    """A connection that only reads and waits for no writer."""
    path = database.path
    if path is None:
        with _meaning(database), database.engine.connect() as connection:
            yield connection
        return
    engine = sqlalchemy.create_engine(
        "sqlite://", creator=lambda: sqlite_connection(path, timeout=10.0, write=False), poolclass=NullPool
    )
    with _meaning(database), engine.connect() as connection:
        yield connection


@contextmanager
def _meaning(database: Database) -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        cause = error.orig if isinstance(error.orig, Exception) else error
        raise database.dialect.failure(cause, database.words) from error

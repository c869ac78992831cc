"""Schemas of the databases: made, upgraded under a lock, and checked before anything else is asked of them."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from sqlalchemy import Column, MetaData, String, Table, inspect, select

from whereupon.connect.databases import Database
from whereupon.connect.session import Session
from whereupon.host.clock import Clock
from whereupon.model.errors import Locked, SetupError
from whereupon.storage.backups import backup
from whereupon.storage.engines import reading, writing

if TYPE_CHECKING:
    from alembic.config import Config

# alembic is loaded where something is to be migrated: 10 MB that a service at work can do without.
Which: TypeAlias = Literal["system", "streams"]
PATIENCE = 60.0
"""Seconds that somebody else's migration is waited for."""
CHECKED = 64_000_000
"""Bytes up to which a SQLite file is read through when it is opened; a larger one would take seconds."""
_HERE = Path(__file__).parent / "migrations"


def upgrade(database: Database, which: Which, *, clock: Clock | None = None) -> str:
    """Make the schema, or bring it up to date; gives its version. A SQLite database that holds data is copied before.

    Raises SetupError if it is damaged or was made by a newer program, Locked while somebody else migrates it.
    """
    check(database)
    found = version(database, which)
    _known(found, which)
    if found == newest(which):
        return newest(which)
    clock = clock or Clock()
    with _alone(database, which, clock):
        found = version(database, which)
        _known(found, which)
        if found != newest(which):
            if found is not None:
                backup(database, f"schema-{found}", clock=clock)
            from alembic import command

            with writing(database) as connection:
                command.upgrade(_config(which, connection=connection), "head")
    return newest(which)


def version(database: Database, which: Which) -> str | None:
    """The version of the schema in a database; None if there is none yet."""
    if database.path is not None and not database.path.exists():
        return None
    table = Table(f"schema_{which}", MetaData(), Column("version_num", String()))
    with reading(database) as connection:
        if not inspect(connection).has_table(table.name):
            return None
        return connection.scalar(select(table.c.version_num))


def newest(which: Which) -> str:
    """The version of the schema that this program makes."""
    return _steps(which)[-1]


def sql(which: Which, dialect: str) -> str:
    """The whole schema as SQL of a dialect (sqlite, postgresql or mssql), for an admin who makes it by hand."""
    from alembic import command

    text = io.StringIO()
    command.upgrade(_config(which, output=text, dialect=dialect), "head", sql=True)
    return text.getvalue()


def check(database: Database) -> None:
    """Look whether a SQLite file is sound, the whole of a small one; raises SetupError that tells how to restore it."""
    path = database.path
    if path is None or not path.exists() or not path.stat().st_size:
        return
    statement = "PRAGMA quick_check(1)" if path.stat().st_size <= CHECKED else "PRAGMA schema_version"
    session = database.session(write=False)
    try:
        row = session.one(statement)
        session.one("SELECT COUNT(*) FROM sqlite_master")
    finally:
        session.close()
    if statement.endswith("(1)") and (row is None or row[0] != "ok"):
        said = str(row[0]) if row else "no answer"
        raise SetupError(
            f"{path.name} is damaged ({said}).",
            hint=f"Stop the service and restore the database: its copies are in {path.parent / 'Backups'}.",
        )


def _known(found: str | None, which: Which) -> None:
    if found is not None and found not in _steps(which):
        raise SetupError(
            f"The {which} database has schema {found}, made by a newer Whereupon than this one ({newest(which)}).",
            hint="Install that version or a newer one; nothing was changed.",
        )


@contextmanager
def _alone(database: Database, which: Which, clock: Clock) -> Iterator[None]:
    session = database.session(timeout=PATIENCE)
    name = f"whereupon migration {which}"
    try:
        _taken(session, name, clock)
        yield
        session.release(name)
    finally:
        session.close()


def _taken(session: Session, name: str, clock: Clock) -> None:
    deadline, never = clock.monotonic() + PATIENCE, threading.Event()
    while not session.try_lock(name):
        if clock.monotonic() >= deadline:
            raise Locked(
                "Somebody else is upgrading this database.", hint="Wait until that has ended, then try again."
            )
        clock.wait(never, 0.2)


def _config(which: Which, *, output: io.StringIO | None = None, **attributes: Any) -> Config:
    from alembic.config import Config

    config = Config(output_buffer=output) if output is not None else Config()
    # ConfigParser takes a % for the beginning of a name.
    config.set_main_option("script_location", str(_HERE / which).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes.update(attributes)
    return config


def _steps(which: Which) -> list[str]:
    """The versions there are, the oldest first; each migration's file begins with the one that it makes."""
    return sorted(each.stem.partition("_")[0] for each in (_HERE / which / "versions").glob("[0-9]*.py"))

"""Databases that aren't there yet, made on their server. Nothing is ever dropped."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from sqlalchemy.engine import make_url

from whereupon.connect.databases import Database, database
from whereupon.model.errors import SetupError

_LISTS = {
    "postgresql": ("postgres", "SELECT 1 FROM pg_database WHERE datname = ?", 'CREATE DATABASE "{}"'),
    "sqlserver": ("master", "SELECT 1 FROM sys.databases WHERE name = ?", "CREATE DATABASE [{}]"),
}
"""Where a server lists its databases, how it is asked for one, and how one is made."""


def there_is(url: str, *, folder: Path, password: str | None) -> bool:
    """Whether a database exists; False too for a SQLite file that isn't there yet.

    Raises Away or SetupError where its server can't be used.
    """
    wanted = database(url, folder=folder, password=password)
    if wanted.path is not None:
        return wanted.path.exists()
    try:
        wanted.session().close()
    except SetupError as error:
        if _listed(wanted, url, folder, password) is not False:
            raise error from None
        return False
    return True


def make(url: str, *, folder: Path, password: str | None) -> None:
    """Make a database on its server; a SQLite file comes by itself, if its folder is there.

    Raises SetupError where the login may not, or there is no such folder.
    """
    wanted = database(url, folder=folder, password=password)
    if wanted.path is not None:
        _check_place(wanted.path.parent, folder)
        return
    statement = _LISTS[wanted.dialect.name][2]
    with closing(_maintenance(wanted, url, folder, password).session()) as session:
        # A name that a database can have here holds no sign that ends an identifier, but quotes are doubled anyway.
        session.run(statement.format(_name(url).replace('"', '""').replace("]", "]]")))


def _check_place(parent: Path, folder: Path) -> None:
    """The system's own folder comes later; any other has to be there."""
    if parent != folder and not parent.is_dir():
        raise SetupError(
            f"There is no folder {parent} for a database.",
            hint="Make it, or choose another place for the file under databases.",
        )


def _listed(wanted: Database, url: str, folder: Path, password: str | None) -> bool | None:
    """Whether the server lists the database; None where it can't be asked."""
    try:
        with closing(_maintenance(wanted, url, folder, password).session()) as session:
            return session.one(_LISTS[wanted.dialect.name][1], (_name(url),)) is not None
    except SetupError:
        return None


def _maintenance(wanted: Database, url: str, folder: Path, password: str | None) -> Database:
    place = make_url(url).set(database=_LISTS[wanted.dialect.name][0])
    return database(place.render_as_string(hide_password=False), folder=folder, password=password)


def _name(url: str) -> str:
    return make_url(url).database or ""

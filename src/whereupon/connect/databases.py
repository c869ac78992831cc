"""Databases by connection string: SQLite, PostgreSQL, SQL Server."""

from __future__ import annotations

import re
import threading
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import sqlalchemy
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import NullPool

from whereupon.connect.dialects.dialect import Dialect
from whereupon.connect.dialects.postgresql import PostgresqlDialect
from whereupon.connect.dialects.sqlite import SqliteDialect
from whereupon.connect.dialects.sqlserver import SqlServerDialect
from whereupon.connect.servers import PostgresqlSession, SqliteSession, SqlServerSession, sqlite_connection
from whereupon.connect.session import Session
from whereupon.connect.tls import Tls
from whereupon.kit.config import folded, sounds_secret
from whereupon.model.errors import SetupError

LOOPBACK = ("localhost", "127.0.0.1", "::1", "")
EXAMPLES = (
    "sqlite:///Name.db, postgresql://user@host:5432/name or mssql://user@host/name"
    "?Driver=ODBC Driver 18 for SQL Server"
)


BUILT = 600.0
"""Seconds for a statement of the engine: a migration, a person's table."""


def database(url: str, *, folder: Path, password: str | None = None) -> Database:
    """The database of a connection string; nothing is connected. SQLite files are relative to `folder`.

    Raises SetupError if the string can't be used.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise SetupError("The connection string can't be read.", hint=f"Write it like {EXAMPLES}.") from None
    kind = parsed.drivername.partition("+")[0]
    if kind == "sqlite":
        return SqliteDatabase(parsed, folder)
    if kind in ("postgresql", "postgres"):
        return PostgresqlDatabase(_sound(parsed), password)
    if kind in ("mssql", "sqlserver"):
        return SqlServerDatabase(_sound(parsed), password)
    raise SetupError(f"There is no kind of database called {kind!r}.", hint=f"Write {EXAMPLES}.")


def _sound(url: URL) -> URL:
    """A database name with '=' or '://' would be read as a connection string of its own by the client library."""
    names = [
        url.database or "",
        *(_last(value) for name, value in url.query.items() if folded(name) in _NAMING),
    ]
    for name in names:
        if not name or "=" in name or "://" in name or re.search(r"\s", name):
            raise SetupError(
                f"{name!r} can't be the name of a database.",
                hint="Use letters, digits, points, hyphens, underscores.",
            )
    for option in url.query:
        if not re.fullmatch(r"\w[\w ]*", option):
            raise SetupError(
                f"{option!r} can't be an option.", hint=f"Write the connection string like {EXAMPLES}."
            )
    return url


_NAMING = ("dbname", "database", "initialcatalog")


def _last(value: str | tuple[str, ...]) -> str:
    """An option that is given twice counts the last time."""
    return value if isinstance(value, str) else value[-1]


def _shown(url: URL) -> str:
    """A connection string without anything that is a secret."""
    hidden = [name for name in url.query if sounds_secret(name) or folded(name) == "pwd"]
    return url._replace(password=None).difference_update_query(hidden).render_as_string()


class Database(ABC):
    """One database. `url` is without password; `path` is the file of a SQLite database, else None."""

    dialect: Dialect
    path: Path | None = None

    def __init__(self, url: URL) -> None:
        self.url = _shown(url)
        self._engine: sqlalchemy.Engine | None = None
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"<{self.url}>"

    @property
    def words(self) -> str:
        """The database as a sentence names it."""
        return f"The database {self.url.partition('?')[0]}"

    @property
    def engine(self) -> sqlalchemy.Engine:
        """For migrations and built queries; connections are not pooled."""
        with self._lock:
            if self._engine is None:
                self._engine = self._made_engine()
            return self._engine

    @abstractmethod
    def session(self, *, write: bool = True, timeout: float = 10.0) -> Session:
        """A connection of one's own, opened now; `timeout` in seconds is for connecting and for each statement."""

    def close(self) -> None:
        """Give the engine back; a second call does nothing."""
        with self._lock:
            if self._engine is not None:
                self._engine.dispose()
                self._engine = None

    @abstractmethod
    def _made_engine(self) -> sqlalchemy.Engine: ...


class SqliteDatabase(Database):
    """A file."""

    dialect = SqliteDialect()

    def __init__(self, url: URL, folder: Path) -> None:
        super().__init__(url)
        if not url.database or url.database == ":memory:":
            raise SetupError("The connection string names no file.", hint="Write it like sqlite:///Name.db.")
        self.path: Path = folder / url.database

    def session(self, *, write: bool = True, timeout: float = 10.0) -> Session:
        """The file, opened."""
        return SqliteSession(self.path, timeout=timeout, what=self.words, write=write)

    def _made_engine(self) -> sqlalchemy.Engine:
        engine = sqlalchemy.create_engine(
            "sqlite://", creator=lambda: sqlite_connection(self.path, timeout=10.0), poolclass=NullPool
        )
        sqlalchemy.event.listen(
            engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE")
        )
        return engine


class PostgresqlDatabase(Database):
    """A PostgreSQL server's. Encrypted and verified unless the string says otherwise or the host is this machine."""

    dialect = PostgresqlDialect()

    def __init__(self, url: URL, password: str | None) -> None:
        super().__init__(url)
        host = url.host or ""
        local = host in LOOPBACK or host.startswith("/")
        named = {"host": host, "port": url.port, "user": url.username, "dbname": url.database}
        self._options: dict[str, Any] = {name: value for name, value in named.items() if value}
        secret = password if password is not None else url.password
        if secret is not None:
            self._options["password"] = str(secret)
        self._options |= {name: _last(value) for name, value in url.query.items()}
        mode = self._options.setdefault("sslmode", "prefer" if local else "verify-full")
        if mode.startswith("verify"):
            self._options.setdefault("sslrootcert", Tls().authorities())

    def session(self, *, write: bool = True, timeout: float = 10.0) -> Session:
        """A connection."""
        session = PostgresqlSession(self._options, timeout=timeout, what=self.words)
        if not write:
            session.run("SET default_transaction_read_only = on")
        return session

    def _made_engine(self) -> sqlalchemy.Engine:
        def connect() -> Any:
            import psycopg

            from whereupon.connect.postgresql import postgresql_connection

            connection = postgresql_connection(
                self._options, timeout=BUILT, what=self.words, cursor=psycopg.Cursor
            )
            connection.autocommit = False
            return connection

        return sqlalchemy.create_engine("postgresql+psycopg://", creator=connect, poolclass=NullPool)


class SqlServerDatabase(Database):
    """A SQL Server's, by ODBC. Encrypted unless the string says otherwise; all other options pass through."""

    dialect = SqlServerDialect()

    def __init__(self, url: URL, password: str | None) -> None:
        super().__init__(url)
        options = {name: _last(value) for name, value in url.query.items()}
        self._many_values = options.pop("use_insertmanyvalues", "true").lower() != "false"
        host, _, instance = (url.host or "localhost").partition("\\")
        server = f"{host}\\{instance}" if instance else f"{host},{url.port}" if url.port else host
        given = {"Driver": "ODBC Driver 18 for SQL Server", "Server": server, "Database": str(url.database),
                 "Encrypt": "yes"}  # fmt: skip
        if url.username:
            given["UID"] = url.username
            given["PWD"] = password if password is not None else str(url.password or "")
        elif not {"uid", "authentication", "trusted_connection"} & {name.lower() for name in options}:
            given["Trusted_Connection"] = "yes"
        named = {name.lower(): name for name in given}
        for name, value in options.items():
            given[named.get(name.lower(), name)] = value
        self._string = ";".join(f"{name}={_braced(value)}" for name, value in given.items())

    def session(self, *, write: bool = True, timeout: float = 10.0) -> Session:
        """A connection."""
        return SqlServerSession(self._string, timeout=timeout, what=self.words)

    def _made_engine(self) -> sqlalchemy.Engine:
        def connect() -> Any:
            try:
                import pyodbc

                return pyodbc.connect(self._string, timeout=10)
            except Exception as error:
                raise self.dialect.failure(error, self.words, opening=True) from error

        return sqlalchemy.create_engine(
            "mssql+pyodbc://", creator=connect, poolclass=NullPool, use_insertmanyvalues=self._many_values
        )


def _braced(value: str) -> str:
    """A value of an ODBC connection string, in braces, whether it came with some or not: nothing in it can end it."""
    bare = value[1:-1] if value.startswith("{") and value.endswith("}") else value
    return "{" + bare.replace("}", "}}") + "}"

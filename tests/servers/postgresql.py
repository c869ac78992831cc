"""A real PostgreSQL cluster with password and TLS, run as another user where the suite runs as root."""

from __future__ import annotations

import functools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg

from tests.servers.authority import Authority
from tests.servers.processes import STARTED_WITH, Child, free_port

USER, PASSWORD = "owner", "owner's secret/1"


@functools.cache
def available() -> str | None:
    """Why PostgreSQL can't run, or None."""
    if sys.platform == "win32":
        return "cannot run here: PostgreSQL is started on Linux and macOS only"
    if _program("initdb") is None:
        return "PostgreSQL's initdb is missing (Debian: postgresql)"
    if os.getuid() == 0 and _other_user() is None:
        return "PostgreSQL refuses to run as root, and there is no user postgres or nobody"
    return None


def _program(name: str) -> str | None:
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda each: int(each.parts[4]))
    return str(found[-1]) if found else shutil.which(name)


def _other_user() -> str | None:
    if sys.platform == "win32" or os.getuid() != 0:
        return None
    import pwd

    known = {each.pw_name for each in pwd.getpwall()}
    return next((each for each in ("postgres", "nobody") if each in known), None)


class PostgreSQL:
    """One cluster. `host`, `port`, `user` and `password` are its owner's way in; `ca` signs its certificate.

    It can be stopped, killed and started again with what it holds. `durable` keeps fsync on, for a bench: kill -9
    needs none.
    """

    host = "127.0.0.1"
    user, password = USER, PASSWORD

    def __init__(self, *, durable: bool = False) -> None:
        # Not below a folder of pytest's: those are closed to the cluster's user.
        self._folder = Path(tempfile.mkdtemp(prefix="whereupon-postgresql-"))
        self.port = free_port()
        self._user = _other_user()
        self._data = self._folder / "data"
        self.authority = Authority(self._folder / "tls")
        self.ca = self.authority.ca
        self._durable = durable
        self._child: Child | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        if not self._data.exists():
            self._make()
        command = [_program("postgres") or "postgres", "-D", str(self._data)]
        log = self._folder / "postgresql.log"
        child = self._child = Child(command, log=log, environment=self._environment(), user=self._user)
        child.wait_for(self._answers, within=30, what="PostgreSQL")

    def _make(self) -> None:
        secret = self._folder / "password"
        secret.write_text(PASSWORD, encoding="utf-8")
        for each in (self._folder, *self._folder.rglob("*")):
            self._give(each)
        initdb = [_program("initdb") or "initdb", "-D", str(self._data), "-U", USER, "-A", "scram-sha-256"]
        initdb += ["--pwfile", str(secret), "--encoding=UTF8", "--locale=C", "--no-sync"]
        as_user: dict[str, Any] = (
            {"user": self._user, "group": self._user, "extra_groups": []} if self._user else {}
        )
        done = subprocess.run(
            initdb,
            cwd=self._folder,
            env=self._environment(),
            capture_output=True,
            text=True,
            check=False,
            **as_user,
        )
        if done.returncode != 0:
            raise AssertionError(f"initdb failed: {done.stdout}{done.stderr}")
        with (self._data / "postgresql.conf").open("a", encoding="utf-8") as settings:
            settings.writelines(f"{name} = '{value}'\n" for name, value in self._settings().items())

    def _give(self, path: Path) -> None:
        path.chmod(0o700 if path.is_dir() else 0o600)
        if self._user is not None:
            shutil.chown(path, self._user)

    def _settings(self) -> Mapping[str, object]:
        return {
            "listen_addresses": self.host,
            "port": self.port,
            "unix_socket_directories": "",
            "max_connections": 200,
            "fsync": "on" if self._durable else "off",
            "ssl": "on",
            "ssl_cert_file": self.authority.certificate,
            "ssl_key_file": self.authority.key,
        }

    @staticmethod
    def _environment() -> Mapping[str, str]:
        return {**STARTED_WITH, "LC_ALL": "C", "HOME": tempfile.gettempdir()}

    def _answers(self) -> bool:
        try:
            with psycopg.connect(self.dsn("postgres"), connect_timeout=2):
                return True
        except psycopg.OperationalError:
            return False

    @property
    def child(self) -> Child:
        """The postmaster."""
        if self._child is None:
            raise AssertionError("PostgreSQL was not started.")
        return self._child

    def stop(self) -> None:
        """End it at once but cleanly; twice is fine."""
        if self._child is not None:
            self._child.stop(within=20, by=signal.SIGINT)

    def kill(self) -> None:
        """kill -9 of the postmaster and of its children."""
        self.child.kill()
        (self._data / "postmaster.pid").unlink(missing_ok=True)

    def restart(self) -> None:
        """Start it again, after `stop` or `kill`, with what it held."""
        self.stop()
        self.start()

    def remove(self) -> None:
        """Stop it and delete all it held."""
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def dsn(self, database: str, *, secure: bool = False) -> str:
        """A libpq connection string of the owner; `secure`: over TLS with the certificate checked."""
        tls = f"host=localhost sslmode=verify-full sslrootcert={self.ca}" if secure else "sslmode=disable"
        place = {"host": self.host, "port": self.port, "dbname": database, "user": USER}
        words = " ".join(
            f"{name}={value}" for name, value in place.items() if not (secure and name == "host")
        )
        quoted = PASSWORD.replace("\\", "\\\\").replace("'", "\\'")
        return f"{words} {tls} password='{quoted}'"

    def url(self, database: str, *, password: str | None = PASSWORD) -> str:
        """The same as a URL, `postgresql://…`; without a password where that is None."""
        secret = "" if password is None else f":{quote(password, safe='')}"
        return f"postgresql://{USER}{secret}@{self.host}:{self.port}/{database}?sslmode=disable"

    def create_database(self, name: str = "test") -> str:
        """Make a database whose name begins with `name` and was never used before; gives its name."""
        database = f"{name}_{uuid.uuid4().hex[:8]}"
        self.execute("postgres", f'CREATE DATABASE "{database}"')
        return database

    def drop_database(self, database: str) -> None:
        """Delete a database, whoever is connected."""
        self.execute("postgres", f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')

    def execute(self, database: str, statement: str, parameters: Sequence[object] = ()) -> None:
        """Run one statement in a transaction of its own."""
        with psycopg.connect(self.dsn(database), autocommit=True) as connection:
            connection.execute(statement.encode(), parameters or None)

    def rows(self, database: str, query: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        with psycopg.connect(self.dsn(database), autocommit=True) as connection:
            return connection.execute(query.encode(), parameters or None).fetchall()

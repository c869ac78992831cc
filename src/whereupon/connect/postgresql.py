"""Connections to PostgreSQL: how they are made, how long they are waited for, and why one can't be had."""

from __future__ import annotations

import contextlib
import logging
import math
import socket
import ssl
import struct
from collections.abc import Generator, Mapping
from time import monotonic
from typing import Any

import psycopg

from whereupon.connect.dialects.postgresql import PostgresqlDialect
from whereupon.model.errors import Away, SetupError, WhereuponError

SSL_REQUEST = struct.pack("!ii", 8, 80_877_103)
"""What a client sends first (PostgreSQL manual, 55.7 Message Formats); the server answers S or N."""
GRACE = 2.0
"""Seconds that a server which ends late statements itself is given beyond the time-out."""


class Patient(psycopg.Connection[Any]):
    """A connection that doesn't wait for ever for a server that stands still: after `patience` seconds it is closed."""

    patience = 12.0

    def wait(self, gen: Generator[Any, Any, Any], *args: Any, **words: Any) -> Any:
        """The same, for a limited time. Raises psycopg.OperationalError when that is over."""
        return super().wait(self._limited(gen), *args, **words)

    def _limited(self, gen: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        try:
            wanted = next(gen)
            deadline = monotonic() + self.patience
            while True:
                ready = yield wanted
                if not ready and monotonic() > deadline:
                    self.pgconn.finish()
                    raise psycopg.OperationalError(f"no answer within {self.patience:g} s")
                wanted = gen.send(ready)
        except StopIteration as end:
            return end.value


# What the driver passes over while a statement fails only follows from the error that we raise.
logging.getLogger("psycopg").setLevel(logging.ERROR)


def postgresql_connection(
    options: Mapping[str, Any], *, timeout: float, what: str, cursor: type[Any] = psycopg.RawCursor
) -> Patient:
    """An open connection whose statements may take `timeout` seconds. Raises Away or SetupError."""
    # A stricter isolation would see what stood before our locks were had, and fail where two write at once.
    more = r"-c client_encoding=UTF8 -c default_transaction_isolation=read\ committed"
    more = f"-c statement_timeout={int(timeout * 1000)} {more}"
    given = {
        "connect_timeout": max(2, math.ceil(min(timeout, 10))),
        "application_name": "whereupon",
        "keepalives_idle": 15,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        **options,
        "options": f"{options.get('options', '')} {more}".strip(),
    }
    try:
        connection = Patient.connect(autocommit=True, cursor_factory=cursor, **given)
    except psycopg.Error as error:
        raise _refusal(given, error, what) from error
    connection.patience = timeout + GRACE
    return connection


def _refusal(options: Mapping[str, Any], error: psycopg.Error, what: str) -> WhereuponError:
    """Why there is no connection. libpq hands over no code for that, only a text in the server's language, so what can
    be asked is asked again, step by step: is somebody there, is its certificate trusted, is the login, is the database.

    Whatever stays unclear is Away: it is tried again, and a person sees the server's own words.
    """
    if isinstance(error, psycopg.ProgrammingError):
        return SetupError(f"{what} has options that PostgreSQL doesn't know: {_words(error)}.")
    for asked in (_encryption, _login):
        if found := asked(options, error, what):
            return found
    return PostgresqlDialect().failure(error, what, opening=True)


def _encryption(options: Mapping[str, Any], _: psycopg.Error, what: str) -> WhereuponError | None:
    host, mode = str(options.get("host", "")), options["sslmode"]
    if not host or host.startswith("/") or "," in host:
        return None
    place = (str(options.get("hostaddr", host)), int(options.get("port", 5432)))
    try:
        with contextlib.closing(socket.create_connection(place, options["connect_timeout"])) as connection:
            return _handshake(connection, host, mode, options.get("sslrootcert"), what)
    except (OSError, ValueError) as error:
        said = f"{what} can't be reached: {getattr(error, 'strerror', None) or error}."
        return Away(said, hint="Check host, port and network.")


def _handshake(
    connection: socket.socket, host: str, mode: str, authorities: str | None, what: str
) -> WhereuponError | None:
    if mode not in ("require", "verify-ca", "verify-full"):
        return None
    connection.sendall(SSL_REQUEST)
    if connection.recv(1) == b"N":
        return SetupError(
            f"{what} doesn't offer encryption.", hint="Switch its ssl on, or choose another sslmode."
        )
    if mode == "require" or not authorities:
        return None
    try:
        context = ssl.create_default_context(cafile=authorities)
        context.check_hostname = mode == "verify-full"
        context.wrap_socket(connection, server_hostname=host).close()
    except ssl.SSLCertVerificationError as error:
        said = f"The certificate of {host} can't be trusted: {error.verify_message}."
        hint = "Use the name that stands in it, or name its authority's file: ?sslrootcert=FILE."
        return SetupError(said, hint=hint)
    except FileNotFoundError:
        return SetupError(f"The file of authorities {authorities} isn't there.", hint="Correct sslrootcert.")
    return None


def _login(options: Mapping[str, Any], error: psycopg.Error, what: str) -> WhereuponError | None:
    """The same login at the database that every cluster has tells a wrong password from a wrong database."""
    if error.pgconn is not None and error.pgconn.needs_password:
        said = f"{what} asks for a password, and there is none."
        return SetupError(said, hint="Set it: whereupon secrets set database/NAME.")
    try:
        with Patient.connect(**{**options, "dbname": "postgres"}) as connection:
            return _database(connection, str(options.get("dbname", "")), what)
    except psycopg.Error as again:
        if _password_sent(error) and _password_sent(again):
            said = f"{what} doesn't accept the login of {options.get('user', 'nobody')}."
            return SetupError(said, hint="Check the user and the password.")
    return None


def _database(connection: Patient, name: str, what: str) -> WhereuponError | None:
    row = connection.execute(
        "SELECT has_database_privilege(datname, 'CONNECT') FROM pg_database WHERE datname = %s", (name,)
    ).fetchone()
    if row is None:
        return SetupError(f"{what} doesn't exist.", hint="Create the database, or correct its name.")
    if not row[0]:
        return SetupError(f"{what} may not be opened by this user.", hint="Ask its owner to GRANT CONNECT.")
    return None


def _password_sent(error: psycopg.Error) -> bool:
    return error.pgconn is not None and bool(error.pgconn.used_password)


def _words(error: Exception) -> str:
    return str(error).strip().partition("\n")[0].rstrip(".")

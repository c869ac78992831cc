"""PostgreSQL's ODBC driver, by which generic ODBC sources are tested."""

from __future__ import annotations

import functools

from tests.servers.postgresql import PostgreSQL

DRIVER = "PostgreSQL Unicode"


@functools.cache
def available() -> str | None:
    """Why ODBC can't be tested, or None."""
    try:
        import pyodbc
    except ImportError as error:
        return f"pyodbc can't be loaded: {error} (Debian: unixodbc)"
    if DRIVER in pyodbc.drivers():
        return None
    return f"the ODBC driver {DRIVER} is missing (Debian: unixodbc odbc-postgresql)"


def connection_string(server: PostgreSQL, database: str, *, password: str | None = None) -> str:
    """A connection string without a DSN. Booleans come as bits, texts up to 64 kB whole."""
    secret = (password or server.password).replace("}", "}}")
    return (
        f"Driver={{{DRIVER}}};Server={server.host};Port={server.port};Database={database};"
        f"UID={server.user};PWD={{{secret}}};SSLmode=disable;BoolsAsChar=0;MaxLongVarcharSize=65536;"
    )

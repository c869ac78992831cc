"""Schemas of the system and the Streams database, step by step; run by `storage/schema.py` alone."""

from __future__ import annotations

from typing import Any

from alembic import context


def run(version_table: str) -> None:
    """What each env.py does: migrate the connection that was handed over, or write the SQL of a dialect."""
    connection = context.config.attributes.get("connection")
    options: dict[str, Any] = {"version_table": version_table, "transactional_ddl": True}
    if connection is None:
        dialect = context.config.attributes["dialect"]
        context.configure(dialect_name=dialect, literal_binds=True, mssql_batch_separator="GO", **options)
    else:
        context.configure(connection=connection, **options)
    with context.begin_transaction():
        context.run_migrations()

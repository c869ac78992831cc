"""Alembic's way in to the schema of the system database."""

from whereupon.storage.migrations import run

run("schema_system")

"""Alembic's way in to the schema of the Streams database."""

from whereupon.storage.migrations import run

run("schema_streams")

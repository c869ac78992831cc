"""The first tables of the system database."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, UniqueConstraint

from whereupon.connect.types import Body, Flag, Id, Key

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables of an empty database."""
    op.create_table(
        "revision",
        Column("number", Id(), primary_key=True, autoincrement=False, nullable=False),
        Column("at", Id(), nullable=False),
        Column("author", Key(), nullable=False),
        Column("note", Body(), nullable=False),
        Column("setup", Body(), nullable=False),
        Column("published", Body(), nullable=False),
        Column("changes", Body(), nullable=False),
    )
    op.create_table(
        "part",
        Column("id", Id(), primary_key=True, autoincrement=False, nullable=False),
        Column("role", Key(20), nullable=False),
        Column("name", Key(), nullable=False),
        UniqueConstraint("role", "name", name="part_once"),
    )
    op.create_table(
        "version",
        Column("campaign", Id(), primary_key=True, autoincrement=False, nullable=False),
        Column("number", Id(), primary_key=True, autoincrement=False, nullable=False),
        Column("revision", Id(), nullable=False),
        Column("at", Id(), nullable=False),
        Column("author", Key(), nullable=False),
        Column("body", Body(), nullable=False),
    )
    op.create_table(
        "communications",
        Column("key", Key(64), primary_key=True, autoincrement=False, nullable=False),
        Column("campaign", Key(), nullable=False),
        Column("version", Id(), nullable=False),
        Column("stream", Key(), nullable=False),
        Column("event_id", Key(), nullable=False),
        Column("person", Key(), nullable=False),
        Column("channel", Key(), nullable=False),
        Column("address", Body(), nullable=False),
        Column("provider_id", Body(), nullable=False),
        Column("sent_at", Id(), nullable=False),
        Column("loaded_at", Id(), nullable=False),
        Column("event", Id(), nullable=False),
        Column("campaign_id", Id(), nullable=False),
    )
    op.create_table(
        "loaded",
        Column("folder", Key(40), primary_key=True, autoincrement=False, nullable=False),
        Column("name", Key(), primary_key=True, autoincrement=False, nullable=False),
        Column("bytes", Id(), nullable=False),
        Column("lines", Id(), nullable=False),
        Column("bad", Id(), nullable=False),
        Column("at", Id(), nullable=False),
    )
    op.create_table(
        "imports",
        Column("part", Id(), primary_key=True, autoincrement=False, nullable=False),
        Column("path", Body(), nullable=False),
        Column("checksum", Key(64), nullable=False),
        Column("shape", Key(64), nullable=False),
        Column("taken", Id(), nullable=False),
        Column("rejected", Id(), nullable=False),
        Column("at", Id(), nullable=False),
    )
    op.create_table(
        "contact",
        Column("part", Id(), primary_key=True, autoincrement=False, nullable=False),
        Column("person", Key(), primary_key=True, autoincrement=False, nullable=False),
        Column("id", Id(), nullable=False),
        UniqueConstraint("part", "id", name="contact_once"),
    )
    op.create_table(
        "job",
        Column("name", Key(), primary_key=True, autoincrement=False, nullable=False),
        Column("schedule", Body(), nullable=False),
        Column("next_run", Id(), nullable=True),
        Column("started", Id(), nullable=True),
        Column("ended", Id(), nullable=True),
        Column("state", Key(20), nullable=False),
        Column("late", Flag(), nullable=False),
        Column("note", Body(), nullable=False),
    )


def downgrade() -> None:
    """Remove them again."""
    op.drop_table("job")
    op.drop_table("contact")
    op.drop_table("imports")
    op.drop_table("loaded")
    op.drop_table("communications")
    op.drop_table("version")
    op.drop_table("part")
    op.drop_table("revision")

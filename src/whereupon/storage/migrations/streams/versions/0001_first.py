"""The first tables of the Streams database."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, UniqueConstraint

from whereupon.connect.types import Blob, Body, Flag, Id, Key

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables of an empty database."""
    op.create_table(
        "position",
        Column("stream", Id(), primary_key=True, autoincrement=False, nullable=False),
        Column("topic", Key(), primary_key=True, autoincrement=False, nullable=False),
        Column("partition", Id(), primary_key=True, autoincrement=False, nullable=False),
        Column("next", Id(), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "numbering",
        Column("name", Key(40), primary_key=True, autoincrement=False, nullable=False),
        Column("next", Id(), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "event",
        Column("id", Id(), primary_key=True, autoincrement=False, nullable=False),
        Column("person", Key(), nullable=False),
        Column("event_id", Key(), nullable=False),
        Column("stream", Id(), nullable=False),
        Column("partition", Id(), nullable=False),
        Column("at_offset", Id(), nullable=False),
        Column("at", Id(), nullable=False),
        Column("seen", Id(), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("event_once", "event", ["person", "event_id", "stream"], unique=True)
    op.create_table(
        "outcome",
        Column("event", Id(), primary_key=True, autoincrement=False, nullable=False),
        Column("campaign", Id(), primary_key=True, autoincrement=False, nullable=False),
        Column("version", Id(), nullable=False),
        Column("channel", Id(), nullable=False),
        Column("owner", Id(), nullable=False),
        Column("state", Key(10), nullable=False),
        Column("reason", Key(), nullable=False),
        Column("tries", Id(), nullable=False),
        Column("decided", Id(), nullable=False),
        Column("first_try", Id(), nullable=True),
        Column("finished", Id(), nullable=True),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "batch",
        Column("id", Id(), primary_key=True, autoincrement=False, nullable=False),
        Column("last", Id(), nullable=False),
        Column("stream", Id(), nullable=False),
        Column("decided", Id(), nullable=False),
        Column("owner", Id(), nullable=False),
        Column("body", Blob(), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "waiting",
        Column("event", Id(), primary_key=True, autoincrement=False, nullable=False),
        Column("campaign", Id(), primary_key=True, autoincrement=False, nullable=False),
        Column("owner", Id(), nullable=False),
        Column("channel", Id(), nullable=False),
        Column("person", Key(), nullable=False),
        Column("next_at", Id(), nullable=False),
        Column("tries", Id(), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("waiting_due", "waiting", ["channel", "owner", "next_at"])
    op.create_index("waiting_person", "waiting", ["channel", "owner", "person", "event"])
    op.create_table(
        "attempt",
        Column("event", Id(), primary_key=True, autoincrement=False, nullable=False),
        Column("campaign", Id(), primary_key=True, autoincrement=False, nullable=False),
        Column("n", Id(), primary_key=True, autoincrement=False, nullable=False),
        Column("started", Id(), nullable=False),
        Column("ended", Id(), nullable=False),
        Column("answer", Body(), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "tally",
        Column("campaign", Id(), primary_key=True, autoincrement=False, nullable=False),
        Column("day", Id(), primary_key=True, autoincrement=False, nullable=False),
        Column("state", Key(10), primary_key=True, autoincrement=False, nullable=False),
        Column("reason", Key(), primary_key=True, autoincrement=False, nullable=False),
        Column("owner", Id(), primary_key=True, autoincrement=False, nullable=False),
        Column("n", Id(), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "hour",
        Column("hour", Id(), primary_key=True, autoincrement=False, nullable=False),
        Column("owner", Id(), primary_key=True, autoincrement=False, nullable=False),
        Column("first", Id(), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "lane",
        Column("channel", Id(), primary_key=True, autoincrement=False, nullable=False),
        Column("owner", Id(), primary_key=True, autoincrement=False, nullable=False),
        Column("open_from", Id(), nullable=False),
        Column("address", Key(64), nullable=True),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "dead",
        Column("id", Id(), primary_key=True, autoincrement=False, nullable=False),
        Column("stage", Key(20), nullable=False),
        Column("event", Id(), nullable=True),
        Column("campaign", Id(), nullable=True),
        Column("stream", Id(), nullable=False),
        Column("place", Key(), nullable=False),
        Column("reason", Body(), nullable=False),
        Column("raw", Blob(), nullable=True),
        Column("at", Id(), nullable=False),
        Column("owner", Id(), nullable=False),
        Column("resend", Id(), nullable=False),
        Column("judged", Key(), nullable=True),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "lease",
        Column("owner", Id(), primary_key=True, autoincrement=False, nullable=False),
        Column("folder", Key(40), nullable=False),
        Column("host", Key(), nullable=False),
        Column("renewed", Id(), nullable=False),
        Column("running", Flag(), nullable=False),
        Column("status", Body(), nullable=False),
        UniqueConstraint("folder", name="lease_folder"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "hold",
        Column("role", Key(20), primary_key=True, autoincrement=False, nullable=False),
        Column("part", Id(), primary_key=True, autoincrement=False, nullable=False),
        Column("kind", Key(10), nullable=False),
        Column("reason", Body(), nullable=False),
        Column("author", Key(), nullable=False),
        Column("at", Id(), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "request",
        Column("id", Id(), primary_key=True, autoincrement=False, nullable=False),
        Column("owner", Id(), nullable=True),
        Column("name", Key(40), nullable=False),
        Column("words", Body(), nullable=False),
        Column("author", Key(), nullable=False),
        Column("asked", Id(), nullable=False),
        Column("answered", Id(), nullable=True),
        Column("answer", Body(), nullable=True),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "run",
        Column("id", Id(), primary_key=True, autoincrement=False, nullable=False),
        Column("campaign", Id(), nullable=False),
        Column("version", Id(), nullable=False),
        Column("state", Key(10), nullable=False),
        Column("started", Id(), nullable=False),
        Column("ended", Id(), nullable=True),
        Column("place", Id(), nullable=False),
        Column("first", Id(), nullable=False),
        Column("total", Id(), nullable=False),
        Column("done", Id(), nullable=False),
        Column("inserted", Id(), nullable=False),
        Column("updated", Id(), nullable=False),
        Column("rejected", Id(), nullable=False),
        Column("said", Body(), nullable=False),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Remove them again."""
    op.drop_table("run")
    op.drop_table("request")
    op.drop_table("hold")
    op.drop_table("lease")
    op.drop_table("dead")
    op.drop_table("lane")
    op.drop_table("hour")
    op.drop_table("tally")
    op.drop_table("attempt")
    op.drop_table("waiting")
    op.drop_table("batch")
    op.drop_table("outcome")
    op.drop_table("event")
    op.drop_table("numbering")
    op.drop_table("position")

"""The tables of the Streams database: positions, events, outcomes, and what waits for another try or for a person."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, Index, MetaData, Table, UniqueConstraint

from whereupon.connect.types import Blob, Body, Flag, Id, Key
from whereupon.storage.columns import given, key, maybe

JOURNAL = MetaData()


def _table(name: str, *columns: Column[Any] | UniqueConstraint | Index) -> Table:
    return Table(name, JOURNAL, *columns, sqlite_with_rowid=False)


# What we have decided of each partition: the fence against a second reader. Another topic id is a topic made anew.
# A place that a person let a stream leave stands under its negative number until it has begun anew (positions.py).
_table("position", key("stream", Id()), key("topic", Key()), key("partition", Id()), given("next", Id()))
# Numbers are handed out in blocks, so that services needn't wait for each other's transactions.
_table("numbering", key("name", Key(40)), given("next", Id()))
_table(
    "event",
    key("id", Id()),
    given("person", Key()),
    given("event_id", Key()),
    given("stream", Id()),
    given("partition", Id()),
    given("at_offset", Id()),
    given("at", Id()),
    given("seen", Id()),
    # Not a constraint: SQLite doesn't know that a constraint's index holds the id too, and would read the event for it.
    Index("event_once", "person", "event_id", "stream", unique=True),
)
_table(
    "outcome",
    key("event", Id()),
    key("campaign", Id()),
    given("version", Id()),
    given("channel", Id()),
    given("owner", Id()),
    given("state", Key(10)),
    given("reason", Key()),
    given("tries", Id()),
    given("decided", Id()),
    maybe("first_try", Id()),
    maybe("finished", Id()),
)
_table(
    "batch",
    key("id", Id()),
    given("last", Id()),
    given("stream", Id()),
    given("decided", Id()),
    given("owner", Id()),
    given("body", Blob()),
)
_table(
    "waiting",
    key("event", Id()),
    key("campaign", Id()),
    given("owner", Id()),
    given("channel", Id()),
    given("person", Key()),
    given("next_at", Id()),
    given("tries", Id()),
    Index("waiting_due", "channel", "owner", "next_at"),
    Index("waiting_person", "channel", "owner", "person", "event"),
)
_table(
    "attempt",
    key("event", Id()),
    key("campaign", Id()),
    key("n", Id()),
    given("started", Id()),
    given("ended", Id()),
    given("answer", Body()),
)
_table(
    "tally",
    key("campaign", Id()),
    key("day", Id()),
    key("state", Key(10)),
    key("reason", Key()),
    key("owner", Id()),
    given("n", Id()),
)
_table("hour", key("hour", Id()), key("owner", Id()), given("first", Id()))
# `address` is a fingerprint of where the channel's messages went, so that a change shows after a restart too.
_table(
    "lane",
    key("channel", Id()),
    key("owner", Id()),
    given("open_from", Id()),
    maybe("address", Key(64)),
)
# `campaign` is null where the event itself couldn't be used; `raw` is the event as it came.
_table(
    "dead",
    key("id", Id()),
    given("stage", Key(20)),
    maybe("event", Id()),
    maybe("campaign", Id()),
    given("stream", Id()),
    given("place", Key()),
    given("reason", Body()),
    maybe("raw", Blob()),
    given("at", Id()),
    given("owner", Id()),
    given("resend", Id()),
    maybe("judged", Key()),
)
# One row a folder that runs or ran a service here; `renewed` and `status_at` are the database's time.
_table(
    "lease",
    key("owner", Id()),
    given("folder", Key(40)),
    given("host", Key()),
    given("renewed", Id()),
    given("running", Flag()),
    given("status", Body()),
    UniqueConstraint("folder", name="lease_folder"),
)
# A person's pause withholds; a service's hold waits for a person. Neither is configuration.
_table(
    "hold",
    key("role", Key(20)),
    key("part", Id()),
    given("kind", Key(10)),
    given("reason", Body()),
    given("author", Key()),
    given("at", Id()),
)
# What people ask of running services; `owner` null is whoever comes first.
_table(
    "request",
    key("id", Id()),
    maybe("owner", Id()),
    given("name", Key(40)),
    given("words", Body()),
    given("author", Key()),
    given("asked", Id()),
    maybe("answered", Id()),
    maybe("answer", Body()),
)
# Runs of table campaigns; `place` is the contact ID up to which all rows are done, `said` names rejected ones.
_table(
    "run",
    key("id", Id()),
    given("campaign", Id()),
    given("version", Id()),
    given("state", Key(10)),
    given("started", Id()),
    maybe("ended", Id()),
    given("place", Id()),
    given("first", Id()),
    given("total", Id()),
    given("done", Id()),
    given("inserted", Id()),
    given("updated", Id()),
    given("rejected", Id()),
    given("said", Body()),
)

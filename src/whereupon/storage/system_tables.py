"""The tables of the system database: configuration and its versions, communications, imports and jobs."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, MetaData, Table, UniqueConstraint

from whereupon.connect.types import Body, Flag, Id, Key
from whereupon.storage.columns import given, key, maybe

SYSTEM = MetaData()


def _table(name: str, *columns: Column[Any] | UniqueConstraint) -> Table:
    return Table(name, SYSTEM, *columns)


# One row a save. `setup` is the whole set-up as JSON in its normal form, `published` maps the numbers of campaigns to
# those of their versions, `changes` are the lines that a person reads.
_table(
    "revision",
    key("number", Id()),
    given("at", Id()),
    given("author", Key()),
    given("note", Body()),
    given("setup", Body()),
    given("published", Body()),
    given("changes", Body()),
)
# Lasting numbers of parts, by role and name: a part that is deleted and made again is the same one.
_table(
    "part",
    key("id", Id()),
    given("role", Key(20)),
    given("name", Key()),
    UniqueConstraint("role", "name", name="part_once"),
)
# What was published, never changed: a campaign with the field lists of its parts, as JSON.
_table(
    "version",
    key("campaign", Id()),
    key("number", Id()),
    given("revision", Id()),
    given("at", Id()),
    given("author", Key()),
    given("body", Body()),
)
# Messages that were sent, loaded from the stash alone: the names as they were, and the journal's numbers.
_table(
    "communications",
    key("key", Key(64)),
    given("campaign", Key()),
    given("version", Id()),
    given("stream", Key()),
    given("event_id", Key()),
    given("person", Key()),
    given("channel", Key()),
    given("address", Body()),
    given("provider_id", Body()),
    given("sent_at", Id()),
    given("loaded_at", Id()),
    given("event", Id()),
    given("campaign_id", Id()),
)
# How far each stash file of each folder was loaded: bytes, whole lines, and lines that couldn't be read.
_table(
    "loaded",
    key("folder", Key(40)),
    key("name", Key()),
    given("bytes", Id()),
    given("lines", Id()),
    given("bad", Id()),
    given("at", Id()),
)
# The last import of each data table; `shape` changes when its variables do.
_table(
    "imports",
    key("part", Id()),
    given("path", Body()),
    given("checksum", Key(64)),
    given("shape", Key(64)),
    given("taken", Id()),
    given("rejected", Id()),
    given("at", Id()),
)
# The lasting contact ID of each key of a data table; rows that go and come again keep theirs.
_table(
    "contact",
    key("part", Id()),
    key("person", Key()),
    given("id", Id()),
    UniqueConstraint("part", "id", name="contact_once"),
)
# Scheduled work; times are UTC milliseconds, `late` marks a run that caught up.
_table(
    "job",
    key("name", Key()),
    given("schedule", Body()),
    maybe("next_run", Id()),
    maybe("started", Id()),
    maybe("ended", Id()),
    given("state", Key(20)),
    given("late", Flag()),
    given("note", Body()),
)

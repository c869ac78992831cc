"""Batches that are decided as told and messages that end as told: a journal without engine, parts or stores."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.world import made
from whereupon.connect.databases import Database, database
from whereupon.model.decided import (
    FAILED,
    SENDING,
    WITHHELD,
    BatchRecord,
    DeadLetter,
    Decision,
    EventRecord,
    Joined,
    Repeat,
    Trace,
)
from whereupon.model.events import Message, message_key
from whereupon.storage.deliveries import Deliveries, Ending
from whereupon.storage.journal import Ask, Journal, Read
from whereupon.storage.journal_tables import JOURNAL
from whereupon.storage.system_tables import SYSTEM
from whereupon.storage.turns import writers

NOW = 1_767_225_600_000
"""The time that a FakeClock begins at, UTC ms; a full hour."""
STREAM, CHANNEL, CAMPAIGN = 1, 2, 3
NAMES = {("stream", STREAM): "SignIn", ("channel", CHANNEL): "ESP", ("campaign", CAMPAIGN): "Welcome"}


def streams(folder: Path) -> Database:
    """A Streams database in a file."""
    return made(database("sqlite:///SD.db", folder=folder), JOURNAL)


def system(folder: Path) -> Database:
    """A system database in a file."""
    return made(database("sqlite:///System.db", folder=folder), SYSTEM)


def trace(
    campaign: int = CAMPAIGN, state: str = SENDING, reason: str = "", *, channel: int = CHANNEL
) -> Trace:
    """What a campaign makes of an event."""
    address, fields = ("", {}) if state in (WITHHELD, FAILED) else ("ada@example.org", {"subject": "Hello"})
    return Trace(campaign, 1, channel, state, reason, address=address, fields=fields)


def came(person: str, event_id: str, *traces: Trace, partition: int = 0, offset: int = 0) -> EventRecord:
    """An event as it came; its number follows when it is decided."""
    raw = f'{{"id": "{event_id}", "urn": "{person}"}}'.encode()
    return EventRecord(0, partition, offset, NOW, person, event_id, raw, {}, list(traces), [])


class Written:
    """A Streams database that one owner's service writes to."""

    def __init__(self, found: Database, *, owner: int = 1) -> None:
        shared = writers(found)
        self.journal = Journal(found, owner=owner, writers=shared)
        self.deliveries = Deliveries(found, owner=owner, writers=shared)

    def batch(
        self, *events: EventRecord, repeats: Sequence[Repeat] = (), dead: Sequence[DeadLetter] = (),
        joined: Sequence[Joined] = (), stream: int = STREAM, now: int = NOW,
    ) -> BatchRecord:  # fmt: skip
        """Decide these events as they say, whatever the journal knows."""
        names = {CAMPAIGN: "Welcome"}
        record = BatchRecord(stream, "SignIn", "topic", 1, now, list(events), list(repeats), names)

        def settle(read: Read) -> tuple[Decision, Sequence[Joined]]:
            for event in events:
                event.id = next(read.ids)
                for each in event.traces:
                    each.key = message_key(stream, event.event_id, each.campaign, event.person, each.channel)
            return Decision(record, list(dead)), joined

        identities = [(each.person, each.event_id) for each in events]
        return self.journal.decide(Ask(stream, "topic", identities), settle).record

    def end(
        self, record: BatchRecord, state: str, reason: str = "", *, now: int = NOW + 40, dead: bool = False
    ) -> None:
        """All messages of this batch that are under way end like this."""
        endings = [
            Ending(
                each, CHANNEL, state, reason, 1, record.decided, now,
                attempt=(now - 5, now, reason) if reason else None,
                dead=DeadLetter("send", "", reason, None, each.event, each.campaign) if dead else None,
            )
            for each in messages(record)
        ]  # fmt: skip
        self.deliveries.finish(endings, now=now)

    def close(self) -> None:
        """Give the connections back."""
        self.journal.close()
        self.deliveries.close()


def messages(record: BatchRecord, states: Iterable[str] = (SENDING,)) -> list[Message]:
    """The messages of a batch in these states as it was decided."""
    return [
        each.message(event, campaign_name=record.names.get(each.campaign, ""), stream=record.stream_name)
        for event in record.events
        for each in event.traces
        if each.state in states
    ]

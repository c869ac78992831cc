"""What was decided of a batch of events, as the journal keeps it for explaining, rehearsing and sending again."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from whereupon.model.events import Message

QUEUED, SENDING, WAITING = "queued", "sending", "waiting"
SENT, WITHHELD, FAILED, UNKNOWN = "sent", "withheld", "failed", "unknown"
OPEN = (QUEUED, SENDING, WAITING)
COUNTING = (*OPEN, SENT, UNKNOWN)
"""States of messages that count in a limit (line.md, *Limits, age, order*)."""


class Trace(msgspec.Struct, array_like=True, gc=False):
    """What one campaign made of one event. `counts` are the messages counted for each of its limits, before this one.

    `fields` is the message as rendered, empty where nothing was; `detail` says more about `reason`.
    """

    campaign: int
    version: int
    channel: int
    state: str
    reason: str = ""
    detail: str = ""
    key: str = ""
    address: str = ""
    fields: dict[str, str] = {}
    counts: list[int] = []
    expires: int = 0

    def message(self, event: EventRecord, *, campaign_name: str, stream: str) -> Message:
        """The message as it was decided; a channel sends the same at every try."""
        return Message(
            self.key,
            event.id,
            self.campaign,
            campaign_name,
            event.person,
            self.fields,
            self.address,
            self.version,
            stream,
            event.event_id,
            self.expires,
        )


class EventRecord(msgspec.Struct, array_like=True, gc=False):
    """One event of a batch: as it came, what the stores knew of the person, and what each matching campaign made of it.

    `unmet` are the campaigns that were asked and whose audience it didn't meet.
    """

    id: int
    partition: int
    offset: int
    at: int
    person: str
    event_id: str
    raw: bytes
    stores: dict[str, dict[str, str] | None]
    traces: list[Trace]
    unmet: list[int]

    def trace(self, campaign: int) -> Trace | None:
        """What this campaign made of it."""
        return next((each for each in self.traces if each.campaign == campaign), None)


class Repeat(msgspec.Struct, array_like=True, gc=False):
    """An event that had been decided before."""

    partition: int
    offset: int
    at: int
    person: str
    event_id: str


class BatchRecord(msgspec.Struct, array_like=True):
    """A batch as decided at `decided` (UTC ms), by the set-up of `revision`; `names` maps campaigns to their names,
    `steps` the steps before the decision to the milliseconds that they took for the whole batch."""

    stream: int
    stream_name: str
    topic: str
    revision: int
    decided: int
    events: list[EventRecord]
    repeats: list[Repeat]
    names: dict[int, str]
    steps: dict[str, float] = {}

    def event(self, number: int) -> EventRecord | None:
        """The event of this number; those of a batch follow each other without a gap."""
        place = number - self.events[0].id if self.events else -1
        return self.events[place] if 0 <= place < len(self.events) else None


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """What a person has to judge: an event that can't be used, or a message that failed or perhaps arrived.

    `stage` is decode, decide or send; `place` says where it stands (topic, partition, offset).
    """

    stage: str
    place: str
    reason: str
    raw: bytes | None = None
    event: int | None = None
    campaign: int | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """The end of deciding a batch: its record, its dead letters and the messages that leave, by channel."""

    record: BatchRecord
    dead: list[DeadLetter] = field(default_factory=list)
    messages: dict[int, list[Message]] = field(default_factory=dict)

    @property
    def first(self) -> int:
        """The number of the batch: its first event's, 0 if it has no event."""
        return self.record.events[0].id if self.record.events else 0


class Joined(NamedTuple):
    """A message that waits behind an earlier one of the same person: due at `next_at` (UTC ms)."""

    event: int
    campaign: int
    channel: int
    person: str
    next_at: int

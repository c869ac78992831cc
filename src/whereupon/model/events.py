"""What travels along the line: events as they come, messages as they leave, receipts as they return."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

import msgspec

_encode = msgspec.json.Encoder().encode


class RawEvent(msgspec.Struct, frozen=True, gc=False):
    """One event as the stream gave it. `at` is the broker's time, UTC milliseconds (0 = unknown)."""

    partition: int
    offset: int
    value: bytes | None
    at: int = 0
    key: bytes | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """Events in the order they were read, of one topic; `topic` is the topic's id, which a topic made anew changes."""

    topic: str
    events: Sequence[RawEvent]


class Message(msgspec.Struct, frozen=True, gc=False):
    """One message to one person, as the journal holds it and as a channel sends it, at every try the same.

    `event` and `campaign` are the journal's numbers; `key` is the idempotency key; `address` is where it goes;
    after `expires` (UTC milliseconds) it is no longer tried.
    """

    key: str
    event: int
    campaign: int
    campaign_name: str
    person: str
    fields: dict[str, str]
    address: str = ""
    version: int = 0
    stream: str = ""
    event_id: str = ""
    expires: int = 0

    @property
    def size(self) -> int:
        """Roughly its weight in bytes."""
        return sum(map(len, self.fields.values())) + 200


class Result(Enum):
    """What a channel says of one try; what follows stands in line.md under *Errors*."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNAVAILABLE = "unavailable"
    AWAY = "away"
    ANSWER_LOST = "answer lost"
    SETUP = "setup"
    NOT_OFFERED = "not offered"


class Receipt(msgspec.Struct, frozen=True, gc=False):
    """The end of one try of one message. Times are UTC milliseconds; `answer` holds no secret, ≤ 500 characters.

    `denied` marks an AWAY that a 401 or 403 caused. `retry_after` is in seconds.
    """

    message: Message
    result: Result
    answer: str = ""
    retry_after: float | None = None
    provider_id: str = ""
    started: int = 0
    ended: int = 0
    denied: bool = False
    throttled: bool = False


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a store: its key and its fields, all text."""

    key: str
    fields: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Filled:
    """What a fill did; `rejected` pairs a record's key with the reason."""

    inserted: int = 0
    updated: int = 0
    rejected: Sequence[tuple[str, str]] = field(default_factory=tuple)


def message_key(stream: int, event_id: str, campaign: int, person: str, channel: int) -> str:
    """SHA-256 of the JSON array [stream, event id, campaign, person, channel] of internal ids (line.md, Identity)."""
    return hashlib.sha256(_encode((stream, event_id, campaign, person, channel))).hexdigest()

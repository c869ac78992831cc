"""The roles a component can play, what it is given, and what is asked of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar, Generic, Literal, TypeVar

from whereupon.host.clock import Clock
from whereupon.kit.config import Config
from whereupon.model.content import ChannelTraits
from whereupon.model.events import Batch, Filled, Message, RawEvent, Receipt, Record
from whereupon.model.setup import FieldDefinition


class Nothing(Config):
    """No settings."""


C = TypeVar("C", bound=Config)
P = TypeVar("P", bound=Config)
Role = Literal["stream", "store", "channel"]
Positions = Mapping[int, int]
"""Partition → offset of the next event to read."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of a *Test*: what was tried, whether it held, what was found.

    `advice` marks a weak choice that works.
    """

    name: str
    ok: bool
    message: str
    hint: str = ""
    advice: bool = False


@dataclass(frozen=True, slots=True)
class Context:
    """What a part is opened with.

    `name` is the part's own; `folder` the system's; `databases` maps system, pull_marketing and streams to
    `connect.databases.Database`; `parts` holds, by name, the opened parts that settings marked `Part(role)` name;
    `fields` are the definitions of the stream or store; `start` is where a new stream begins.
    """

    name: str
    system: str
    folder: Path
    folder_id: str
    clock: Clock
    databases: Mapping[str, Any] = field(default_factory=dict)
    parts: Mapping[str, Any] = field(default_factory=dict)
    fields: tuple[FieldDefinition, ...] = ()
    start: Literal["earliest", "latest"] = "earliest"

    @property
    def reference(self) -> str:
        """The name of the Reference field, or nothing."""
        return next((each.name for each in self.fields if each.type == "Reference"), "")


class Component(ABC, Generic[P, C]):
    """A part made from its provider's settings and its own. Opening must not block for longer than a few seconds.

    Raises SetupError if a person has to change something first, Away if the other side can't be reached.
    """

    def __init__(self, provider: P, config: C, context: Context) -> None:
        self.provider = provider
        self.config = config
        self.context = context

    @abstractmethod
    def check(self) -> Iterator[Stage]:
        """The Test button, stage by stage, for real; ends at the first stage that fails. Changes nothing outside."""

    def warnings(self) -> Sequence[str]:
        """What works but is weak (plain HTTP, no encryption), in sentences."""
        return ()

    def close(self) -> None:
        """Give everything back; a second call does nothing."""


def choice(stream: str) -> str:
    """What to do where a stream can't know where to go on, which is for a person to say."""
    return f'Decide where to go on: whereupon go-on "{stream}" --from earliest (or latest).'


class Stream(Component[P, C]):
    """Where events come from. All methods but `read` and `check` are called by one thread, the polling one."""

    @abstractmethod
    def open(self, stored: Callable[[str, Sequence[int]], Positions]) -> None:
        """Join. Whenever partitions are assigned, ask `stored(topic id, partitions)` for the offsets to read from;
        one that it doesn't know begins at `context.start` if no partition of the topic is known, else at its
        earliest event. Raises SetupError (no such topic, topic made anew) or Away."""

    @abstractmethod
    def batch(self, *, most: int, size: int, wait: float) -> Batch:
        """Up to `most` events and about `size` bytes: waits up to `wait` s for the first, then takes what is already
        there. Raises Away while the other side is gone, SetupError where a person must decide."""

    @abstractmethod
    def assigned(self) -> Positions:
        """The partitions that are ours now, each with the offset it began at when it was assigned."""

    @abstractmethod
    def commit(self, positions: Positions) -> None:
        """Tell the other side how far we are, for its own tools; what we rely on is the journal's position."""

    def rest(self) -> None:
        """Called instead of `batch` while nothing more can be taken: stay a member, read nothing."""

    @abstractmethod
    def seek(self, positions: Positions) -> None:
        """Go on reading these partitions from these offsets."""

    @abstractmethod
    def lag(self) -> Mapping[int, int]:
        """Events not read yet, for each partition that is ours, as last known; no I/O."""

    @abstractmethod
    def read(self, *, last: int) -> Iterator[RawEvent]:
        """The last events, oldest first, without joining a group; for samples and rehearsals."""


class Feedable(ABC):
    """A stream that takes events too, for `events send`."""

    @abstractmethod
    def send(self, events: Sequence[tuple[bytes | None, bytes]]) -> int:
        """Append events, each a key (None = none) and a value; durable when it returns. Returns how many."""


class Store(Component[P, C]):
    """Records by key. Raises Unavailable, Away, Refused (one of the keys is to blame) or SetupError."""

    @abstractmethod
    def find(self, keys: Sequence[str]) -> Mapping[str, dict[str, str]]:
        """The records of these keys that exist: one request a batch, within 2 s."""

    @abstractmethod
    def fill(self, records: Sequence[Record]) -> Filled:
        """Insert or merge records by key; a field that a record doesn't name stays."""


class Channel(Component[P, C]):
    """A way out. One thread calls `offer` and `collect`; each message that `offer` took gets exactly one receipt.

    What becomes of a message is told by its receipt's Result, not raised (model/events.py). A channel that can only
    send one message at a time derives from `kit.one_by_one.OneByOne` and writes `send`; there it raises instead.
    """

    deduplicates: bool = False
    """The receiver knows a key again within `key_window`."""
    key_window: timedelta = timedelta(hours=24)
    traits: ClassVar[ChannelTraits] = ChannelTraits()
    """What the campaign's problems and content have to know of this kind of channel: the fields that it can't send
    without, those that are markup, the store that it fills (model/content.py)."""

    @property
    def largest(self) -> int:
        """The largest message it takes, in bytes; a larger one is withheld (line.md, *States*). With settings derived
        from SendingConfig: `self.config.largest`."""
        return 1_000_000

    @property
    def connections(self) -> int:
        """How many messages can be under way at once."""
        return 1

    def address(self, fields: Mapping[str, str]) -> str:
        """Where a message with these fields goes, for the communications table."""
        return fields.get("email", "")

    @abstractmethod
    def offer(self, messages: Sequence[Message]) -> int:
        """Take as many from the front as there is room for, without waiting; returns how many.

        A channel that raises has taken none of the messages: the lane offers them again, the first alone, and only if
        it raises then is that message judged by the error. So raise before anything has left, or not at all.
        """

    @abstractmethod
    def collect(self, wait: float) -> Sequence[Receipt]:
        """Receipts as they come, in any order; waits up to `wait` s for the first while messages are under way.

        `started` and `ended` are filled in. A channel that raises has lost all answers that are missing still.
        """

    def withdraw(self) -> Sequence[Receipt]:
        """At a stop: give up what surely hasn't left yet, as NOT_OFFERED receipts. The rest is still collected."""
        return ()


class Filler(ABC):
    """A channel through which a table campaign fills a store in bulk, passing by the journal."""

    @abstractmethod
    def fill(self, records: Sequence[Record]) -> Filled:
        """Insert or merge these records."""

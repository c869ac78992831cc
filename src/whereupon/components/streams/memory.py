"""A stream in memory, for tests and for trying things out."""

from __future__ import annotations

import heapq
import itertools
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from uuid import uuid4
from weakref import WeakValueDictionary

from pydantic import Field

from whereupon.kit.config import Config
from whereupon.kit.registry import stream
from whereupon.kit.roles import Context, Feedable, Nothing, Positions, Stage, Stream
from whereupon.model.errors import SetupError
from whereupon.model.events import Batch, RawEvent


class MemoryConfig(Config):
    """Events that last as long as the process."""

    name: str = Field(
        "",
        title="Shared name",
        description="Streams of this process with the same name have the same events; empty: its own.",
    )
    partitions: int = Field(1, ge=1, le=64, title="Partitions", description="How many there are.")


class Topic:
    """The events of one topic; any thread may put some in."""

    def __init__(self, partitions: int) -> None:
        self.id = str(uuid4())
        self.events: list[list[RawEvent]] = [[] for _ in range(partitions)]
        self.news = threading.Condition()

    def put(self, value: bytes | None, *, partition: int, key: bytes | None, at: int) -> RawEvent:
        """Append one event."""
        with self.news:
            events = self.events[partition]
            events.append(RawEvent(partition, len(events), value, at, key))
            self.news.notify_all()
            return events[-1]


_shared: WeakValueDictionary[str, Topic] = WeakValueDictionary()
_sharing = threading.Lock()


def _topic(name: str, partitions: int) -> Topic:
    if not name:
        return Topic(partitions)
    with _sharing:
        topic = _shared.get(name)
        if topic is None:
            topic = _shared[name] = Topic(partitions)
        topic.events += [[] for _ in range(partitions - len(topic.events))]
        return topic


@stream("memory", title="Memory", config=MemoryConfig)
class Memory(Stream[Nothing, MemoryConfig], Feedable):
    """Gives what was put into it; `fail` makes the next batch raise."""

    def __init__(self, provider: Nothing, config: MemoryConfig, context: Context) -> None:
        super().__init__(provider, config, context)
        self.topic = _topic(config.name, config.partitions)
        self.committed: dict[int, int] = {}
        self._begun: dict[int, int] = {}
        self._next: dict[int, int] = {}
        self._failures: list[Exception] = []

    def put(
        self, value: bytes | None, *, partition: int = 0, key: bytes | None = None, at: int = 0
    ) -> RawEvent:
        """Append one event; `at` is the broker's time in UTC milliseconds."""
        return self.topic.put(value, partition=partition, key=key, at=at)

    def send(self, events: Sequence[tuple[bytes | None, bytes]]) -> int:
        """Append events, in turn over the partitions."""
        turn = itertools.cycle(range(len(self.topic.events)))
        for key, value in events:
            self.put(value, partition=next(turn), key=key, at=self.context.clock.now())
        return len(events)

    def fail(self, error: Exception) -> None:
        """Let the next batch raise this."""
        with self.topic.news:
            self._failures.append(error)
            self.topic.news.notify_all()

    def make_anew(self) -> None:
        """Let the topic lose its events and get another id, as one that was deleted and made again."""
        with self.topic.news:
            self.topic.id = str(uuid4())
            self.topic.events = [[] for _ in self.topic.events]

    def open(self, stored: Callable[[str, Sequence[int]], Positions]) -> None:
        """Take all partitions."""
        numbers = range(len(self.topic.events))
        known = dict(stored(self.topic.id, numbers))
        latest = self.context.start == "latest" and not known
        for number in numbers:
            known.setdefault(number, len(self.topic.events[number]) if latest else 0)
        self._begun, self._next, self._id = known, dict(known), self.topic.id

    def batch(self, *, most: int, size: int, wait: float) -> Batch:
        """What is there, in turn over the partitions."""
        with self.topic.news:
            self.topic.news.wait_for(lambda: self._failures or self._ready(), wait)
            if self._failures:
                raise self._failures.pop(0)
            if self.topic.id != self._id:
                raise SetupError("The topic was made anew.", hint="Decide where to begin in the new one.")
            events = list(itertools.islice(self._waiting(size), most))
        for each in events:
            self._next[each.partition] = each.offset + 1
        return Batch(self._id, events)

    def _ready(self) -> bool:
        return self.topic.id != self._id or any(self.lag().values())

    def _waiting(self, size: int) -> Iterator[RawEvent]:
        rows = [self.topic.events[number][at:] for number, at in self._next.items()]
        weight = 0
        for each in filter(None, itertools.chain.from_iterable(itertools.zip_longest(*rows))):
            weight += len(each.value or b"") + len(each.key or b"")
            if weight > size and weight > len(each.value or b"") + len(each.key or b""):
                return
            yield each

    def assigned(self) -> Positions:
        """All partitions."""
        return dict(self._begun)

    def commit(self, positions: Positions) -> None:
        """Keep them in `committed`."""
        self.committed |= positions

    def seek(self, positions: Positions) -> None:
        """Go on from there."""
        self._next |= {number: at for number, at in positions.items() if number in self._next}

    def lag(self) -> Mapping[int, int]:
        """Events not read yet."""
        return {number: max(0, len(self.topic.events[number]) - at) for number, at in self._next.items()}

    def read(self, *, last: int) -> Iterator[RawEvent]:
        """The last events by their time."""
        with self.topic.news:
            events = [each for partition in self.topic.events for each in partition]
        newest = heapq.nlargest(last, events, key=lambda each: (each.at, each.offset, each.partition))
        return iter(sorted(newest, key=lambda each: (each.at, each.offset, each.partition)))

    def check(self) -> Iterator[Stage]:
        """It is always there."""
        held = sum(map(len, self.topic.events))
        yield Stage("Events", True, f"{held} events in {len(self.topic.events)} partitions.")

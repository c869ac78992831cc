"""The stream in memory."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from whereupon.components.streams.memory import Memory, MemoryConfig
from whereupon.host.clock import Clock
from whereupon.kit.roles import Context, Nothing
from whereupon.model.errors import Away, SetupError


def memory(name: str = "", *, partitions: int = 1, start: str = "earliest") -> Memory:
    """A stream that isn't open yet."""
    context = Context("SignIn", "TealHols", Path(), "f", Clock(), start=start)  # type: ignore[arg-type]
    return Memory(Nothing(), MemoryConfig(name=name, partitions=partitions), context)


def nothing(_topic: str, _partitions: Sequence[int]) -> Mapping[int, int]:
    """A journal that knows nothing."""
    return {}


def batch(stream: Memory, *, most: int = 100, size: int = 10**6, wait: float = 0) -> list[bytes | None]:
    """The values of the next batch."""
    return [each.value for each in stream.batch(most=most, size=size, wait=wait).events]


def test_what_was_put_comes_in_order_and_once() -> None:
    stream = memory(partitions=2)
    stream.open(nothing)
    stream.put(b"a", key=b"k", at=5)
    stream.put(b"b", partition=1)
    stream.put(b"c")
    assert stream.lag() == {0: 2, 1: 1}
    assert batch(stream) == [b"a", b"b", b"c"]
    assert batch(stream) == []
    assert stream.assigned() == {0: 0, 1: 0}


def test_a_batch_keeps_to_number_and_size() -> None:
    stream = memory()
    stream.open(nothing)
    stream.send([(None, b"x" * 10)] * 5)
    assert len(batch(stream, most=1)) == 1
    assert len(batch(stream, size=25)) == 2
    assert len(batch(stream, size=1)) == 1
    assert len(batch(stream)) == 1


def test_streams_of_one_name_have_the_same_events() -> None:
    writer, reader = memory("both"), memory("both", partitions=3)
    reader.open(nothing)
    writer.put(b"a", partition=2)
    assert batch(reader) == [b"a"]
    assert batch_of(memory("other")) == []


def batch_of(stream: Memory) -> list[bytes | None]:
    """Open and read."""
    stream.open(nothing)
    return batch(stream)


def test_it_begins_where_the_journal_says_or_at_the_start_that_was_chosen() -> None:
    stream = memory(start="latest")
    for value in (b"a", b"b", b"c"):
        stream.put(value)
    stream.open(lambda topic, partitions: {0: 1})
    assert batch(stream) == [b"b", b"c"]
    stream.open(nothing)
    assert batch(stream) == []
    stream.seek({0: 2})
    assert batch(stream) == [b"c"]


def test_a_waiting_reader_is_woken_by_an_event() -> None:
    stream = memory()
    stream.open(nothing)
    putter = threading.Timer(0.01, stream.put, [b"a"])
    putter.start()
    assert batch(stream, wait=10) == [b"a"]
    putter.join()


def test_a_failure_that_was_asked_for_is_raised_once() -> None:
    stream = memory()
    stream.open(nothing)
    stream.put(b"a")
    stream.fail(Away("gone"))
    with pytest.raises(Away, match="gone"):
        batch(stream)
    assert batch(stream) == [b"a"]


def test_a_topic_made_anew_stops_it() -> None:
    stream = memory()
    stream.open(nothing)
    stream.make_anew()
    with pytest.raises(SetupError, match="made anew"):
        batch(stream)


def test_the_last_events_and_the_commits_can_be_looked_at() -> None:
    stream = memory(partitions=2)
    stream.open(nothing)
    for number in range(6):
        stream.put(b"%d" % number, partition=number % 2, at=number)
    assert [each.value for each in stream.read(last=3)] == [b"3", b"4", b"5"]
    stream.commit({0: 2})
    assert stream.committed == {0: 2}
    assert [each.message for each in stream.check()] == ["6 events in 2 partitions."]

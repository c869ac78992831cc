"""The durable stream in a file."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from whereupon.components.streams.local import Local, LocalConfig, LocalProvider, append, place
from whereupon.host.clock import Clock, FakeClock
from whereupon.kit.roles import Context
from whereupon.model.errors import Away, SetupError

DAY = 86_400_000


class Streams:
    """Makes streams in one folder and closes them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.made: list[Local] = []

    def __call__(self, *, start: Any = "earliest", clock: Clock | None = None, **settings: Any) -> Local:
        context = Context("SignIn", "TealHols", self.folder, "f", clock or Clock(), start=start)
        config = LocalConfig.model_validate({"Topic": "sign-ins", **settings})
        self.made.append(Local(LocalProvider(), config, context))
        return self.made[-1]


@pytest.fixture
def local(tmp_path: Path) -> Iterator[Streams]:
    streams = Streams(tmp_path)
    yield streams
    for each in streams.made:
        each.close()


def nothing(_topic: str, _partitions: Sequence[int]) -> Mapping[int, int]:
    """A journal that knows nothing."""
    return {}


def batch(stream: Local, *, most: int = 1000, size: int = 10**6, wait: float = 0) -> list[bytes | None]:
    """The values of the next batch."""
    return [each.value for each in stream.batch(most=most, size=size, wait=wait).events]


def test_what_was_appended_comes_in_order_and_once(local: Streams) -> None:
    stream = local()
    assert append(local.folder, "sign-ins", [b"a", b"b"]) == 2
    stream.open(nothing)
    assert stream.assigned() == {0: 0}
    assert batch(stream) == [b"a", b"b"]
    assert batch(stream) == []
    assert append(local.folder, "sign-ins", [b"c"]) == 1
    assert batch(stream) == [b"c"]


@pytest.mark.req("RTT-10")
def test_an_event_of_another_process_is_seen_at_once(local: Streams) -> None:
    stream = local()
    stream.open(nothing)
    assert batch(stream, wait=0.05) == []
    code = (
        "import sys, time; from pathlib import Path; from whereupon.components.streams.local import append\n"
        "append(Path(sys.argv[1]), 'sign-ins', [b'hello']); print(time.time())"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(local.folder)], stdout=subprocess.PIPE, text=True, encoding="utf-8"
    )
    assert batch(stream, wait=20) == [b"hello"]
    seen = time.time()
    written, _ = child.communicate(timeout=20)
    assert seen - float(written) < 0.25


def test_many_may_append_at_once_to_a_file_that_is_not_there_yet(local: Streams) -> None:
    begin = threading.Barrier(4)

    def write(number: int) -> int:
        begin.wait()
        return append(local.folder, "sign-ins", [b"%d" % (number * 1000 + each) for each in range(1500)])

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(write, range(4))) == [1500] * 4
    stream = local()
    stream.open(nothing)
    events = [each for _ in range(6) for each in stream.batch(most=1000, size=10**6, wait=0).events]
    assert [each.offset for each in events] == list(range(6000))


def test_a_waiting_stream_hardly_uses_the_processor(local: Streams) -> None:
    stream = local()
    stream.open(nothing)
    before = time.thread_time()
    assert batch(stream, wait=1) == []
    assert time.thread_time() - before < 0.1


def test_a_batch_keeps_to_number_and_size(local: Streams) -> None:
    stream = local()
    append(local.folder, "sign-ins", [b"x" * 100] * 10)
    stream.open(nothing)
    assert len(batch(stream, most=3)) == 3
    assert len(batch(stream, size=200)) == 2
    assert len(batch(stream, size=1)) == 1
    assert stream.lag() == {0: 4}
    assert len(batch(stream)) == 4


def test_events_of_one_key_stay_in_one_partition(local: Streams) -> None:
    stream = local(partitions=4)
    stream.send([(b"k%d" % (number % 7), b"%d" % number) for number in range(100)])
    stream.send([(None, b"n%d" % number) for number in range(8)])
    stream.open(nothing)
    events = [each for _ in range(4) for each in stream.batch(most=50, size=10**6, wait=0).events]
    assert len(events) == 108
    for key in {each.key for each in events} - {None}:
        mine = [each for each in events if each.key == key]
        assert len({each.partition for each in mine}) == 1
        assert [each.value for each in mine] == sorted(
            (each.value for each in mine), key=lambda v: int(v or b"0")
        )
    assert {each.partition for each in events if each.key is None} == {0, 1, 2, 3}


def test_it_begins_where_the_journal_says_or_at_the_start_that_was_chosen(local: Streams) -> None:
    append(local.folder, "sign-ins", [b"a", b"b", b"c"])
    stream = local(start="latest")
    stream.open(lambda topic, partitions: {0: 1})
    assert batch(stream) == [b"b", b"c"]
    stream.open(nothing)
    assert stream.assigned() == {0: 3}
    assert batch(stream) == []
    stream.seek({0: 2, 7: 1})
    assert batch(stream) == [b"c"]


def test_the_topic_keeps_its_id_and_grows(local: Streams) -> None:
    asked: list[tuple[str, tuple[int, ...]]] = []

    def stored(topic: str, partitions: Sequence[int]) -> Mapping[int, int]:
        asked.append((topic, tuple(partitions)))
        return {}

    for partitions in (1, 3, 2):
        local(partitions=partitions).open(stored)
    assert [numbers for _, numbers in asked] == [(0,), (0, 1, 2), (0, 1, 2)]
    assert len({topic for topic, _ in asked}) == 1


def test_a_position_beyond_what_is_there_stops_it(local: Streams) -> None:
    append(local.folder, "sign-ins", [b"a"])
    with pytest.raises(
        SetupError, match=r"no longer has event 5, where this stream goes on.* It now holds 0 to 1"
    ):
        local().open(lambda topic, partitions: {0: 5})


@pytest.mark.skipif(sys.platform == "win32", reason="Windows lets nobody delete an open file")
def test_a_file_that_was_replaced_stops_it(local: Streams) -> None:
    stream = local()
    stream.open(nothing)
    place(local.folder, "sign-ins").unlink()
    with pytest.raises(SetupError, match="was deleted or replaced"):
        batch(stream)


def test_old_events_go_once_they_were_passed_and_never_before(local: Streams) -> None:
    clock = FakeClock()
    stream = local(clock=clock, keep_days=2)
    stream.send([(None, b"%d" % number) for number in range(10)])
    stream.open(nothing)
    clock.set(clock.now() + 3 * DAY)
    stream.send([(None, b"late")])
    assert len(batch(stream)) == 11
    stream.commit({0: 6})
    stream.close()
    stream.send([(None, b"later")])
    assert [each.value for each in stream.read(last=100)] == [b"6", b"7", b"8", b"9", b"late", b"later"]
    stream.open(lambda topic, partitions: {0: 6})
    assert len(batch(stream)) == 6
    with pytest.raises(SetupError, match="no longer has event 2"):
        stream.open(lambda topic, partitions: {0: 2})


def test_the_last_events_are_read_without_opening(local: Streams) -> None:
    stream = local(partitions=2)
    assert list(stream.read(last=3)) == []
    stream.send([(None, b"%d" % number) for number in range(9)])
    assert [each.value for each in stream.read(last=3)] == [b"6", b"7", b"8"]


def test_a_file_of_something_else_is_said_to_be_that(local: Streams) -> None:
    path = place(local.folder, "sign-ins")
    path.parent.mkdir()
    path.write_bytes(b"This is no database at all. " * 100)
    with pytest.raises(SetupError, match="is not a stream's file, or is damaged"):
        local().open(nothing)
    *_, last = local().check()
    assert (last.name, last.ok) == ("File", False)


def test_a_file_that_another_holds_is_away_for_now(local: Streams, tmp_path: Path) -> None:
    path = place(tmp_path, "sign-ins")
    path.parent.write_bytes(b"a file where the folder should be")
    with pytest.raises(Away, match="can't be opened"):
        local().open(nothing)


def test_a_stream_that_is_not_open_is_away(local: Streams) -> None:
    with pytest.raises(Away, match="not open"):
        batch(local())


def test_closing_wakes_a_waiting_reader(local: Streams) -> None:
    stream = local()
    stream.open(nothing)
    closing = threading.Timer(0.05, stream._closed.set)
    closing.start()
    started = time.monotonic()
    assert batch(stream, wait=60) == []
    assert time.monotonic() - started < 20
    closing.join()


def test_a_topic_must_be_a_file_name() -> None:
    for name in ("", "../x", ".hidden", "a/b", "a" * 201):
        with pytest.raises(ValueError, match="topic"):
            LocalConfig.model_validate({"Topic": name})


def test_the_test_button_looks_at_folder_file_and_events(local: Streams) -> None:
    stream = local()
    assert [each.name for each in stream.check()] == ["Folder", "File"]
    assert not place(local.folder, "sign-ins").exists()
    stream.send([(None, b"a")])
    assert [each.message for each in stream.check()][-1] == "1 events are held."

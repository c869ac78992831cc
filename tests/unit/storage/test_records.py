"""Batch records: what is packed is unpacked as it was."""

from __future__ import annotations

import threading

from whereupon.model.decided import BatchRecord, EventRecord, Repeat, Trace
from whereupon.storage.records import packed, unpacked

RECORD = BatchRecord(
    1, "SignIn", "topic", 4, 1_767_225_600_000,
    [EventRecord(100, 2, 17, 5, "ada", "e1", b'{"a": "\xc3\xa4"}', {"Teal": None, "Green": {"a": "ä"}},
                 [Trace(3, 2, 7, "sending", "", "", "key", "ada@example.org", {"subject": "Hi ✓"}, [0, 2], 99)], [5])],
    [Repeat(0, 3, 5, "bob", "e0")], {3: "Hello"},
)  # fmt: skip


def test_a_record_comes_back_as_it_was() -> None:
    assert unpacked(packed(RECORD)) == RECORD


def test_a_record_of_like_events_takes_a_fraction_of_its_size() -> None:
    many = BatchRecord(1, "SignIn", "topic", 4, 5, RECORD.events * 500, [], {})
    assert len(packed(many)) < 500 * 60


def test_any_thread_may_pack() -> None:
    done: list[bytes] = []
    thread = threading.Thread(target=lambda: done.append(packed(RECORD)))
    thread.start()
    thread.join()
    assert unpacked(done[0]) == RECORD


def test_what_a_driver_gives_as_another_kind_of_bytes_is_read_too() -> None:
    assert unpacked(memoryview(packed(RECORD))) == RECORD  # type: ignore[arg-type]

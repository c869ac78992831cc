"""Who runs, what is paused or held, and what people ask of a running service."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journals import journal_file
from whereupon.storage import operations as module
from whereupon.storage.operations import Hold, Operations


@pytest.fixture
def operations(tmp_path: Path) -> Iterator[Operations]:
    """The small tables of a journal in a file."""
    streams = journal_file(tmp_path)
    one = Operations(streams)
    yield one
    one.close()
    streams.close()


def test_a_folders_service_has_one_number_for_ever(operations: Operations) -> None:
    assert [operations.enrol(folder, "here") for folder in ("a", "b", "a")] == [1, 2, 1]


def test_folders_that_enrol_at_once_get_numbers_of_their_own(tmp_path: Path) -> None:
    streams = journal_file(tmp_path)
    numbers: list[int] = []

    def enrol(folder: str) -> None:
        one = Operations(streams)
        numbers.append(one.enrol(folder, "here"))
        one.close()

    threads = [threading.Thread(target=enrol, args=(f"folder {number}",)) for number in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(numbers) == list(range(1, 9))
    streams.close()


def test_a_service_that_runs_says_how_it_goes(operations: Operations) -> None:
    owner = operations.enrol("a", "here")
    assert [(each.running, each.renewed) for each in operations.leases()] == [(False, 0)]
    now = operations.renew(owner, status={"sent": 3})
    (lease,) = operations.leases()
    assert (lease.owner, lease.folder, lease.host, lease.running, lease.status) == (
        1,
        "a",
        "here",
        True,
        {"sent": 3},
    )
    assert lease.renewed == now
    operations.renew(owner, status={}, running=False)
    assert not operations.leases()[0].running


def test_on_one_file_no_service_is_ever_lost(operations: Operations) -> None:
    operations.renew(operations.enrol("a", "here"), status={})
    assert (operations.leased, operations.lost(99)) == (False, [])


def test_a_lease_that_was_not_renewed_for_a_minute_is_lost(
    operations: Operations, monkeypatch: pytest.MonkeyPatch
) -> None:
    operations.leased = True
    first, second, third = (operations.enrol(folder, "here") for folder in "abc")
    operations.renew(first, status={})
    operations.renew(second, status={})
    operations.renew(third, status={}, running=False)
    assert operations.lost(first) == []
    monkeypatch.setattr(module, "LOST", -1)
    assert operations.lost(first) == [second]


def test_a_part_is_paused_and_goes_on(operations: Operations) -> None:
    paused = Hold("campaign", 3, "paused", "Christmas", "ann", 5)
    operations.hold(paused)
    operations.hold(Hold("stream", 1, "held", "made anew", "service", 6))
    operations.hold(Hold("campaign", 3, "held", "no sender", "service", 7))
    assert sorted(operations.holds()) == [
        Hold("campaign", 3, "held", "no sender", "service", 7), Hold("stream", 1, "held", "made anew", "service", 6),
    ]  # fmt: skip
    operations.release("campaign", 3)
    operations.release("campaign", 99)
    assert [each.part for each in operations.holds()] == [1]


def test_what_is_asked_of_a_service_is_answered_once(operations: Operations) -> None:
    mine = operations.ask("pause", {"campaign": 3}, author="ann", owner=1, at=5)
    anyones = operations.ask("load", {}, author="bob", owner=None, at=6)
    other = operations.ask("load", {}, author="bob", owner=2, at=7)
    assert [(each.id, each.name, each.words, each.author) for each in operations.requests(1)] == [
        (mine, "pause", {"campaign": 3}, "ann"), (anyones, "load", {}, "bob"),
    ]  # fmt: skip
    assert [each.id for each in operations.requests(2)] == [anyones, other]
    assert operations.answered(mine) is None
    assert operations.answer(anyones, "loaded", at=8)
    assert not operations.answer(anyones, "loaded too", at=9)
    assert operations.answered(anyones) == "loaded"
    assert operations.answered(999) is None
    assert [each.id for each in operations.requests(1)] == [mine]

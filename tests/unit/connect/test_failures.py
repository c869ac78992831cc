"""What can go wrong with a database, seen by whoever only knows the errors of every other side."""

from __future__ import annotations

from whereupon.connect.failures import CommitUnknown, DiskFull
from whereupon.model.errors import Away, Unavailable


def test_a_full_disk_passes_and_nobody_is_gone() -> None:
    assert isinstance(DiskFull("x"), Unavailable)
    assert not isinstance(DiskFull("x"), Away)


def test_after_an_unknown_commit_the_connection_is_gone() -> None:
    assert isinstance(CommitUnknown("x"), Away)

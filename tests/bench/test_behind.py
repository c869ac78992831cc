"""The journal that is made to stand behind a bench."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.bench import behind
from tests.bench.behind import Past
from whereupon.storage.records import unpacked

PAST = Past(2_000, stream=1, campaign=2, channel=3, crowd=100)


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[sqlite3.Connection]:
    """A small one, put in place of an empty file."""
    monkeypatch.setattr(behind, "CACHE", tmp_path / "cache")
    path = tmp_path / "journal.db"
    path.touch()
    behind.put(path, PAST)
    with closing(sqlite3.connect(path)) as connection:
        yield connection


def test_every_event_was_sent_and_counted(journal: sqlite3.Connection) -> None:
    assert journal.execute("SELECT COUNT(*) FROM event").fetchone() == (2_100,)
    assert journal.execute("SELECT state, COUNT(*) FROM outcome GROUP BY state").fetchall() == [
        ("sent", 2_100)
    ]
    assert journal.execute("SELECT SUM(n) FROM tally").fetchone() == (2_100,)


def test_the_next_event_has_the_next_number_and_nothing_before_is_open(journal: sqlite3.Connection) -> None:
    assert journal.execute("SELECT next FROM numbering WHERE name = 'event'").fetchone() == (2_101,)
    assert journal.execute("SELECT open_from FROM lane").fetchone() == (2_101,)


def test_the_crowd_is_one_person(journal: sqlite3.Connection) -> None:
    found = journal.execute("SELECT COUNT(*) FROM event WHERE person = ?", (behind.CROWDED,)).fetchone()
    assert found[0] in (100, 101)


def test_an_hour_begins_with_its_first_event(journal: sqlite3.Connection) -> None:
    for hour, first in journal.execute("SELECT hour, first FROM hour").fetchall():
        query = "SELECT MIN(id) FROM event WHERE seen >= ?"
        assert journal.execute(query, (hour * behind.HOUR,)).fetchone()[0] in (first, None)


def test_batches_hold_what_the_line_writes(journal: sqlite3.Connection) -> None:
    rows = journal.execute("SELECT id, last, body FROM batch ORDER BY id").fetchall()
    assert [row[:2] for row in rows] == [(1, 500), (501, 1000), (1001, 1500), (1501, 2000), (2001, 2100)]
    assert unpacked(rows[0][2]).events[0].traces[0].fields["subject"] == "Welcome back, Ada1"


def test_a_kept_journal_is_copied_and_not_made_again(tmp_path: Path, journal: sqlite3.Connection) -> None:
    # Arrange
    (kept,) = (tmp_path / "cache").iterdir()
    made = kept.stat().st_mtime_ns
    # Act
    behind.put(tmp_path / "second.db", PAST)
    # Assert
    assert kept.stat().st_mtime_ns == made
    assert (tmp_path / "second.db").read_bytes() == kept.read_bytes()

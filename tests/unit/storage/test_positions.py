"""Where a stream goes on, when a person has said so."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.batches import streams
from whereupon.connect.databases import Database
from whereupon.storage.journal import Journal
from whereupon.storage.positions import leave


@pytest.fixture
def found(tmp_path: Path) -> Iterator[Database]:
    with closing(streams(tmp_path)) as made:
        yield made


@pytest.fixture
def journal(found: Database) -> Iterator[Journal]:
    with closing(Journal(found, owner=1, writers=threading.Lock())) as made:
        yield made


def letters(found: Database) -> list[tuple[Any, ...]]:
    with closing(found.session()) as session:
        return session.all("SELECT stage, place, reason FROM dead WHERE judged IS NOT NULL ORDER BY id")


def test_all_places_of_one_stream_are_left(found: Database, journal: Journal) -> None:
    journal.begin(1, "topic", {0: 5, 1: 6})
    journal.begin(1, "an older topic", {0: 9})
    journal.begin(2, "topic", {0: 7})
    assert leave(found, 1) == 3
    assert journal.positions(1) == {}
    assert journal.positions(2) == {"topic": {0: 7}}
    assert leave(found, 1) == 0
    assert letters(found) == []


def test_what_lies_between_the_place_left_and_the_first_event_there_is_recorded_as_expired(
    found: Database, journal: Journal
) -> None:
    journal.begin(1, "topic", {0: 5, 1: 6, 2: 7})
    leave(found, 1)
    journal.begin(1, "topic", {0: 45, 1: 0}, name="SignIn")
    journal.begin(1, "topic", {2: 1_007}, name="SignIn")
    assert letters(found) == [
        ("read", "SignIn, partition 0, offsets 5 to 44", "expired before read: 40 events"),
        ("read", "SignIn, partition 2, offsets 7 to 1006", "expired before read: 1,000 events"),
    ]
    assert journal.positions(1) == {"topic": {0: 45, 1: 0, 2: 1_007}}
    assert journal.positions(-1) == {}


def test_whoever_goes_on_with_the_latest_event_is_told_what_was_passed_over(
    found: Database, journal: Journal
) -> None:
    journal.begin(1, "topic", {0: 5})
    leave(found, 1)
    journal.begin(1, "topic", {0: 7}, name="SignIn", latest=True)
    assert letters(found) == [("read", "SignIn, partition 0, offsets 5 to 6", "passed over: 2 events")]


def test_where_the_topic_was_made_anew_what_was_left_of_the_old_one_is_recorded_once(
    found: Database, journal: Journal
) -> None:
    journal.begin(1, "old", {0: 5, 1: 6})
    leave(found, 1)
    with closing(Journal(found, owner=2, writers=threading.Lock())) as other:
        other.begin(1, "new", {1: 0}, name="SignIn")
    journal.begin(1, "new", {0: 0}, name="SignIn")
    [(_, place, reason)] = letters(found)
    assert place == "SignIn, topic old"
    assert reason.endswith("(partition 0 from offset 5, partition 1 from offset 6)")


def test_a_place_that_was_left_twice_counts_from_the_first_time(found: Database, journal: Journal) -> None:
    journal.begin(1, "topic", {0: 5})
    leave(found, 1)
    with closing(found.session()) as session:
        session.run("INSERT INTO position (stream, topic, partition, next) VALUES (1, 'topic', 0, 10)")
    leave(found, 1)
    journal.begin(1, "topic", {0: 20}, name="SignIn")
    assert [reason for _, _, reason in letters(found)] == ["expired before read: 15 events"]

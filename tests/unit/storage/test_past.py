"""What journal and history say of the past."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.lived import lived
from tests.tsql import RecordingDatabase, problems
from whereupon.connect.databases import database
from whereupon.storage import past as module
from whereupon.storage.past import Past


@pytest.fixture
def folder(tmp_path: Path, home: Path) -> Path:
    """A system that has lived."""
    return lived(tmp_path / "TealHols")


@pytest.fixture
def past(folder: Path) -> Iterator[Past]:
    """Its past."""
    system, streams = (
        database(f"sqlite:///{name}", folder=folder) for name in ("TealHols.db", "SD_TealHols.db")
    )
    with closing(Past(system, streams)) as made:
        yield made
        made.close()


def test_events_are_found_by_number_and_by_person_oldest_first(past: Past) -> None:
    of_bo = past.events_of("1002", most=10)
    assert [each.event_id for each in of_bo] == ["e3", "e4"]
    assert [each.event_id for each in past.events_of("1002", most=1)] == ["e4"]
    assert past.events_of("1002", event_id="e3", most=5) == of_bo[:1]
    assert past.event(of_bo[0].id) == of_bo[0]
    assert past.event(10**9) is None


def test_outcomes_and_the_batch_of_an_event_are_found(past: Past) -> None:
    [event] = past.events_of("1001", most=5)
    [outcome] = past.outcomes(event.id)
    assert (outcome.state, outcome.version) == ("sent", 1)
    assert past.attempts(event.id) == []
    record = past.batch_of(event.id)
    assert record is not None
    assert "e1" in [each.event_id for each in record.events]
    assert past.batch_of(event.id + 10**6) is None


def test_the_last_batches_hold_as_many_events_as_asked_oldest_first(past: Past) -> None:
    [event] = past.events_of("1001", most=1)
    for asked, found in ((1, ["e4"]), (2, ["e3", "e4"]), (99, ["e1", "e2", "e3", "e4"])):
        records = past.last_batches(event.stream, events=asked)
        assert [each.event_id for record in records for each in record.events] == found
    assert past.last_batches(10**6, events=5) == []


def test_what_persons_had_ends_where_it_is_told_to(past: Past, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PERSONS", 1)
    [event] = past.events_of("1001", most=1)
    [outcome] = past.outcomes(event.id)
    persons = ["1001", "1002", "nobody"]
    had = past.had(persons, since=outcome.decided - 1000, until=outcome.decided + 60_000, fills=())
    assert {person: len(each) for person, each in had.messages.items()} == {"1001": 1, "1002": 1}
    before = past.had(persons, since=outcome.decided - 1000, until=outcome.decided, fills=())
    assert not any(before.messages.values())


def test_persons_with_too_many_events_are_named(past: Past, monkeypatch: pytest.MonkeyPatch) -> None:
    assert past.crowded() == []
    monkeypatch.setattr(module, "MOST", 1)
    assert past.crowded() == [("1002", 2)]


def test_versions_are_as_they_were_published(past: Past) -> None:
    published = past.published_at(1)
    bodies = [past.version(*each) for each in published.items()]
    assert {each.campaign.name for each in bodies if each is not None} == {
        "Fill TealGreen",
        "Welcome back",
        "Welcome",
    }
    assert past.version(next(iter(published)), 99) is None
    assert past.published_at(99) == {}


def test_sql_server_could_be_asked_the_same() -> None:
    recording = RecordingDatabase()
    with closing(Past(recording, recording)) as past:
        assert past.event(1) is None
        assert past.events_of("1001", event_id="e1", most=5) == past.events_of("1001", most=5) == []
        assert past.outcomes(1) == []
        assert past.attempts(1) == []
        assert past.batch_of(1) is None
        assert past.last_batches(1, events=5) == []
        assert past.had(["1001", "1002"], since=1, until=2, fills=[3]).messages == {}
        assert past.crowded() == []
        assert past.version(1, 1) is None
        assert past.published_at(1) == {}
    assert len(recording.statements) > 10
    assert problems(recording.statements) == []

"""What is recorded, as people and scripts read it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.batches import CAMPAIGN, CHANNEL, NAMES, NOW, STREAM, Written, came, messages, streams, trace
from tests.tsql import RecordingDatabase, problems
from whereupon.connect.databases import Database
from whereupon.model.decided import FAILED, QUEUED, SENT, UNKNOWN, WITHHELD, DeadLetter, Repeat
from whereupon.model.events import message_key
from whereupon.storage import activity as recorded
from whereupon.storage.activity import Activity, Place

BLANK = {"campaign": None, "channel": None, "key": None, "reason": "", "milliseconds": None}


@pytest.fixture
def found(tmp_path: Path) -> Iterator[Database]:
    made = streams(tmp_path)
    yield made
    made.close()


@pytest.fixture
def written(found: Database) -> Iterator[Written]:
    with closing(Written(found)) as made:
        yield made


@pytest.fixture
def activity(found: Database) -> Iterator[Activity]:
    with closing(Activity(found, NAMES)) as made:
        yield made


def seen(activity: Activity, place: Place | None = None, *, ended_only: bool = False) -> list[dict[str, Any]]:
    return list(activity.rows(place or Place(), ended_only=ended_only))


def shown(rows: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(each["event_id"], each["outcome"]) for each in rows]


# ------------------------------------------------------------------------------------------------- kinds of line
def test_a_sent_message_says_all_that_was_promised(written: Written, activity: Activity) -> None:
    record = written.batch(came("ada", "e1", trace()))
    written.end(record, SENT, now=NOW + 40)
    assert seen(activity) == [
        {
            "event": record.events[0].id, "stream": "SignIn", "event_id": "e1", "person": "ada", "campaign": "Welcome",
            "campaign_id": CAMPAIGN, "version": 1, "channel": "ESP",
            "key": message_key(STREAM, "e1", CAMPAIGN, "ada", CHANNEL), "outcome": SENT, "reason": "", "at": NOW,
            "milliseconds": 40, "tries": 1,
        }
    ]  # fmt: skip


def test_every_campaign_of_an_event_has_its_line(written: Written, activity: Activity) -> None:
    written.batch(came("ada", "e1", trace(3, WITHHELD, "limit"), trace(4, QUEUED), trace(5, FAILED, "held")))
    assert [(each["campaign"], each["outcome"], each["reason"]) for each in seen(activity)] == [
        ("Welcome", WITHHELD, "limit"),
        ("campaign 4", QUEUED, ""),
        ("campaign 5", FAILED, "held"),
    ]


def test_an_event_that_no_campaign_wanted_is_unmatched(written: Written, activity: Activity) -> None:
    record = written.batch(came("ada", "e1"))
    common = {"event": record.events[0].id, "stream": "SignIn", "event_id": "e1", "person": "ada"}
    assert seen(activity) == [{**common, **BLANK, "outcome": "unmatched", "at": NOW}]


def test_a_repeat_says_where_it_came_again(written: Written, activity: Activity) -> None:
    written.batch(came("ada", "e1"))
    written.batch(repeats=[Repeat(2, 70, NOW, "ada", "e1")], now=NOW + 5)
    common = {"event": None, "stream": "SignIn", "event_id": "e1", "person": "ada"}
    assert seen(activity)[-1] == {
        **common, **BLANK, "outcome": "repeat", "reason": "partition 2, offset 70", "at": NOW + 5
    }  # fmt: skip


def test_a_dead_letter_of_an_event_that_could_not_be_used_has_no_event(
    written: Written, activity: Activity
) -> None:
    written.batch(dead=[DeadLetter("decode", "SignIn, partition 0, offset 3", "no JSON", b"{")])
    ((number,),) = [(each["dead_letter"],) for each in seen(activity)]
    common = {"event": None, "stream": "SignIn", "event_id": None, "person": None}
    assert seen(activity) == [
        {
            **common, **BLANK, "outcome": "dead letter", "reason": "no JSON", "at": NOW, "dead_letter": number,
            "stage": "decode", "place": "SignIn, partition 0, offset 3", "judged": None,
        }
    ]  # fmt: skip


def test_a_message_that_failed_is_a_dead_letter_of_its_event_and_stream(
    written: Written, activity: Activity
) -> None:
    record = written.batch(came("ada", "e1", trace()))
    written.end(record, FAILED, "refused", dead=True)
    failed, letter = seen(activity)
    assert (failed["outcome"], failed["reason"], failed["milliseconds"]) == (FAILED, "refused", 40)
    assert (letter["outcome"], letter["event"], letter["person"]) == (
        "dead letter",
        record.events[0].id,
        "ada",
    )
    assert (letter["stream"], letter["campaign"], letter["event_id"]) == ("SignIn", "Welcome", "e1")


def test_parts_without_a_name_are_called_by_their_number(found: Database, written: Written) -> None:
    written.batch(came("ada", "e1", trace()))
    with closing(Activity(found, {})) as nameless:
        (line,) = seen(nameless)
    assert (line["stream"], line["campaign"], line["channel"]) == ("stream 1", "campaign 3", "channel 2")


# ------------------------------------------------------------------------------------------------- going on
def test_what_was_read_does_not_come_again(written: Written, activity: Activity) -> None:
    place = Place()
    written.batch(came("ada", "e1"), dead=[DeadLetter("decode", "p", "no JSON", b"{")])
    assert len(seen(activity, place)) == 2
    assert seen(activity, place) == []
    written.batch(came("ada", "e2"), repeats=[Repeat(0, 1, NOW, "ada", "e1")])
    assert shown(seen(activity, place)) == [("e2", "unmatched"), ("e1", "repeat")]
    assert seen(activity, place) == []


def test_many_events_are_read_in_pages(
    written: Written, activity: Activity, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorded, "PAGE", 3)
    ids = [f"e{number:02d}" for number in range(10)]
    written.batch(*(came("ada", each, trace(), trace(4)) for each in ids))
    assert shown(seen(activity)) == [(each, "sending") for each in ids for _ in range(2)]


def test_with_ended_only_an_outcome_comes_once_it_has_ended(written: Written, activity: Activity) -> None:
    place = Place()
    first = written.batch(came("ada", "e1", trace(), trace(4, WITHHELD, "limit")), came("bo", "e2"))
    second = written.batch(came("cy", "e3", trace(CAMPAIGN, QUEUED)))
    assert shown(seen(activity, place, ended_only=True)) == [("e1", WITHHELD), ("e2", "unmatched")]
    assert seen(activity, place, ended_only=True) == []
    written.end(first, SENT, now=NOW + 30)
    (line,) = seen(activity, place, ended_only=True)
    assert (line["event_id"], line["outcome"], line["milliseconds"], line["tries"]) == ("e1", SENT, 30, 1)
    assert seen(activity, place, ended_only=True) == []
    pair = (second.events[0].id, CAMPAIGN)
    assert written.deliveries.finish([], now=NOW, leaving={QUEUED: [pair]}) == {pair}
    second.events[0].traces[0].state = "sending"
    assert len(messages(second)) == 1
    written.end(second, UNKNOWN, "interrupted")
    assert shown(seen(activity, place, ended_only=True)) == [("e3", UNKNOWN)]
    assert place.open == {}


def test_what_another_service_records_is_followed_whoever_took_the_lower_numbers(
    found: Database, written: Written, activity: Activity
) -> None:
    place = Place()
    written.batch(came("ada", "e1"), dead=[DeadLetter("decode", "p", "one", b"{")])
    with closing(Written(found, owner=2)) as other:
        other.batch(
            came("ada", "e2"),
            repeats=[Repeat(0, 1, NOW, "ada", "e1")],
            dead=[DeadLetter("decode", "p", "two", b"")],
        )
        assert len(seen(activity, place)) == 5
        written.batch(
            came("ada", "e3"),
            repeats=[Repeat(0, 2, NOW, "ada", "e1")],
            dead=[DeadLetter("decode", "p", "three", b"")],
        )
        lines = seen(activity, place)
        assert [(each["event_id"], each["outcome"]) for each in lines[:2]] == [
            ("e3", "unmatched"),
            ("e1", "repeat"),
        ]
        assert [each["reason"] for each in lines[2:]] == ["three"]
        other.batch(came("ada", "e4"))
        assert shown(seen(activity, place)) == [("e4", "unmatched")]
    assert seen(activity, place) == []
    assert len(seen(activity)) == 9


def answered(sql: str, parameters: Sequence[Any]) -> Sequence[tuple[Any, ...]]:
    """A journal of one event, as SQL Server would give it."""
    if "COALESCE" in sql and " FROM hour" in sql:
        return [(1,)]
    if " FROM numbering" in sql:
        return [(150_001,)]
    if "EXISTS" in sql:
        return [(0, 100_000)]
    return [(1, "ada", "e1", STREAM, NOW)] if " FROM event WHERE" in sql and parameters[0] == 0 else []


def test_sql_server_could_be_asked_the_same() -> None:
    recording = RecordingDatabase(answered)
    with closing(Activity(recording, NAMES)) as one:
        assert shown(seen(one, Place(open={(1, 3): {}}), ended_only=True)) == [("e1", "unmatched")]
    assert {table for table in ("event", "outcome", "batch", "dead", "hour") for each in recording.statements
            if f" FROM {table} " in each.sql} == {"event", "outcome", "batch", "dead", "hour"}  # fmt: skip
    assert problems(recording.statements) == []


def test_it_is_closed_twice(activity: Activity) -> None:
    assert seen(activity) == []
    activity.close()
    activity.close()

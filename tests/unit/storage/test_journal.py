"""The journal's first half: a batch is decided in one transaction, or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.journals import CAMPAIGN, CHANNEL, HOUR, NOW, STREAM, Book, journal_file
from whereupon.connect.servers import SqliteSession
from whereupon.model.decided import FAILED, QUEUED, WAITING, WITHHELD, Decision, Joined
from whereupon.model.errors import Away, Refused
from whereupon.storage import journal as module
from whereupon.storage.journal import Numbers, Read, hashed, storable
from whereupon.storage.records import unpacked


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    """A journal in a file."""
    one = Book(journal_file(tmp_path))
    yield one
    one.close()
    one.database.close()


def fail_commit(monkeypatch: pytest.MonkeyPatch, *, stands: bool, times: int = 1) -> None:
    """The next commits lose their answers."""
    commit, left = SqliteSession._commit, [times]

    def lose(session: SqliteSession) -> None:
        if left[0] <= 0:
            return commit(session)
        left[0] -= 1
        if stands:
            commit(session)
        raise Away("the connection is gone")

    monkeypatch.setattr(SqliteSession, "_commit", lose)


def test_a_decided_batch_stands_in_all_its_tables(book: Book) -> None:
    book.journal.begin(STREAM, "topic", {0: 5})
    decision = book.decide("ada", "bob", moves={0: (5, 7)}, dead=1)
    assert book.rows("SELECT id, person, event_id, stream, seen FROM event ORDER BY id") == [
        (1, "ada", "e1.1", STREAM, NOW), (2, "bob", "e1.2", STREAM, NOW),
    ]  # fmt: skip
    assert book.rows("SELECT event, campaign, version, channel, owner, state, tries FROM outcome") == [
        (1, CAMPAIGN, 2, CHANNEL, 1, "sending", 0), (2, CAMPAIGN, 2, CHANNEL, 1, "sending", 0),
    ]  # fmt: skip
    ((first, last, body),) = book.rows("SELECT id, last, body FROM batch")
    assert (first, last, unpacked(body)) == (1, 2, decision.record)
    assert book.rows("SELECT stage, reason, raw, judged FROM dead") == [("decode", "bad", b"{", None)]
    assert book.journal.positions(STREAM) == {"topic": {0: 7}}
    assert book.figures() == {("open", ""): 2}


def test_partitions_begin_where_they_began_the_first_time(book: Book) -> None:
    book.journal.begin(STREAM, "topic", {0: 5, 1: 9})
    book.journal.begin(STREAM, "topic", {0: 1, 2: 3})
    assert book.journal.positions(STREAM) == {"topic": {0: 5, 1: 9, 2: 3}}
    assert book.journal.positions(99) == {}


def test_a_partition_that_somebody_else_moved_is_lost_and_keeps_its_place(book: Book) -> None:
    book.journal.begin(STREAM, "topic", {0: 5, 1: 9})
    book.decide(moves={0: (4, 8), 1: (9, 12), 2: (0, 1)})
    assert book.read is not None
    assert book.read.lost == {0, 2}
    assert book.journal.positions(STREAM) == {"topic": {0: 5, 1: 12}}


def test_events_that_were_decided_before_are_known(book: Book) -> None:
    events = book.events("ada", "bob")
    book.decide(events=events)
    decision = book.decide(events=[*events, ("ada", "other"), ("eve", events[0][1])])
    assert book.read is not None
    assert book.read.repeats == set(events)
    assert [each.person for each in decision.record.events] == ["ada", "eve"]


def test_a_batch_of_nothing_but_repeats_is_kept_and_takes_no_events_number(book: Book) -> None:
    events = book.events("ada")
    book.decide(events=events)
    book.decide(events=events)
    later = book.decide("bob")
    kept = [unpacked(body).repeats for (body,) in book.rows("SELECT body FROM batch ORDER BY id")]
    assert [len(each) for each in kept] == [0, 1, 0]
    assert later.first == 3


def test_numbers_ascend_from_batch_to_batch(book: Book) -> None:
    firsts = [book.decide("ada", "bob", "eve").first for _ in range(5)]
    assert firsts == [1, 4, 7, 10, 13]
    assert book.journal.newest() == 16


def test_a_batch_that_is_refused_leaves_nothing_and_its_numbers_are_used_again(book: Book) -> None:
    with pytest.raises(Refused):
        book.decide("ada", events=[("ada", "e"), ("ada", "e")])
    assert book.rows("SELECT COUNT(*) FROM event") == [(0,)]
    assert book.decide("ada").first == 1


def test_whatever_settling_raises_leaves_nothing(book: Book) -> None:
    book.journal.begin(STREAM, "topic", {0: 0})

    def fall(read: Read) -> tuple[Decision, list[Joined]]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        book.journal.decide(module.Ask(STREAM, "topic", [("ada", "e")], {0: (0, 1)}), fall)
    assert book.journal.positions(STREAM) == {"topic": {0: 0}}


def test_withheld_and_failed_ones_are_finished_at_once(book: Book) -> None:
    book.decide("ada", state=WITHHELD, reason="limit")
    book.decide("bob", state=FAILED, reason="held")
    book.decide("eve", state=QUEUED)
    assert book.rows("SELECT state, finished FROM outcome ORDER BY event") == [
        ("withheld", NOW), ("failed", NOW), ("queued", None),
    ]  # fmt: skip
    assert book.figures() == {("withheld", "limit"): 1, ("failed", "held"): 1, ("open", ""): 1}


def test_a_message_that_joins_another_waits_for_its_time(book: Book) -> None:
    book.decide("ada", state=WAITING, behind=NOW + 60_000)
    assert book.rows("SELECT event, owner, channel, person, next_at, tries FROM waiting") == [
        (1, 1, CHANNEL, "ada", NOW + 60_000, 0)
    ]


def test_who_waits_is_known_by_channel_and_person(book: Book) -> None:
    book.decide("ada", state=WAITING, behind=NOW + 5)
    book.decide("ada", state=WAITING, behind=NOW + 9)
    book.decide("ada", "bob", ordered=frozenset({CHANNEL}))
    assert book.read is not None
    assert book.read.behind == {(CHANNEL, "ada"): NOW + 9}
    book.decide("ada", ordered=frozenset({99}))
    assert book.read.behind == {}


def test_another_owners_waiting_messages_hold_nobody_up(book: Book) -> None:
    book.decide("ada", state=WAITING, behind=NOW + 5)
    other = Book(book.database, owner=2)
    other.decide("ada", ordered=frozenset({CHANNEL}))
    assert other.read is not None
    assert other.read.behind == {}
    other.close()


def test_the_first_number_of_each_hour_is_noted_once(book: Book) -> None:
    for at in (NOW, NOW + 5, NOW + HOUR, NOW + HOUR + 9, NOW):
        book.decide("ada", at=at)
    assert book.rows("SELECT hour, first FROM hour ORDER BY hour") == [(NOW // HOUR, 1), (NOW // HOUR + 1, 3)]


def test_what_follows_a_decision_comes_before_the_next_one(book: Book) -> None:
    seen: list[int] = []
    book.decide("ada", then=lambda decision: seen.append(decision.first))
    book.decide("bob", then=lambda decision: seen.append(decision.first))
    assert seen == [1, 2]


# ------------------------------------------------------------------------------------------------- lost answers
@pytest.mark.parametrize("dead", [0, 2])
def test_a_lost_answer_of_a_decision_that_stands_is_no_failure(
    book: Book, monkeypatch: pytest.MonkeyPatch, dead: int
) -> None:
    book.decide("zoe", dead=1)
    seen: list[int] = []
    fail_commit(monkeypatch, stands=True)
    book.decide("ada", dead=dead, then=lambda decision: seen.append(decision.first))
    assert seen == [2]
    assert book.decide("bob", dead=dead).first == 3
    assert book.rows("SELECT COUNT(*) FROM dead") == [(1 + 2 * dead,)]


def test_a_lost_answer_of_one_that_does_not_stand_is_raised_and_it_can_be_tried_again(
    book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    book.decide("zoe")
    fail_commit(monkeypatch, stands=False)
    events = book.events("ada")
    with pytest.raises(Away):
        book.decide(events=events, at=NOW + HOUR)
    book.decide(events=events, at=NOW + HOUR)
    assert [person for (person,) in book.rows("SELECT person FROM event ORDER BY id")] == ["zoe", "ada"]
    assert len(book.rows("SELECT hour FROM hour")) == 2


def test_without_events_the_positions_tell_whether_it_stands(
    book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    book.journal.begin(STREAM, "topic", {0: 0})
    book.decide("zoe", dead=1)
    for stands, known in ((False, 0), (True, 0)):
        fail_commit(monkeypatch, stands=stands)
        if stands:
            book.decide(dead=1, moves={0: (known, 4)})
        else:
            with pytest.raises(Away):
                book.decide(dead=1, moves={0: (known, 4)})
        monkeypatch.undo()
    assert book.journal.positions(STREAM) == {"topic": {0: 4}}
    assert book.rows("SELECT COUNT(*) FROM dead") == [(2,)]


def test_one_that_cannot_be_settled_yet_goes_its_way_before_the_next_decision(
    book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    book.decide("zoe")
    seen: list[int] = []
    fail_commit(monkeypatch, stands=True)
    committed = type(book.journal)._committed
    monkeypatch.setattr(type(book.journal), "_committed", lambda *given: _away())
    with pytest.raises(Away):
        book.decide("ada", then=lambda decision: seen.append(decision.first))
    with pytest.raises(Away):
        book.decide("bob")
    monkeypatch.setattr(type(book.journal), "_committed", committed)
    assert book.decide("bob", then=lambda decision: seen.append(decision.first)).first == 3
    assert seen == [2, 3]


def _away() -> Any:
    raise Away("the journal is away")


# ------------------------------------------------------------------------------------------------------ numbers
def test_two_owners_never_hand_out_the_same_number(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCK", 3)
    other = Book(book.database, owner=2)
    for _ in range(4):
        book.decide("ada", "bob", dead=2)
        other.decide("ada", "bob", dead=1)
    assert book.rows("SELECT COUNT(DISTINCT id) FROM event") == [(16,)]
    assert book.rows("SELECT COUNT(DISTINCT id) FROM dead") == [(12,)]
    other.close()


def test_a_block_is_taken_from_the_database_only_when_it_is_used_up(book: Book) -> None:
    numbers = Numbers("any")
    numbers.reserve(book.turns, 10)
    assert numbers.take(4) == 1
    numbers.reserve(book.turns, 10)
    assert numbers.take(1) == 5
    assert book.rows("SELECT next FROM numbering WHERE name = 'any'") == [(module.BLOCK + 1,)]


def test_more_than_a_block_can_be_reserved(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCK", 10)
    numbers = Numbers("any")
    numbers.reserve(book.turns, 25)
    assert numbers.end - numbers.next == 25


# --------------------------------------------------------------------------------------------------- what is said
def test_persons_are_locked_by_a_number_of_64_bits_that_lasts() -> None:
    assert hashed("ada") == hashed("ada") != hashed("Ada")
    assert -(2**63) <= hashed("ada") < 2**63


@given(st.text(st.characters(exclude_categories=())), st.integers(1, 40))
def test_what_is_said_fits_any_server(text: str, most: int) -> None:
    said = storable(text, most)
    assert "\0" not in said
    assert len(said.encode("utf-16-le")) <= 2 * most


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20))
def test_what_fits_is_left_as_it_is(text: str) -> None:
    assert storable(text, 40) == text

"""What services on one PostgreSQL leave to each other: events, requests, activity, and the rows of one that is lost."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from tests.batches import CAMPAIGN, CHANNEL, NAMES, NOW, STREAM, Written, came, messages, trace
from tests.servers.postgresql import PASSWORD, PostgreSQL
from tests.world import made
from whereupon.connect.databases import Database, database
from whereupon.host.clock import FakeClock
from whereupon.model.decided import (
    QUEUED,
    SENT,
    UNKNOWN,
    WAITING,
    BatchRecord,
    DeadLetter,
    Decision,
    Joined,
)
from whereupon.storage.activity import Activity, Place
from whereupon.storage.dead_letters import DeadLetters
from whereupon.storage.deliveries import Ending
from whereupon.storage.journal import Ask, Journal, Numbers, Read
from whereupon.storage.journal_tables import JOURNAL
from whereupon.storage.letters import Letters
from whereupon.storage.operations import LOST, Operations
from whereupon.storage.recovery import reopen
from whereupon.storage.turns import Turns

pytestmark = pytest.mark.outside
DAY = 86_400_000


@pytest.fixture
def found(postgresql: PostgreSQL, tmp_path: Path) -> Iterator[Database]:
    name = postgresql.create_database("journal")
    found = made(database(postgresql.url(name, password=None), folder=tmp_path, password=PASSWORD), JOURNAL)
    yield found
    found.close()
    postgresql.drop_database(name)


@pytest.fixture
def services(found: Database) -> Iterator[list[Written]]:
    """What two services with numbers of their own write by."""
    with ExitStack() as stack:
        yield [stack.enter_context(closing(Written(found, owner=owner))) for owner in (1, 2)]


def rows(found: Database, query: str) -> list[tuple[Any, ...]]:
    with closing(found.session()) as session:
        return session.all(query)


# ------------------------------------------------------------------------------------------------- events
def decided(journal: Journal, person: str) -> int:
    """Decide the event e1 of this person, unless it is a repeat; how many events that were."""

    def settle(read: Read) -> tuple[Decision, list[Joined]]:
        events = [came(person, "e1")] if (person, "e1") not in read.repeats else []
        for each in events:
            each.id = next(read.ids)
        return Decision(BatchRecord(STREAM, "SignIn", "topic", 1, NOW, events, [], {})), []

    return len(journal.decide(Ask(STREAM, "topic", [(person, "e1")]), settle).record.events)


@pytest.mark.req("RTT-10")
def test_an_event_that_both_services_got_is_decided_once(found: Database, services: list[Written]) -> None:
    together = threading.Barrier(2)

    def consume(service: Written) -> int:
        count = 0
        for number in range(30):
            together.wait(10)
            count += decided(service.journal, f"person {number}")
        return count

    with ThreadPoolExecutor(2) as pool:
        assert sum(pool.map(consume, services)) == 30
    assert rows(found, "SELECT COUNT(*), COUNT(DISTINCT person) FROM event") == [(30, 30)]


def test_what_either_service_records_is_followed(found: Database, services: list[Written]) -> None:
    one, other = services
    place, seen = Place(), list[str]()
    with closing(Activity(found, NAMES)) as activity:
        for number in range(3):
            for name, service in (("a", one), ("b", other)):
                service.end(service.batch(came("ada", f"{name}{number}", trace())), SENT)
            seen += [each["event_id"] for each in activity.rows(place, ended_only=True)]
        assert list(activity.rows(place, ended_only=True)) == []
    assert seen == ["a0", "b0", "a1", "b1", "a2", "b2"]


# ------------------------------------------------------------------------------------------------- requests, leases
def test_a_request_to_anyone_is_answered_by_one_service_alone(found: Database) -> None:
    with closing(Operations(found)) as asking:
        number = asking.ask("look", {}, author="ann", owner=None, at=5)

        def answer(place: int) -> bool:
            with closing(Operations(found)) as operations:
                return operations.answer(number, f"service {place}", at=6)

        with ThreadPoolExecutor(4) as pool:
            assert sum(pool.map(answer, range(4))) == 1
        assert (asking.answered(number) or "").startswith("service")


def test_only_another_one_that_runs_and_does_not_renew_is_lost(found: Database) -> None:
    with closing(Operations(found)) as operations:
        mine, running, gone, stopped = (operations.enrol(folder, "here") for folder in "abcd")
        for owner in (mine, running, gone, stopped):
            operations.renew(owner, status={}, running=owner != stopped)
        assert operations.leased
        assert operations.lost(mine) == []
        with closing(found.session()) as session:
            ago = "UPDATE lease SET renewed = renewed - ? WHERE owner IN (?, ?, ?)"
            session.run(ago, (LOST + 1_000, mine, gone, stopped))
        assert operations.lost(mine) == [gone]
        operations.renew(gone, status={})
        assert operations.lost(mine) == []


# ------------------------------------------------------------------------------------------------- take-over
def take_over(found: Database, *, window: int) -> tuple[int, int, int]:
    with closing(Turns(found)) as turns:
        done = reopen(turns, CHANNEL, owner=2, by=1, window=window, now=NOW + 60_000, dead=Numbers("dead"))
    return done.queued, done.waiting, done.unknown


@pytest.fixture
def left(services: list[Written]) -> BatchRecord:
    """What the second service leaves open: a message queued, two sending, one of them tried before, one waiting."""
    lost = services[1]
    record = lost.batch(
        came("ada", "queued", trace(CAMPAIGN, QUEUED)), came("bo", "fresh", trace()), came("cy", "old", trace()),
        came("di", "waits", trace()), came("ed", "theirs", trace(CAMPAIGN, QUEUED, channel=9)),
    )  # fmt: skip
    _, old, waits = messages(record)
    lost.deliveries.finish(
        [
            Ending(waits, CHANNEL, WAITING, "busy", 1, NOW, next_at=NOW + DAY),
            Ending(old, CHANNEL, WAITING, "busy", 1, NOW - DAY, next_at=NOW),
        ],
        now=NOW,
    )
    pair = (old.event, old.campaign)
    assert lost.deliveries.finish([], now=NOW, leaving={WAITING: [pair]}) == {pair}
    return record


def test_a_lost_services_rows_go_over_and_what_was_under_way_is_sent_again_while_its_key_holds(
    found: Database, services: list[Written], left: BatchRecord
) -> None:
    assert take_over(found, window=DAY) == (2, 1, 1)
    assert take_over(found, window=DAY) == (0, 0, 0)
    ids = [each.id for each in left.events]
    queued = services[0].deliveries.queued(CHANNEL, after=0, most=10)
    assert [each.event for each in queued] == ids[:2]
    # A wait is never believed to be longer than an hour.
    due = services[0].deliveries.due(CHANNEL, now=NOW + 60_000 + 3_600_000, most=10)
    assert [each.event for each in due] == [ids[3]]
    owners = f"SELECT state, owner FROM outcome WHERE channel = {CHANNEL} ORDER BY event"
    assert rows(found, owners) == [(QUEUED, 1), (QUEUED, 1), (UNKNOWN, 2), (WAITING, 1)]
    assert rows(found, "SELECT DISTINCT owner FROM outcome WHERE channel = 9") == [(2,)]


def test_a_service_that_comes_back_moves_nothing_that_is_no_longer_its_own(
    found: Database, services: list[Written], left: BatchRecord
) -> None:
    take_over(found, window=DAY)
    ids = [each.id for each in left.events]
    assert services[1].deliveries.finish([], now=NOW, leaving={QUEUED: [(ids[0], CAMPAIGN)]}) == frozenset()
    fresh = messages(left)[0]
    services[1].deliveries.finish([Ending(fresh, CHANNEL, SENT, finished=NOW + 70_000)], now=NOW + 70_000)
    assert rows(found, f"SELECT state, owner FROM outcome WHERE event = {fresh.event}") == [(QUEUED, 1)]


def test_where_the_receiver_does_not_know_a_key_again_what_was_under_way_is_unknown(
    found: Database, left: BatchRecord
) -> None:
    assert take_over(found, window=0) == (1, 1, 2)
    with closing(DeadLetters(found, clock=FakeClock())) as letters:
        assert [each.state for each in letters.listed()] == [UNKNOWN, UNKNOWN]
    tallied = (
        "SELECT state, SUM(n) FROM tally WHERE state IN ('open', 'unknown') GROUP BY state ORDER BY state"
    )
    assert rows(found, tallied) == [("open", 3), (UNKNOWN, 2)]


def test_dead_letters_of_a_lost_service_can_be_resent_by_the_one_that_took_over(
    found: Database, services: list[Written], left: BatchRecord
) -> None:
    services[1].batch(dead=[DeadLetter("decode", "p", "no JSON", b"{")])
    take_over(found, window=DAY)
    with closing(DeadLetters(found, clock=FakeClock())) as people:
        people.resend([each.id for each in people.listed()])
    with closing(Turns(found)) as turns:
        assert len(Letters(turns).marked(1, most=10)) == 2
        assert Letters(turns).marked(2, most=10) == []

"""The journal on a real PostgreSQL: what several services decide at once is right."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.journals import CAMPAIGN, CHANNEL, HOUR, NOW, STREAM, Book
from tests.servers.postgresql import PostgreSQL
from tests.servers.processes import wait_until
from tests.world import PLAIN, World, made, running_of, setup_of, sign_in
from whereupon.connect.databases import Database, database
from whereupon.engine.engine import Engine
from whereupon.model.decided import (
    FAILED,
    QUEUED,
    SENDING,
    SENT,
    UNKNOWN,
    WAITING,
    WITHHELD,
    BatchRecord,
    DeadLetter,
    Decision,
    EventRecord,
    Trace,
)
from whereupon.model.errors import Refused, Unavailable
from whereupon.model.setup import Setup
from whereupon.storage import journal as module
from whereupon.storage.journal import Ask, Read
from whereupon.storage.journal_tables import JOURNAL
from whereupon.storage.operations import Operations
from whereupon.storage.recovery import Found, note_open, reopen, settle

pytestmark = pytest.mark.outside


@pytest.fixture
def url(postgresql: PostgreSQL) -> str:
    """An empty database."""
    return postgresql.url(postgresql.create_database("journal"))


@pytest.fixture
def streams(url: str, tmp_path: Path) -> Iterator[Database]:
    """A Streams database."""
    one = made(database(url, folder=tmp_path), JOURNAL)
    yield one
    one.close()


@pytest.fixture
def owners(streams: Database) -> Iterator[Callable[[int], Book]]:
    """Books of several owners; closed at the end."""
    books: list[Book] = []

    def book(owner: int) -> Book:
        books.append(Book(streams, owner=owner))
        return books[-1]

    yield book
    for each in books:
        each.close()


def at_once(*acts: Callable[[], Any]) -> None:
    """Run these at the same time; raises what one of them raised."""
    errors: list[BaseException] = []

    def guarded(act: Callable[[], Any]) -> None:
        try:
            act()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(act,)) for act in acts]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    if errors:
        raise errors[0]


class Service(World):
    """A service with a folder of its own on the same Streams database, at work."""

    def __init__(self, folder: Path, setup: Setup, url: str) -> None:
        folder.mkdir()
        super().__init__(folder, streams_url=url)
        self.running = running_of(setup)
        self.engine.start()
        self.engine.take(self.running)

    def _engine(self) -> Engine:
        return Engine(self.shop, owner=self.operations.enrol(self.folder.name, "here"))


@pytest.mark.req("RTT-10")
def test_100_events_of_one_person_over_4_partitions_and_two_services_send_exactly_3(
    url: str, tmp_path: Path, logs: Any
) -> None:
    logs.allow("stream paused")
    limited = {**PLAIN, "limits": [{"at_most": 3, "messages": "any", "within": "1 day"}]}
    setup = setup_of(limited)
    settings = {"name": str(tmp_path), "partitions": 4}
    shared = setup.streams.streams[0].model_copy(update={"settings": settings})
    setup = setup.model_copy(update={"streams": setup.streams.model_copy(update={"streams": (shared,)})})
    one, two = services = [Service(tmp_path / name, setup, url) for name in ("one", "two")]
    try:
        at_once(*[partial(_send, one, partition) for partition in range(4)])
        wait_until(lambda: _ended(one) == 100, within=90)
        outcomes = one.outcomes()
        assert outcomes.count("sent") == 3
        assert outcomes.count("withheld: limit") == 97
        assert len(one.channel.sent) + len(two.channel.sent) == 3
    finally:
        for each in services:
            each.close()


def _send(world: World, partition: int) -> None:
    for number in range(25):
        world.send(sign_in(100 * partition + number, urn="ada"), partition=partition)


def _ended(world: World) -> int:
    return len([each for each in world.outcomes() if each not in {"queued", "sending", "waiting", "repeat"}])


def test_two_owners_that_decide_for_one_person_at_once_see_each_others_messages(
    owners: Callable[[int], Book],
) -> None:
    """Each decides only if it has seen fewer than 3: the locks on persons make that one after the other."""
    sent: list[int] = []

    def sends(owner: int) -> None:
        book = owners(owner)
        for _ in range(10):
            _decide_up_to(book, 3, sent)

    at_once(*[partial(sends, owner) for owner in (1, 2, 3, 4)])
    assert len(sent) == 3


def _decide_up_to(book: Book, most: int, sent: list[int]) -> None:
    events = book.events("ada")

    def settled(read: Read) -> tuple[Decision, list[Any]]:
        had = len(read.had.messages.get("ada", ()))
        state = SENDING if had < most else WITHHELD
        sent.extend([had] if had < most else [])
        trace = Trace(CAMPAIGN, 1, CHANNEL, state)
        event = EventRecord(next(read.ids), 0, 0, NOW, *events[0], b"{}", {}, [trace], [])
        return Decision(BatchRecord(STREAM, "SignIn", "t", 1, NOW, [event], [], {})), []

    book.journal.decide(Ask(STREAM, "t", events, since=NOW - HOUR), settled)


def test_the_fence_lets_only_one_of_two_owners_move_a_partition(owners: Callable[[int], Book]) -> None:
    one, two = owners(1), owners(2)
    one.journal.begin(STREAM, "topic", {0: 0, 1: 0})
    two.journal.begin(STREAM, "topic", {0: 7, 1: 7})
    assert two.journal.positions(STREAM) == {"topic": {0: 0, 1: 0}}
    lost: list[frozenset[int]] = []

    def move(book: Book) -> None:
        book.decide(moves={0: (0, 5), 1: (0, 5)})
        assert book.read is not None
        lost.append(book.read.lost)

    at_once(lambda: move(one), lambda: move(two))
    assert sorted(map(sorted, lost)) == [[], [0, 1]]


def test_partitions_named_in_another_order_never_wait_for_each_other(owners: Callable[[int], Book]) -> None:
    one, two = owners(1), owners(2)
    one.journal.begin(STREAM, "topic", dict.fromkeys(range(20), 0))

    def moves(book: Book, order: range) -> None:
        for turn in range(15):
            book.decide(moves=dict.fromkeys(order, (turn, turn + 1)))

    at_once(partial(moves, one, range(20)), partial(moves, two, range(19, -1, -1)))


def test_two_owners_numbers_never_clash(
    owners: Callable[[int], Book], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BLOCK", 5)
    books = [owners(number) for number in (1, 2, 3)]

    def decide(book: Book) -> None:
        for _ in range(10):
            book.decide("ada", "bob", dead=2)

    at_once(*[partial(decide, book) for book in books])
    assert books[0].rows("SELECT COUNT(DISTINCT id) FROM event") == [(60,)]
    assert books[0].rows("SELECT COUNT(DISTINCT id) FROM dead") == [(60,)]
    assert books[0].figures() == books[0].recount()


def test_services_that_enrol_at_once_get_numbers_of_their_own(streams: Database) -> None:
    numbers: list[int] = []

    def enrol(folder: str) -> None:
        operations = Operations(streams)
        numbers.append(operations.enrol(folder, "here"))
        operations.ask("load", {}, author="ann", owner=None, at=5)
        operations.close()

    at_once(*[partial(enrol, f"folder {number}") for number in range(10)])
    assert sorted(numbers) == list(range(1, 11))


def test_a_lease_is_lost_by_the_databases_time_and_its_rows_go_over(
    streams: Database, owners: Callable[[int], Book], url: str, postgresql: PostgreSQL
) -> None:
    operations = Operations(streams)
    mine, gone = operations.enrol("mine", "here"), operations.enrol("gone", "there")
    for each in (mine, gone):
        operations.renew(each, status={})
    assert (operations.leased, operations.lost(mine)) == (True, [])
    name = url.rpartition("/")[2].partition("?")[0]
    postgresql.execute(name, "UPDATE lease SET renewed = renewed - 60001 WHERE owner = %s", (gone,))
    assert operations.lost(mine) == [gone]
    left, taker = owners(gone), owners(mine)
    left.decide("ada", "bob", state=QUEUED)
    left.decide("eve")
    found = reopen(taker.turns, CHANNEL, owner=gone, by=mine, window=0, now=NOW, dead=taker.dead)
    assert found == Found(queued=2, unknown=1)
    assert len(taker.deliveries.queued(CHANNEL, after=0, most=9)) == 2
    left.ends(left.decide("ida"), SENT)
    assert taker.figures() == taker.recount()
    operations.close()


def test_a_message_lives_its_whole_life(owners: Callable[[int], Book]) -> None:
    book = owners(1)
    decision = book.decide("ada", "bob", state=QUEUED, dead=1)
    pairs = [each[:2] for each in book.deliveries.queued(CHANNEL, after=0, most=9)]
    assert (
        book.deliveries.finish([], now=NOW, leaving={QUEUED: pairs})
        == set(pairs)
        == book.deliveries.finish([], now=NOW, leaving={QUEUED: pairs})
    )
    book.ends(
        decision,
        WAITING,
        reason="unavailable",
        tries=1,
        first_try=NOW,
        next_at=NOW,
        attempt=(NOW, NOW, "503\0"),
    )
    assert len(book.deliveries.due(CHANNEL, now=NOW, most=1)) == 1
    book.deliveries.finish([], now=NOW, leaving={WAITING: pairs})
    dead = DeadLetter("send", "Hello to " + "x" * 500, "lost\0", None, 1, CAMPAIGN)
    for _ in range(2):
        book.ends(decision, UNKNOWN, reason="answer lost", tries=2, attempt=(NOW, NOW, "lost"), dead=dead)
    assert settle(book.turns, [(1, CAMPAIGN, NOW)], now=NOW) == 1
    assert book.states() == ["sent", "unknown: answer lost"]
    assert book.figures() == book.recount()
    assert book.deliveries.bodies.messages(pairs)[0].fields["subject"] == "Hello"
    note_open(book.turns, CHANNEL, 1, 2)
    assert book.rows("SELECT open_from FROM lane") == [(2,)]


def test_repeats_and_counters_are_found_in_one_question_each(owners: Callable[[int], Book]) -> None:
    book = owners(1)
    events = book.events("ada", "Ada", "bob")
    book.decide(events=events)
    book.decide(events=[*events, ("ada", "new")], since=NOW - HOUR)
    assert book.read is not None
    assert book.read.repeats == set(events)
    assert {person: len(each) for person, each in book.read.had.messages.items()} == {
        "ada": 1,
        "Ada": 1,
        "bob": 1,
    }


def test_a_batch_that_is_refused_leaves_nothing(owners: Callable[[int], Book]) -> None:
    book = owners(1)
    with pytest.raises(Refused):
        book.decide(events=[("ada", "e"), ("ada", "e")])
    with pytest.raises(Refused):
        book.decide(events=[("x" * 201, "e")])
    assert book.decide("ada").first == 1


def test_a_decision_that_waits_too_long_for_a_person_is_tried_again_later(
    streams: Database, owners: Callable[[int], Book]
) -> None:
    book = owners(1)
    book.turns.close()
    book.journal._turns._timeout = 0.3
    holding, free = threading.Event(), threading.Event()

    def hold() -> None:
        session = streams.session()
        with session.transaction():
            session.lock_rows([module.hashed("ada")])
            holding.set()
            free.wait(10)
        session.close()

    thread = threading.Thread(target=hold)
    thread.start()
    holding.wait(10)
    with pytest.raises(Unavailable):
        book.decide("ada")
    free.set()
    thread.join()
    assert book.decide("ada").first == 1


def test_a_message_that_failed_gives_its_place_back(owners: Callable[[int], Book]) -> None:
    book = owners(1)
    book.ends(book.decide("ada"), FAILED, reason="refused")
    assert book.deliveries.had("ada", since=NOW - HOUR, fills=()).messages == {}

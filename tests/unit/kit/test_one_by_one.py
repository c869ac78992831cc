"""A channel that sends one message at a time: room, receipts, rest, and the end."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.servers.processes import wait_until
from whereupon.host.clock import FakeClock
from whereupon.kit.one_by_one import OneByOne
from whereupon.kit.roles import Context, Nothing, Stage
from whereupon.model.errors import Away, Refused, SetupError, Unavailable, WhereuponError
from whereupon.model.events import Message, Receipt, Result

ERRORS: dict[str, tuple[Exception, Result]] = {
    "refused": (Refused("no such person"), Result.REFUSED),
    "later": (Unavailable("busy", retry_after=7), Result.UNAVAILABLE),
    "away": (Away("nobody there"), Result.AWAY),
    "setup": (SetupError("no password"), Result.SETUP),
    "lost": (WhereuponError("who knows"), Result.ANSWER_LOST),
}


class Desk(OneByOne[Nothing, Nothing]):
    """Sends what it is told to; each `send` waits for `gate`."""

    rest_after = 0.01
    patience = 0.05

    def __init__(self, connections: int = 2) -> None:
        super().__init__(Nothing(), Nothing(), Context("Desk", "TealHols", Path(), "id", FakeClock()))
        self.gate = threading.Event()
        self.broken = threading.Event()
        self.tired = False
        self.rested: set[str] = set()
        self._connections = connections

    @property
    def connections(self) -> int:
        """As the test says."""
        return self._connections

    def check(self) -> Iterator[Stage]:
        """Nothing to try."""
        yield from ()

    def send(self, message: Message) -> Receipt:
        """Wait for the gate; then what the message's key says."""
        wait_until(lambda: self.gate.is_set() or self.broken.is_set())
        if self.broken.is_set() and message.key != "lost":
            raise Unavailable("interrupted")
        if message.key in ERRORS:
            raise ERRORS[message.key][0]
        if message.key == "defect":
            raise ZeroDivisionError("secret words")
        if message.key == "end":
            raise SystemExit
        return Receipt(message, Result.ACCEPTED, "taken")

    def rest(self) -> None:
        """Remember who rested."""
        self.rested.add(threading.current_thread().name)
        if self.tired:
            raise SystemExit

    def interrupt(self) -> None:
        """End every wait."""
        self.broken.set()


@pytest.fixture
def desk() -> Iterator[Desk]:
    made = Desk()
    yield made
    made.gate.set()
    made.close()


def message(key: str) -> Message:
    return Message(key, 1, 1, "Welcome", "42", {})


def collected(desk: Desk, count: int) -> list[Receipt]:
    receipts: list[Receipt] = []

    def there() -> bool:
        receipts.extend(desk.collect(0.2))
        return len(receipts) >= count

    wait_until(there, what=f"{count} receipts")
    return receipts


def keys(receipts: Sequence[Receipt]) -> list[str]:
    return sorted(each.message.key for each in receipts)


def test_it_takes_as_many_as_it_has_connections_and_more_when_receipts_were_collected(desk: Desk) -> None:
    assert desk.offer([message(each) for each in "abc"]) == 2
    assert desk.offer([message("c")]) == 0
    desk.gate.set()
    assert keys(collected(desk, 2)) == ["a", "b"]
    assert desk.offer([message("c")]) == 1
    assert keys(collected(desk, 1)) == ["c"]


def test_messages_go_side_by_side(desk: Desk) -> None:
    desk.offer([message("a"), message("b")])
    assert {each.name for each in threading.enumerate()} >= {"Desk-0", "Desk-1"}


def test_a_receipt_says_when_the_try_began_and_ended(desk: Desk) -> None:
    desk.gate.set()
    desk.offer([message("a")])
    (receipt,) = collected(desk, 1)
    now = desk.context.clock.now()
    assert (receipt.answer, receipt.started, receipt.ended) == ("taken", now, now)


@pytest.mark.parametrize("key", list(ERRORS))
def test_what_it_raises_becomes_the_receipt(desk: Desk, key: str) -> None:
    desk.gate.set()
    desk.offer([message(key)])
    (receipt,) = collected(desk, 1)
    error, result = ERRORS[key]
    assert (receipt.result, receipt.answer) == (result, str(error))
    assert receipt.retry_after == (7 if key == "later" else None)


def test_a_defect_is_an_answer_lost_and_told_to_the_log_alone(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    desk.gate.set()
    desk.offer([message("defect")])
    (receipt,) = collected(desk, 1)
    assert (receipt.result, receipt.answer) == (
        Result.ANSWER_LOST,
        "Unexpected: ZeroDivisionError; see the log.",
    )
    assert "secret words" in caplog.text
    desk.offer([message("a")])
    assert keys(collected(desk, 1)) == ["a"]


def test_whatever_ends_a_send_its_message_has_a_receipt_and_the_next_ones_go(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    desk.gate.set()
    for _ in range(3):
        assert desk.offer([message("end"), message("end")]) == 2
        assert {each.result for each in collected(desk, 2)} == {Result.ANSWER_LOST}
    assert desk.offer([message("k")]) == 1
    assert collected(desk, 1)[0].result is Result.ACCEPTED


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_died_is_replaced(desk: Desk) -> None:
    desk.gate.set()
    desk.tired = True
    desk.offer([message("a"), message("b")])
    collected(desk, 2)
    wait_until(lambda: len(desk.rested) == 2 and not any(each.is_alive() for each in desk._threads))
    desk.tired = False
    assert desk.offer([message("c"), message("d")]) == 2
    assert {each.result for each in collected(desk, 2)} == {Result.ACCEPTED}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_died_after_messages_were_offered_is_replaced_too(desk: Desk) -> None:
    desk.gate.set()
    desk.tired = True
    desk.offer([message("a")])
    collected(desk, 1)
    wait_until(lambda: not any(each.is_alive() for each in desk._threads))
    desk.tired = False
    # As if it had died just now, with the message in the queue already.
    desk._under_way += 1
    desk._waiting.put(message("b"))
    assert collected(desk, 1)[0].result is Result.ACCEPTED


def test_collecting_with_nothing_under_way_does_not_wait(desk: Desk) -> None:
    assert list(desk.collect(60)) == []


def test_collecting_gives_up_when_its_time_is_over(desk: Desk) -> None:
    desk.offer([message("a")])
    assert list(desk.collect(0.01)) == []
    assert list(desk.collect(0)) == []


def test_a_thread_without_work_rests(desk: Desk) -> None:
    desk.gate.set()
    desk.offer([message("a")])
    collected(desk, 1)
    wait_until(lambda: desk.rested == {"Desk-0"})


def test_what_no_thread_has_begun_is_withdrawn(desk: Desk) -> None:
    desk.offer([message("a"), message("b")])
    withdrawn = desk.withdraw()
    desk.gate.set()
    begun = collected(desk, 2 - len(withdrawn))
    assert keys([*withdrawn, *begun]) == ["a", "b"]
    assert all(each.result is Result.NOT_OFFERED for each in withdrawn)


def test_closing_lets_what_is_on_its_way_arrive_and_keeps_its_receipt() -> None:
    desk = Desk()
    desk.patience = 5.0
    desk.offer([message("a")])
    threading.Timer(0.02, desk.gate.set).start()
    desk.close()
    desk.close()
    assert not desk.broken.is_set()
    assert keys(desk.collect(0)) == ["a"]
    assert desk.offer([message("b")]) == 0
    assert "Desk-0" in desk.rested


def test_closing_interrupts_what_does_not_end_and_what_did_not_leave_was_not_offered() -> None:
    desk = Desk()
    desk.offer([message("a"), message("lost")])
    desk.close()
    results = {each.message.key: each.result for each in desk.collect(0)}
    assert results == {"a": Result.NOT_OFFERED, "lost": Result.ANSWER_LOST}
    assert not any(each.name.startswith("Desk-") for each in threading.enumerate())


def test_closing_what_never_began_is_nothing() -> None:
    Desk().close()

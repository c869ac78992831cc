"""Lanes: every message that one was given gets one receipt, whatever the channel does."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.servers.processes import slowness, wait_until
from whereupon.components.channels.memory import MemoryChannel, MemoryConfig
from whereupon.engine import lane as module
from whereupon.engine.lane import Lane
from whereupon.host.clock import Clock
from whereupon.kit.roles import Context, Nothing
from whereupon.model.errors import Away, Refused, SetupError, Unavailable
from whereupon.model.events import Message, Receipt, Result


class Odd(MemoryChannel):
    """A channel that raises where it is told to: at `offer` for an address, at the next `collect`, at `withdraw`."""

    def __init__(self, config: MemoryConfig) -> None:
        super().__init__(Nothing(), config, Context("ESP", "TealHols", Path(), "id", Clock()))
        self.hates: dict[str, Exception] = {}
        self.falls: list[Exception] = []
        self.clings: Exception | None = None
        self.closed = threading.Event()
        self.shy = 0

    def offer(self, messages: Sequence[Message]) -> int:
        for each in messages:
            if each.address in self.hates:
                raise self.hates[each.address]
        if self.shy:
            self.shy -= 1
            return 0
        return super().offer(messages)

    def collect(self, wait: float) -> Sequence[Receipt]:
        if self._under_way and self.falls:
            self._under_way.clear()
            raise self.falls.pop(0)
        return super().collect(wait)

    def withdraw(self) -> Sequence[Receipt]:
        if self.clings:
            raise self.clings
        return super().withdraw()

    def close(self) -> None:
        self.closed.set()


class Way:
    """A lane with what came back from it."""

    def __init__(self, **settings: Any) -> None:
        self.channel = Odd(MemoryConfig.model_validate(settings))
        self.receipts: list[Receipt] = []
        self.fresh, self.lapses = True, 0
        self.lane = Lane(
            7, "ESP", self.channel, clock=Clock(), done=self._done, fresh=lambda: self.fresh,
            lapses=lambda: self.lapses,
        )  # fmt: skip
        self.lane.start()

    def _done(self, channel: int, receipts: Sequence[Receipt]) -> None:
        assert channel == 7
        self.receipts += receipts

    def sends(self, *messages: Message) -> None:
        assert self.lane.claim(messages) == len(messages)
        self.lane.take(messages)

    def results(self, count: int) -> dict[str, str]:
        wait_until(lambda: len(self.receipts) >= count)
        wait_until(lambda: not self.lane.held)
        return {each.message.address: each.result.value for each in self.receipts}


def message(to: str, *, size: int = 0) -> Message:
    return Message(f"key of {to}", 1, 1, "Hello", to, {"body": "x" * size}, to)


def letters(text: str) -> list[Message]:
    return [message(each) for each in text]


@pytest.fixture
def way() -> Iterator[Way]:
    found = Way()
    yield found
    found.channel.release()
    found.lane.stop(5.0)


def test_messages_leave_and_their_receipts_come_back(way: Way) -> None:
    way.sends(*letters("abc"))
    assert way.results(3) == dict.fromkeys("abc", "accepted")
    assert [each.address for each in way.channel.sent] == ["a", "b", "c"]


@pytest.mark.req("NEW-05")
def test_a_service_that_slept_offers_nothing_and_gives_back_what_had_not_left(way: Way) -> None:
    assert way.lane.claim(letters("ab")) == 2
    way.fresh = False
    way.lane.take(letters("ab"))
    assert way.results(2) == dict.fromkeys("ab", "not offered")
    assert way.lane.room() == 0
    assert way.channel.tried == []
    way.fresh = True
    way.sends(*letters("c"))
    assert way.results(3)["c"] == "accepted"


def test_a_service_that_slept_gives_back_what_had_not_left_though_its_lease_was_renewed_before_the_lane_looked(
    way: Way,
) -> None:
    way.channel.hold()
    many = [message(f"p{number}") for number in range(way.channel.connections + 3)]
    way.sends(*many)
    wait_until(lambda: len(way.channel.tried) == way.channel.connections)
    way.lapses += 1
    wait_until(lambda: len(way.receipts) == 3)
    assert {each.result.value for each in way.receipts} == {"not offered"}
    way.channel.release()
    assert len(way.results(len(many))) == len(many)
    way.sends(*letters("c"))
    assert way.results(len(many) + 1)["c"] == "accepted"


def test_a_place_is_taken_from_the_claim_until_the_receipt(way: Way) -> None:
    way.channel.hold()
    room = way.lane.room()
    assert way.lane.claim(letters("abc")) == 3
    assert way.lane.room() == room - 3
    way.lane.free(letters("a"))
    way.lane.take(letters("bc"))
    assert (way.lane.held, way.lane.room()) == (2, room - 2)
    way.channel.release()
    way.results(2)
    assert way.lane.room() == room


def test_messages_that_nobody_claimed_places_for_are_taken_all_the_same(way: Way) -> None:
    way.lane.take(letters("ab"))
    assert way.results(2) == dict.fromkeys("ab", "accepted")


def test_a_channel_that_does_not_de_duplicate_has_room_for_its_connections() -> None:
    way = Way(deduplicates=False, concurrency=3)
    assert way.lane.claim(letters("abcde")) == 3
    assert way.lane.room() == 0
    way.lane.stop(1.0)


def test_a_lane_has_room_for_16_mb_and_one_that_is_larger_goes_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SIZE", 1000)
    way = Way()
    large, small = message("large", size=5000), message("small", size=100)
    assert way.lane.claim([large, small]) == 1
    assert way.lane.claim([small]) == 0
    way.lane.free([large])
    assert way.lane.claim([small, small, small, small]) == 3
    way.lane.stop(1.0)


def test_a_message_that_the_channel_falls_over_has_failed_and_its_neighbours_go(way: Way, logs: Any) -> None:
    logs.expect("a message can't be offered")
    way.channel.hates["b"] = KeyError("subject")
    way.sends(*letters("abc"))
    assert way.results(3) == {"a": "accepted", "b": "refused", "c": "accepted"}
    assert [each.answer for each in way.receipts if each.answer] == ["unexpected: KeyError('subject')"]
    assert way.lane.alive


def test_the_traceback_of_what_nobody_expected_is_in_the_log(way: Way, logs: Any) -> None:
    logs.expect("a message can't be offered")
    way.channel.hates["b"] = KeyError("subject")
    way.sends(message("b"))
    way.results(1)
    assert any("KeyError" in str(each.exc_info or each.msg) for each in logs.records)


@pytest.mark.parametrize(
    ("error", "result"),
    [
        (Refused("no such address"), "refused"),
        (SetupError("the sender is unknown"), "setup"),
        (Unavailable("too many", retry_after=4.0), "unavailable"),
    ],
)
def test_what_a_channel_raises_of_a_message_counts_as_its_word(
    way: Way, logs: Any, error: Exception, result: str
) -> None:
    logs.expect("a message can't be offered")
    way.channel.hates["b"] = error
    way.sends(*letters("ab"))
    assert way.results(2) == {"a": "accepted", "b": result}


def test_a_channel_that_raises_away_stands_still(way: Way, logs: Any) -> None:
    logs.expect("a message can't be offered")
    logs.expect("channel is away")
    way.channel.hates["b"] = Away("no way")
    way.sends(message("b"))
    assert way.results(1) == {"b": "away"}
    assert way.lane.absence is not None
    assert way.lane.room() == 0


def test_answers_are_lost_where_a_channel_fails_with_messages_under_way(way: Way, logs: Any) -> None:
    logs.expect("a channel failed while messages were under way")
    logs.expect("channel is away")
    way.channel.falls.append(RuntimeError("socket"))
    way.sends(*letters("ab"))
    assert way.results(2) == dict.fromkeys("ab", "answer lost")
    assert way.lane.alive
    wait_until(lambda: way.lane.room() == 1, what="the probe")
    way.sends(message("c"))
    assert way.results(3)["c"] == "accepted"
    assert way.lane.room() > 1


def test_a_second_receipt_for_a_message_is_of_no_use(way: Way) -> None:
    way.channel.hold()
    way.sends(*letters("ab"))
    wait_until(lambda: len(way.channel.tried) == 2)
    way.channel._under_way.append(message("a"))
    way.channel.release()
    assert way.results(2) == dict.fromkeys("ab", "accepted")
    assert len(way.receipts) == 2


def test_a_channel_that_takes_nothing_for_a_while_is_asked_again(way: Way) -> None:
    way.channel.shy = 3
    way.sends(message("a"))
    assert way.results(1) == {"a": "accepted"}


def test_while_the_other_side_is_away_nothing_is_offered_but_one_probe(way: Way, logs: Any) -> None:
    logs.expect("channel is away")
    way.channel.answer(Result.AWAY)
    way.sends(message("a"))
    way.results(1)
    way.lane.take(letters("bcd"))
    assert way.results(4) == {"a": "away", "b": "not offered", "c": "not offered", "d": "not offered"}
    wait_until(lambda: way.lane.room() == 1, what="the probe")
    way.lane.take(letters("ef"))
    assert way.results(6)["f"] in ("not offered", "accepted")
    assert [each.address for each in way.channel.tried][:2] == ["a", "e"]


def test_what_has_not_left_at_a_stop_comes_back(way: Way) -> None:
    way.channel.hold()
    way.sends(*letters("ab"))
    wait_until(lambda: len(way.channel.tried) == 2)
    way.lane.stop(5.0)
    assert way.results(2) == dict.fromkeys("ab", "not offered")
    assert way.channel.closed.is_set()
    assert not way.lane.alive


def test_a_stopped_lane_has_no_room_and_gives_back_what_still_comes(way: Way) -> None:
    way.lane.stop(5.0)
    assert way.lane.room() == 0
    assert way.lane.claim(letters("a")) == 0
    way.lane.take(letters("a"))
    assert way.results(1) == {"a": "not offered"}


def test_answers_that_do_not_come_by_the_end_of_a_stop_are_lost(way: Way, logs: Any) -> None:
    logs.allow("a channel failed to give up messages")
    way.channel.clings = RuntimeError("busy")
    way.channel.hold()
    way.sends(*letters("ab"))
    wait_until(lambda: len(way.channel.tried) == 2)
    way.lane.stop(0.2)
    assert way.results(2) == dict.fromkeys("ab", "answer lost")
    assert not way.lane.alive


def test_a_lane_that_never_began_can_be_stopped() -> None:
    channel = Odd(MemoryConfig.model_validate({}))
    Lane(7, "ESP", channel, clock=Clock(), done=lambda channel, receipts: None).stop(1.0)
    assert channel.closed.is_set()


def test_a_lane_with_nothing_to_do_does_not_spin(way: Way) -> None:
    way.sends(message("a"))
    way.results(1)
    me = psutil.Process()
    before = me.cpu_times().user + me.cpu_times().system
    threading.Event().wait(0.6)
    assert me.cpu_times().user + me.cpu_times().system - before < 0.1


def test_the_message_that_comes_while_a_lane_rests_leaves_at_once(way: Way) -> None:
    threading.Event().wait(0.05)
    began = Clock().monotonic()
    way.sends(message("a"))
    way.results(1)
    assert Clock().monotonic() - began < 0.3 * slowness()

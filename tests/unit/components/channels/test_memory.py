"""The memory channel: what it keeps, and the answers it was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from whereupon.components.channels.memory import MemoryChannel, MemoryConfig
from whereupon.host.clock import FakeClock
from whereupon.kit.roles import Context, Nothing
from whereupon.model.events import Message, Receipt, Result


def opened(**settings: object) -> MemoryChannel:
    context = Context("Memory", "TealHols", Path(), "id", FakeClock())
    return MemoryChannel(Nothing(), MemoryConfig.model_validate(settings), context)


def message(key: str, to: str = "ada@example.org") -> Message:
    return Message(key, 1, 1, "Welcome", "42", {"email": to}, to)


def results(receipts: Sequence[Receipt]) -> list[tuple[str, str]]:
    return [(each.message.key, each.result.value) for each in receipts]


def test_what_is_offered_is_sent_and_answered_in_order() -> None:
    channel = opened()
    assert channel.offer([message("a"), message("b")]) == 2
    assert results(channel.collect(0)) == [("a", "accepted"), ("b", "accepted")]
    assert [each.key for each in channel.sent] == ["a", "b"]
    assert list(channel.collect(60)) == []


def test_it_has_room_for_as_many_as_was_set() -> None:
    channel = opened(concurrency=1)
    assert channel.offer([message("a"), message("b")]) == 1
    assert channel.offer([message("b")]) == 0


def test_a_refused_address_harms_no_other() -> None:
    channel = opened()
    channel.refuse("bob@example.org")
    channel.offer(
        [message("a"), message("b", "bob@example.org"), message("c"), message("d", "bob@example.org")]
    )
    said = [result for _, result in results(channel.collect(0))]
    assert said == ["accepted", "refused", "accepted", "refused"]
    assert [each.key for each in channel.sent] == ["a", "c"]


def test_answers_come_as_asked_for_and_are_used_up() -> None:
    channel = opened()
    channel.answer(Result.UNAVAILABLE, times=2, retry_after=5)
    channel.answer(Result.AWAY, key="b")
    channel.offer([message("a"), message("a"), message("b"), message("a")])
    receipts = channel.collect(0)
    assert [each.result.value for each in receipts] == ["unavailable", "unavailable", "away", "accepted"]
    assert receipts[0].retry_after == 5
    assert [each.key for each in channel.tried] == ["a", "a", "b", "a"]


@pytest.mark.parametrize(("deduplicates", "times"), [(True, 1), (False, 2)])
def test_a_lost_answer_leaves_the_message_sent_and_a_repeat_is_known_or_not(
    deduplicates: bool, times: int
) -> None:
    channel = opened(deduplicates=deduplicates)
    assert channel.deduplicates is deduplicates
    channel.answer(Result.ANSWER_LOST, arrives=True)
    channel.offer([message("a"), message("a")])
    assert [result for _, result in results(channel.collect(0))] == ["answer lost", "accepted"]
    assert len(channel.sent) == times


def test_while_it_holds_nothing_is_answered_and_all_can_be_withdrawn() -> None:
    channel = opened()
    channel.hold()
    channel.offer([message("a")])
    assert list(channel.collect(0.001)) == []
    assert results(channel.withdraw()) == [("a", "not offered")]
    channel.offer([message("b")])
    channel.release()
    assert list(channel.withdraw()) == []
    assert results(channel.collect(0)) == [("b", "accepted")]
    assert [each.key for each in channel.sent] == ["b"]


def test_its_test_is_well() -> None:
    assert [stage.ok for stage in opened().check()] == [True]

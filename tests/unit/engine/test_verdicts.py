"""Verdicts: what follows from what a channel said of one try."""

from __future__ import annotations

import pytest

from whereupon.engine.verdicts import (
    ASIDE,
    RESENDS,
    Manners,
    Tried,
    back_off,
    bodiless,
    ended,
    not_any_more,
)
from whereupon.model.decided import FAILED, QUEUED, SENT, UNKNOWN, WAITING, WITHHELD
from whereupon.model.events import Message, Receipt, Result
from whereupon.storage.deliveries import Ending

NOW, HOUR = 1_767_225_600_000, 3_600_000
KEYED = Manners(7, deduplicates=True, key_window=24 * HOUR)
UNKEYED = Manners(7, deduplicates=False, key_window=24 * HOUR)
ADA = Message("k", 100, 3, "Hello", "ada", {"subject": "Hi"}, "ada@example.org", expires=NOW + HOUR)


def end(result: Result, tried: Tried = Tried(), manners: Manners = KEYED, **receipt: object) -> Ending:  # noqa: B008
    given = Receipt(ADA, result, started=NOW - 5, ended=NOW, **receipt)  # type: ignore[arg-type]
    return ended(given, tried, manners, now=NOW + 50, jitter=lambda: 1.0)


def test_an_accepted_message_is_sent_and_its_first_try_needs_no_row() -> None:
    assert end(Result.ACCEPTED) == Ending(ADA, 7, SENT, "", 1, NOW - 5, NOW)


def test_a_message_accepted_at_a_later_try_says_how_that_one_went() -> None:
    ending = end(Result.ACCEPTED, Tried(2, NOW - 9000, "unavailable"), answer="250 ok")
    assert (ending.state, ending.tries, ending.first_try) == (SENT, 3, NOW - 9000)
    assert ending.attempt == (NOW - 5, NOW, "accepted: 250 ok")


def test_a_refused_message_has_failed_and_is_no_dead_letter() -> None:
    ending = end(Result.REFUSED, answer="550 unknown")
    assert (ending.state, ending.reason, ending.dead) == (FAILED, "refused", None)
    assert ending.attempt == (NOW - 5, NOW, "refused: 550 unknown")


@pytest.mark.parametrize("result", [Result.AWAY, Result.NOT_OFFERED])
def test_what_surely_did_not_leave_is_queued_again_and_counts_no_try(result: Result) -> None:
    tried = Tried(2, NOW - 9000, "unavailable")
    assert end(result, tried) == Ending(ADA, 7, QUEUED, "unavailable", 2, NOW - 9000)


def test_a_message_that_found_the_other_side_away_too_often_steps_aside() -> None:
    ending = ended(Receipt(ADA, Result.AWAY), Tried(), KEYED, now=NOW, aside=True)
    assert (ending.state, ending.tries, ending.next_at) == (WAITING, 0, NOW + ASIDE)


def test_an_unavailable_side_is_tried_again_up_to_the_fifth_resend() -> None:
    waits = []
    tried = Tried()
    for _ in range(RESENDS):
        ending = end(Result.UNAVAILABLE, tried)
        assert ending.state == WAITING
        waits.append(ending.next_at - (NOW + 50))
        tried = Tried(ending.tries, ending.first_try, ending.reason)
    assert waits == [1_000, 4_000, 16_000, 64_000, 256_000]
    last = end(Result.UNAVAILABLE, tried, answer="503")
    assert (last.state, last.reason, last.tries) == (FAILED, "unavailable", RESENDS + 1)
    assert last.dead is not None
    assert (last.dead.stage, last.dead.place, last.dead.reason) == (
        "send",
        "Hello to ada",
        "unavailable: 503",
    )


def test_retry_after_wins_but_never_over_an_hour() -> None:
    assert end(Result.UNAVAILABLE, retry_after=7.5).next_at == NOW + 50 + 7_500
    assert end(Result.UNAVAILABLE, retry_after=86_400.0).next_at == NOW + 50 + HOUR


@pytest.mark.parametrize(
    ("tries", "least", "most"), [(1, 0.1, 1), (3, 1.6, 16), (7, 360, 3600), (40, 360, 3600)]
)
def test_the_pause_between_tries_grows_to_an_hour_with_jitter(tries: int, least: float, most: float) -> None:
    assert back_off(tries, None, lambda: 0.0) == pytest.approx(least)
    assert back_off(tries, None, lambda: 1.0) == pytest.approx(most)
    assert back_off(tries, -5, lambda: 1.0) == 0


def test_a_lost_answer_is_sent_again_where_the_receiver_knows_the_key() -> None:
    ending = end(Result.ANSWER_LOST)
    assert (ending.state, ending.reason) == (WAITING, "answer lost")


def test_a_lost_answer_is_unknown_where_the_receiver_does_not() -> None:
    ending = end(Result.ANSWER_LOST, manners=UNKEYED, answer="reset")
    assert (ending.state, ending.reason) == (UNKNOWN, "answer lost")
    assert ending.dead is not None
    assert ending.dead.reason == "answer lost: reset"


def test_a_lost_answer_is_unknown_once_the_receiver_has_forgotten_the_key() -> None:
    assert end(Result.ANSWER_LOST, Tried(1, NOW - 24 * HOUR + 1, "answer lost")).state == WAITING
    assert end(Result.ANSWER_LOST, Tried(1, NOW - 24 * HOUR, "answer lost")).state == UNKNOWN


def test_a_message_that_may_have_arrived_stays_so_through_later_tries() -> None:
    lost = Tried(2, NOW - 9000, "answer lost")
    assert end(Result.UNAVAILABLE, lost).reason == "answer lost"
    assert end(Result.UNAVAILABLE, Tried(RESENDS, NOW - 9000, "answer lost")).state == UNKNOWN
    assert end(Result.REFUSED, lost).state == FAILED


def test_a_message_that_needs_a_person_is_a_dead_letter_to_be_resent() -> None:
    ending = end(Result.SETUP, answer="the sender is unknown")
    assert (ending.state, ending.reason) == (FAILED, "setup")
    assert ending.dead is not None
    assert (ending.dead.event, ending.dead.campaign) == (100, 3)


def test_pause_and_expiry_are_asked_before_every_try() -> None:
    assert not_any_more(ADA, Tried(), KEYED, now=NOW, paused=False) is None
    paused = not_any_more(ADA, Tried(), KEYED, now=NOW, paused=True)
    expired = not_any_more(ADA, Tried(), KEYED, now=NOW + HOUR + 1, paused=False)
    assert paused is not None
    assert expired is not None
    assert [(each.state, each.reason) for each in (paused, expired)] == [
        (WITHHELD, "paused"),
        (WITHHELD, "expired"),
    ]


def test_a_message_without_expiry_never_expires() -> None:
    lasting = Message("k", 1, 1, "Hello", "ada", {})
    assert not_any_more(lasting, Tried(), KEYED, now=NOW, paused=False) is None


def test_a_message_that_may_have_arrived_is_unknown_and_not_withheld() -> None:
    ending = not_any_more(ADA, Tried(1, NOW, "answer lost"), KEYED, now=NOW, paused=True)
    assert ending is not None
    assert (ending.state, ending.dead is not None) == (UNKNOWN, True)


def test_a_message_whose_body_is_gone_has_failed_or_is_unknown() -> None:
    assert bodiless(100, 3, Tried(), KEYED, NOW).state == FAILED
    assert bodiless(100, 3, Tried(1, NOW, "answer lost"), KEYED, NOW).state == UNKNOWN

"""Presence: whether the other side of a channel is there, judged by its answers."""

from __future__ import annotations

from typing import Any

import pytest

from whereupon.engine.presence import IN_A_ROW, LONGEST_PROBE, PROBES, Presence
from whereupon.host.clock import FakeClock
from whereupon.model.events import Message, Receipt, Result


class Side:
    """One channel's other side, and what its answers come to."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.presence = Presence("ESP", clock=self.clock)

    def says(self, result: Result, key: str = "k", **more: Any) -> Result:
        message = Message(key, 1, 1, "Hello", "ada", {})
        return self.presence.judged([Receipt(message, result, **more)])[0].result

    @property
    def pause(self) -> float | None:
        """Seconds until the next probe."""
        absence = self.presence.absence
        return None if absence is None else absence.until - self.clock.monotonic()

    def probes(self, times: int, key: str = "k", **more: Any) -> list[Result]:
        results = []
        for _ in range(times):
            results.append(self.says(Result.AWAY, key, **more))
            self.clock.advance(self.pause or 0)
        return results


@pytest.fixture
def side(logs: Any) -> Side:
    logs.allow("channel is away")
    return Side()


def test_who_cannot_be_reached_is_away_for_a_second(side: Side) -> None:
    assert side.says(Result.AWAY, answer="connection refused") is Result.AWAY
    assert (side.pause, side.presence.absence and side.presence.absence.reason) == (1.0, "connection refused")
    assert not side.presence.probe_due
    side.clock.advance(1.0)
    assert side.presence.probe_due


def test_probes_are_a_second_apart_and_then_twice_as_far_up_to_a_minute(side: Side) -> None:
    pauses = []
    for _ in range(8):
        side.says(Result.AWAY)
        pauses.append(side.pause)
        side.clock.advance(side.pause or 0)
    assert pauses == [1, 2, 4, 8, 16, 32, 60, LONGEST_PROBE]


def test_retry_after_wins_but_never_over_an_hour(side: Side) -> None:
    side.says(Result.AWAY, retry_after=30.0)
    assert side.pause == 30.0
    side.clock.advance(30.0)
    side.says(Result.AWAY, retry_after=86_400.0)
    assert side.pause == 3600.0


def test_later_answers_of_the_same_absence_lengthen_nothing(side: Side) -> None:
    for _ in range(50):
        side.says(Result.AWAY)
    assert side.pause == 1.0


def test_one_success_opens_the_lane(side: Side) -> None:
    side.says(Result.AWAY)
    side.says(Result.ACCEPTED, "other")
    assert side.presence.absence is None
    side.says(Result.AWAY)
    assert side.pause == 1.0


def test_a_refusal_shows_nothing_of_the_others(side: Side) -> None:
    side.says(Result.AWAY)
    assert side.says(Result.REFUSED, "other") is Result.REFUSED
    assert side.presence.absence is not None


def test_twenty_in_a_row_mean_that_the_whole_side_is_away(side: Side) -> None:
    results = [side.says(Result.UNAVAILABLE, str(number)) for number in range(IN_A_ROW)]
    assert results == [Result.UNAVAILABLE] * (IN_A_ROW - 1) + [Result.AWAY]
    assert side.pause == 1.0


@pytest.mark.parametrize("other", [Result.ACCEPTED, Result.REFUSED, Result.ANSWER_LOST])
def test_any_other_answer_breaks_the_row(side: Side, other: Result) -> None:
    for number in range(IN_A_ROW - 1):
        side.says(Result.UNAVAILABLE, str(number))
    side.says(other, "between")
    assert side.says(Result.UNAVAILABLE, "next") is Result.UNAVAILABLE


def test_while_it_is_away_a_message_it_cannot_take_now_counts_no_try(side: Side) -> None:
    side.says(Result.AWAY)
    assert side.says(Result.UNAVAILABLE, "other") is Result.AWAY


def test_a_message_that_three_probes_refused_while_others_went_is_to_blame(side: Side) -> None:
    assert side.probes(2) == [Result.AWAY, Result.AWAY]
    side.says(Result.ACCEPTED, "other")
    assert side.says(Result.AWAY) is Result.UNAVAILABLE
    assert side.presence.absence is None


def test_one_that_is_denied_while_others_go_is_refused(side: Side) -> None:
    side.probes(2, denied=True)
    side.says(Result.ACCEPTED, "other")
    assert side.says(Result.AWAY, denied=True) is Result.REFUSED


def test_while_no_other_goes_nobody_is_to_blame(side: Side) -> None:
    assert side.probes(PROBES + 2) == [Result.AWAY] * (PROBES + 2)
    assert side.presence.probes("k") == PROBES + 2


def test_who_went_before_the_first_probe_is_no_witness(side: Side) -> None:
    side.says(Result.ACCEPTED, "other")
    assert side.probes(PROBES) == [Result.AWAY] * PROBES


def test_an_accepted_message_is_no_longer_suspected(side: Side) -> None:
    side.probes(2)
    side.says(Result.ACCEPTED)
    assert side.presence.probes("k") == 0


def test_only_so_many_suspects_are_remembered(side: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("whereupon.engine.presence.BLAMED", 2)
    for key in "abc":
        side.says(Result.AWAY, key)
    assert [side.presence.probes(key) for key in "abc"] == [0, 1, 1]


def test_what_was_not_offered_says_nothing(side: Side) -> None:
    assert side.says(Result.NOT_OFFERED) is Result.NOT_OFFERED
    assert side.says(Result.SETUP) is Result.SETUP
    assert side.presence.absence is None


def test_an_absence_without_words_has_some(side: Side) -> None:
    side.presence.gone("")
    assert side.presence.absence is not None
    assert side.presence.absence.reason == "can't be reached"

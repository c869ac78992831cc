"""Limits: how many messages a person may get in a sliding window."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from whereupon.engine.limits import Cap, Counted, Counters, caps, reached
from whereupon.model.durations import Duration
from whereupon.model.setup import Limit

HOUR = 3_600_000
ANY = Cap(2, "any", HOUR)


def counts(cap: Cap, *had: Counted, campaign: int = 1, channel: int = 1, now: int = HOUR) -> int:
    return Counters({"ada": list(had)}).counts("ada", (cap,), campaign=campaign, channel=channel, now=now)[0]


def test_a_limit_on_any_message_counts_all_campaigns_and_channels() -> None:
    assert counts(ANY, Counted(1, 1, 5), Counted(2, 2, 6)) == 2


def test_a_limit_on_the_channel_counts_only_that_channel() -> None:
    assert counts(Cap(2, "channel", HOUR), Counted(1, 1, 5), Counted(2, 1, 6), Counted(1, 2, 7)) == 2


def test_a_limit_on_the_campaign_counts_only_that_campaign() -> None:
    assert counts(Cap(2, "campaign", HOUR), Counted(1, 1, 5), Counted(2, 1, 6), Counted(1, 2, 7)) == 2


def test_a_message_leaves_the_window_when_it_is_exactly_as_old_as_the_window() -> None:
    assert counts(ANY, Counted(1, 1, 1), now=HOUR) == 1
    assert counts(ANY, Counted(1, 1, 0), now=HOUR) == 0


def test_a_limit_is_reached_by_as_many_as_it_allows() -> None:
    assert reached((ANY,), [1]) is None
    assert reached((ANY,), [2]) == ANY


def test_the_first_of_several_limits_that_is_reached_is_the_one_that_is_named() -> None:
    tight = Cap(1, "campaign", HOUR)
    assert reached((ANY, tight), [1, 1]) == tight
    assert reached((tight, ANY), [1, 2]) == tight


def test_a_message_decided_in_the_batch_takes_its_place_at_once() -> None:
    counters = Counters()
    counters.add("ada", Counted(1, 1, HOUR))
    assert counters.counts("ada", (ANY,), campaign=1, channel=1, now=HOUR) == [1]
    assert counters.counts("bob", (ANY,), campaign=1, channel=1, now=HOUR) == [0]


def test_what_is_counted_later_leaves_the_journals_answer_alone() -> None:
    answer = {"ada": [Counted(1, 1, 5)]}
    Counters(answer).add("ada", Counted(1, 1, 6))
    assert answer == {"ada": [Counted(1, 1, 5)]}


def test_persons_with_too_many_events_are_known_by_name() -> None:
    assert Counters(crowded=["ada"]).crowded == {"ada"}


def test_the_limits_of_a_campaign_are_compiled_to_milliseconds() -> None:
    limits = [
        Limit(at_most=3, within=Duration("1 day")),
        Limit(at_most=1, messages="channel", within=Duration("2 hours")),
    ]
    assert caps(limits) == (Cap(3, "any", 24 * HOUR), Cap(1, "channel", 2 * HOUR))


@given(st.lists(st.integers(0, 10 * HOUR), max_size=40), st.integers(1, 5), st.integers(1, 3 * HOUR))
def test_whatever_comes_when_no_window_ever_holds_more_than_the_limit(
    times: list[int], at_most: int, within: int
) -> None:
    cap, counters, sent = Cap(at_most, "any", within), Counters(), []
    for now in sorted(times):
        if reached((cap,), counters.counts("ada", (cap,), campaign=1, channel=1, now=now)) is None:
            counters.add("ada", Counted(1, 1, now))
            sent.append(now)
    for end in sent:
        assert sum(end - within < each <= end for each in sent) <= at_most

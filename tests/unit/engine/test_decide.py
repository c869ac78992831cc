"""Decide: what becomes of an event, before and inside the transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from tests.plans import NOW, decide, event, had, outcomes, plan_of, ready, said
from tests.world import BACK, PLAIN
from whereupon.engine import decide as module
from whereupon.engine.decide import (
    Records,
    StreamPlan,
    broken_campaign,
    explained,
    made,
    matched,
    placed,
    weight,
)
from whereupon.engine.limits import Counted
from whereupon.model.conditions import Known
from whereupon.model.content import ChannelTraits
from whereupon.model.decided import QUEUED, SENDING, WAITING
from whereupon.model.decoding import Bad, Decoded
from whereupon.model.events import Message, RawEvent, message_key

DAY, MINUTE = 86_400_000, 60_000
ADA = Records({"TealGreen": {"1001": {"firstname": "Ada"}}}, {})


def limited(at_most: int = 1, messages: str = "any", within: str = "1 day", **more: Any) -> dict[str, Any]:
    limit = {"at_most": at_most, "messages": messages, "within": within}
    return {**PLAIN, "limits": [limit], **more}


def all_of(channel: int, messages: Any) -> int:
    return len(messages)


# ------------------------------------------------------------------------------------------- match and render
def test_a_campaign_whose_audience_is_met_sends_its_message() -> None:
    decision = decide(plan := plan_of(BACK), ready(plan, event(1), records=ADA))
    assert outcomes(decision) == ["sending"]
    (message,) = decision.messages[plan.campaigns[0].channel]
    assert message.fields == {"email": "1001@example.org", "forename": "Ada", "subject": "Welcome back, Ada"}
    assert (message.person, message.address, message.stream) == ("1001", "1001@example.org", "SignIn")
    assert (message.event, message.event_id, message.campaign_name) == (100, "e1", "Welcome back")


def test_a_campaign_whose_audience_is_not_met_is_noted_as_asked() -> None:
    decision = decide(plan := plan_of(BACK), ready(plan, event(1, location=""), records=ADA))
    assert outcomes(decision) == []
    assert decision.record.events[0].unmet == [plan.campaigns[0].id]


def test_the_key_of_a_message_is_made_of_ids_that_last() -> None:
    plan = plan_of(PLAIN)
    (message,) = decide(plan, ready(plan, event(1))).messages[plan.campaigns[0].channel]
    assert message.key == message_key(plan.id, "e1", plan.campaigns[0].id, "1001", plan.campaigns[0].channel)


def test_what_the_stores_knew_is_kept_with_the_event() -> None:
    plan = plan_of(BACK)
    one, other = decide(plan, ready(plan, event(1), event(2), records=ADA)).record.events
    assert one.stores == {"TealGreen": {"firstname": "Ada"}}
    assert other.stores == {"TealGreen": None}


def test_a_person_who_is_not_in_the_store_gets_nothing() -> None:
    decision = decide(plan := plan_of(BACK), ready(plan, event(2), records=ADA))
    assert outcomes(decision) == ["withheld: not in store"]


def test_only_stores_that_some_campaign_needs_are_looked_up() -> None:
    assert plan_of(PLAIN).stores == frozenset()
    assert plan_of(PLAIN, BACK).stores == {"TealGreen"}


def test_a_condition_on_the_store_makes_it_be_looked_up_too() -> None:
    where = {"audience": {"stream": "SignIn", "where": {"field": "TealGreen.firstname", "is": "not empty"}}}
    assert plan_of({**PLAIN, **where}).stores == {"TealGreen"}


def test_campaigns_are_asked_by_priority_and_then_by_name() -> None:
    plan = plan_of(
        {**PLAIN, "name": "Beta"}, {**PLAIN, "name": "Alpha"}, {**PLAIN, "name": "Zeta", "priority": 1}
    )
    assert [each.name for each in plan.campaigns] == ["Zeta", "Alpha", "Beta"]


def test_a_refused_key_fails_the_campaigns_that_asked_and_no_other() -> None:
    plan = plan_of(BACK, PLAIN)
    records = Records({"TealGreen": {}}, {"TealGreen": {"1001": "key too odd"}})
    decision = decide(plan, ready(plan, event(1), event(2), records=records))
    assert outcomes(decision) == [
        "sending",
        "failed: store refused the key",
        "sending",
        "withheld: not in store",
    ]
    (letter,) = decision.dead
    assert (letter.stage, letter.event, letter.reason) == ("decide", 100, "TealGreen: key too odd")


def test_a_message_larger_than_its_channel_takes_is_withheld() -> None:
    plan = plan_of(PLAIN)
    small = replace(plan.campaigns[0], largest=10)
    assert outcomes(decide(plan, ready(replace(plan, campaigns=(small,)), event(1)))) == [
        "withheld: too large"
    ]


def test_a_batch_ends_early_where_its_messages_pass_the_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BATCH_SIZE", 40)
    plan = plan_of(PLAIN)
    events = [event(number) for number in range(10)]
    size = weight({"email": "1000@example.org", "subject": "Hello"})
    assert len(ready(plan, *events)) == 40 // size + 1


def test_an_event_that_nobody_foresaw_is_a_dead_letter_and_its_neighbours_go_on() -> None:
    plan = plan_of(PLAIN)

    def fall(known: Known) -> bool:
        if known.stream["location"] == "Atlantis":
            raise ZeroDivisionError("no such place")
        return True

    odd = replace(plan, campaigns=(replace(plan.campaigns[0], admits=fall),))
    batch = ready(odd, event(1), event(2, location="Atlantis"), event(3))
    decision = decide(odd, batch)
    assert outcomes(decision) == ["sending", "sending"]
    assert [each.reason for each in decision.dead] == ["unexpected: ZeroDivisionError('no such place')"]
    assert [type(each.failure) for each in batch] == [type(None), ZeroDivisionError, type(None)]


def test_a_campaign_that_cannot_be_compiled_makes_dead_letters_of_all_it_could_have_sent() -> None:
    plan = plan_of(PLAIN)
    broken = broken_campaign(plan.campaigns[0].published, "the template is gone")
    decision = decide(plan, ready(replace(plan, campaigns=(broken,)), event(1)))
    assert outcomes(decision) == ["failed: held"]
    assert [each.reason for each in decision.dead] == ["the template is gone"]


def test_a_broken_campaign_renders_nothing() -> None:
    plan = plan_of(PLAIN)
    known = Known(stream={}, stores={}, row={}, at=NOW, zone=plan.zone)
    assert made(broken_campaign(plan.campaigns[0].published, "gone"), known) == {}


def test_a_plan_can_be_had_for_one_campaign_alone() -> None:
    plan = plan_of(PLAIN, BACK)
    wanted = plan.campaigns[1]
    assert plan.alone(wanted.id) == replace(plan, campaigns=(wanted,))


def test_each_condition_of_an_audience_is_explained() -> None:
    plan = plan_of(PLAIN, BACK)
    known = Known(stream={"location": ""}, stores={}, row={}, at=NOW, zone=plan.zone)
    by_name = {each.name: explained(each, known) for each in plan.campaigns}
    assert by_name["Hello"] == []
    assert [each.held for each in by_name["Welcome back"]] == [False]


# --------------------------------------------------------------------------------------------- bad and repeated
def test_an_event_that_cannot_be_used_is_a_dead_letter_that_says_where_it_stands() -> None:
    plan = plan_of(PLAIN)
    bad = (RawEvent(3, 17, b"{", NOW), Bad("urn", "the Reference is missing or empty"))
    whole = (RawEvent(3, 18, None, NOW), Bad("", "it has no value"))
    decision = decide(plan, ready(plan, bad, event(1), whole))
    assert outcomes(decision) == ["sending"]
    assert [(each.stage, each.place, each.reason, each.raw) for each in decision.dead] == [
        ("decode", "SignIn, partition 3, offset 17", "urn: the Reference is missing or empty", b"{"),
        ("decode", "SignIn, partition 3, offset 18", "it has no value", None),
    ]


def test_an_event_that_was_decided_before_is_a_repeat() -> None:
    plan = plan_of(PLAIN)
    decision = decide(plan, ready(plan, event(1), event(2)), repeats={("1001", "e1")})
    assert [each.event_id for each in decision.record.events] == ["e2"]
    assert [(each.person, each.event_id, each.offset) for each in decision.record.repeats] == [
        ("1001", "e1", 1)
    ]


def test_an_event_that_comes_twice_in_one_batch_is_decided_once() -> None:
    plan = plan_of(PLAIN)
    again = (RawEvent(1, 9, b"{}", NOW), event(1)[1])
    decision = decide(plan, ready(plan, event(1), again))
    assert outcomes(decision) == ["sending"]
    assert [(each.partition, each.offset) for each in decision.record.repeats] == [(1, 9)]


def test_the_same_id_of_another_person_is_another_event() -> None:
    plan = plan_of(PLAIN)
    raw, one = event(1)
    assert isinstance(one, Decoded)
    other = Decoded(one.event_id, "bob", one.at, one.fields)
    assert outcomes(decide(plan, ready(plan, (raw, one), (raw, other)))) == ["sending", "sending"]


# ------------------------------------------------------------------------------------------- age, pause and hold
def test_an_event_older_than_the_time_of_repeats_is_too_old() -> None:
    plan = plan_of(PLAIN)
    late = NOW - 90 * DAY
    assert outcomes(decide(plan, ready(plan, event(1, at=late - 1)))) == ["withheld: too old"]
    assert outcomes(decide(plan, ready(plan, event(1, at=late)))) == ["withheld: expired"]


def test_a_campaign_without_expires_expires_events_after_a_day() -> None:
    plan = plan_of(PLAIN)
    assert outcomes(decide(plan, ready(plan, event(1, at=NOW - DAY)))) == ["sending"]
    assert outcomes(decide(plan, ready(plan, event(1, at=NOW - DAY - 1)))) == ["withheld: expired"]


def test_a_campaign_says_itself_when_events_expire_and_the_message_knows_it() -> None:
    plan = plan_of({**PLAIN, "expires": "5 minutes"})
    decision = decide(plan, ready(plan, event(1, at=NOW - MINUTE)))
    assert decision.messages[plan.campaigns[0].channel][0].expires == NOW + 4 * MINUTE
    assert outcomes(decide(plan, ready(plan, event(1, at=NOW - 5 * MINUTE - 1)))) == ["withheld: expired"]


def test_a_paused_campaign_withholds_and_counts_nothing() -> None:
    plan = plan_of(limited(), {**limited(), "name": "Other"})
    paused = {plan.campaigns[0].id}
    assert outcomes(decide(plan, ready(plan, event(1)), paused=paused)) == ["withheld: paused", "sending"]


def test_a_held_campaign_makes_dead_letters() -> None:
    plan = plan_of(PLAIN)
    decision = decide(plan, ready(plan, event(1)), held={plan.campaigns[0].id: "the sender is unknown"})
    assert outcomes(decision) == ["failed: held"]
    assert [(each.reason, each.campaign) for each in decision.dead] == [
        ("the sender is unknown", plan.campaigns[0].id)
    ]


# ------------------------------------------------------------------------------------------------------- limits
def test_the_second_event_of_a_person_in_one_batch_finds_the_limit_of_one_reached() -> None:
    plan = plan_of(limited())
    decision = decide(plan, ready(plan, event(1, person="ada"), event(2, person="ada")))
    assert outcomes(decision) == ["sending", "withheld: limit"]
    assert [each.traces[0].counts for each in decision.record.events] == [[0], [1]]


def test_what_the_person_has_had_before_counts() -> None:
    plan = plan_of(limited())
    counters = had("ada", Counted(99, 99, NOW - MINUTE))
    assert outcomes(decide(plan, ready(plan, event(1, person="ada")), counters=counters)) == [
        "withheld: limit"
    ]


def test_campaigns_that_match_one_event_share_its_persons_limit_by_priority() -> None:
    plan = plan_of(limited(), {**limited(), "name": "First", "priority": 5})
    decision = decide(plan, ready(plan, event(1)))
    assert [(each.name) for each in plan.campaigns] == ["First", "Hello"]
    assert outcomes(decision) == ["sending", "withheld: limit"]


def test_a_withheld_message_takes_no_place() -> None:
    plan = plan_of({**BACK, "limits": limited()["limits"]}, {**limited(), "name": "Zeta", "priority": -1})
    assert outcomes(decide(plan, ready(plan, event(2), records=ADA))) == ["withheld: not in store", "sending"]


def test_a_person_with_too_many_events_is_withheld_where_a_limit_asks() -> None:
    plan = plan_of(limited(), {**PLAIN, "name": "Free"})
    decision = decide(plan, ready(plan, event(1)), counters=had("1001", crowded=["1001"]))
    assert sorted(outcomes(decision)) == ["sending", "withheld: too many events"]


def test_filling_a_store_never_counts() -> None:
    fill = {**limited(), "message": {"content": [{"field": "firstname", "from": "SignIn.email"}],
            "delivery": {"channel": "ESP"}}}  # fmt: skip
    plan = plan_of(fill, traits=ChannelTraits(fills="store"))
    assert not plan.campaigns[0].counts
    decision = decide(plan, ready(plan, event(1, person="ada"), event(2, person="ada")))
    assert outcomes(decision) == ["sending", "sending"]


def test_the_longest_window_says_how_far_back_the_journal_is_asked() -> None:
    assert plan_of(PLAIN).widest == 0
    assert plan_of(limited(within="2 hours"), {**limited(within="1 day"), "name": "Other"}).widest == DAY


def test_a_reason_comes_before_the_limit() -> None:
    plan = plan_of(limited())
    withheld = replace(plan.campaigns[0], largest=1)
    decision = decide(plan, ready(replace(plan, campaigns=(withheld,)), event(1)))
    assert outcomes(decision) == ["withheld: too large"]
    assert decision.record.events[0].traces[0].counts == []


# ------------------------------------------------------------------------------------- where the messages go
def three(plan: StreamPlan, person: str = "") -> Any:
    return decide(plan, ready(plan, *(event(number, person=person) for number in (1, 2, 3))))


def states(decision: Any) -> list[str]:
    return [said(trace) for each in decision.record.events for trace in each.traces]


def test_messages_go_to_their_lane_as_far_as_it_has_places_and_queue_behind() -> None:
    decision = three(plan := plan_of(PLAIN))
    channel = plan.campaigns[0].channel
    places = placed(decision, claim=lambda channel, messages: 2, behind={}, steady=NOW)
    assert states(decision) == [SENDING, SENDING, QUEUED]
    assert places.queued == {channel: 1}
    assert [each.event for each in decision.messages[channel]] == [100, 101]


def test_where_the_lane_has_places_for_all_nothing_is_queued() -> None:
    decision = three(plan_of(PLAIN))
    places = placed(decision, claim=all_of, behind={}, steady=NOW)
    assert (places.queued, places.joined, states(decision)) == ({}, [], [SENDING] * 3)


def test_a_message_joins_its_persons_earlier_one_that_waits() -> None:
    decision = three(plan := plan_of(PLAIN), "ada")
    channel = plan.campaigns[0].channel
    asked: list[int] = []

    def claim(channel: int, messages: Sequence[Message]) -> int:
        asked.append(len(messages))
        return len(messages)

    places = placed(decision, claim=claim, behind={(channel, "ada"): NOW + 5_000}, steady=NOW)
    assert states(decision) == [WAITING] * 3
    assert [each.next_at for each in places.joined] == [NOW + 5_001] * 3
    assert asked == []
    assert decision.messages == {channel: []}


def test_a_message_waits_for_an_earlier_one_for_a_minute_at_most() -> None:
    decision = three(plan := plan_of(PLAIN), "ada")
    behind = {(plan.campaigns[0].channel, "ada"): NOW + 3_600_000}
    places = placed(decision, claim=all_of, behind=behind, steady=NOW)
    assert {each.next_at for each in places.joined} == {NOW + MINUTE}


def test_only_the_persons_own_messages_wait() -> None:
    decision = three(plan := plan_of(PLAIN))
    placed(decision, claim=all_of, behind={(plan.campaigns[0].channel, "1002"): NOW}, steady=NOW)
    assert states(decision) == [SENDING, WAITING, SENDING]


def test_the_number_of_a_decision_is_its_first_events() -> None:
    plan = plan_of(PLAIN)
    assert decide(plan, ready(plan, event(1), event(2))).first == 100
    assert decide(plan, []).first == 0


def test_matching_alone_says_the_same_as_in_a_batch() -> None:
    plan = plan_of(BACK)
    raw, one = event(1)
    assert isinstance(one, Decoded)
    assert matched(plan, raw, one, ADA) == ready(plan, (raw, one), records=ADA)[0]


def test_a_trace_says_more_than_its_reason() -> None:
    plan = plan_of(limited())
    decision = decide(plan, ready(plan, event(1, person="ada"), event(2, person="ada")))
    assert decision.record.events[1].traces[0].detail == "1 messages (any) within 1 day are reached"

"""What is told of one event, by what the batch kept."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import pytest

from tests.plans import NOW, decide, plan_of, ready
from tests.world import BACK, PLAIN, setup_of
from whereupon.engine.decide import NO_RECORDS, CampaignPlan, Records, StreamPlan
from whereupon.engine.explain import Attempt, CampaignStory, Ended, Story, campaign_stories
from whereupon.engine.limits import Counted, Counters
from whereupon.model.decided import BatchRecord
from whereupon.model.decoding import Decode, decoder
from whereupon.model.events import RawEvent

pytestmark = pytest.mark.req("NEW-02")
ADA = Records({"TealGreen": {"1001": {"firstname": "Ada"}}}, {})
LIMITED = {**BACK, "limits": [{"at_most": 2, "messages": "campaign", "within": "1 day"},
                              {"at_most": 5, "messages": "any", "within": "1 hour"}]}  # fmt: skip
STREAM = setup_of().streams.streams[0]


def decided(
    plan: StreamPlan, *, records: Records = ADA, location: str = "Lisbon", **facts: Any
) -> BatchRecord:
    """One sign-in of ada's, decided; the record as the journal keeps it."""
    value = {"id": "e1", "urn": "1001", "email": "ada@example.org", "location": location}
    raw = RawEvent(0, 7, json.dumps(value).encode(), NOW)
    event = decoder(STREAM, plan.zone)(raw, "topic", NOW)
    return decide(plan, ready(plan, (raw, event), records=records), **facts).record


def told(
    plan: StreamPlan, record: BatchRecord, *, decode: Decode | None = None, gone: Sequence[int] = (), **more: Any
) -> list[CampaignStory]:  # fmt: skip
    """The stories of the record's one event."""
    plans = {(each.id, each.version): each for each in plan.campaigns if each.id not in gone}

    def version(campaign: int, number: int) -> CampaignPlan | None:
        return plans.get((campaign, number))

    return campaign_stories(
        record, record.events[0], decode=decode or decoder(STREAM, plan.zone), zone=plan.zone, versions=version,
        ended=more.get("ended", {}), attempts=more.get("attempts", {}), current=lambda campaign: 1,
    )  # fmt: skip


def test_each_condition_is_told_with_its_outcome_and_the_value_that_it_met() -> None:
    plan = plan_of(BACK)
    [story] = told(plan, decided(plan))
    [condition] = story.conditions
    assert (condition.words, condition.held, condition.value) == (
        "SignIn.location is not empty",
        True,
        "Lisbon",
    )
    assert story.matched


def test_an_audience_that_is_not_met_shows_the_condition_that_failed_and_no_message() -> None:
    plan = plan_of(BACK)
    [story] = told(plan, decided(plan, location=""))
    assert [(each.words, each.held, each.value) for each in story.conditions] == [
        ("SignIn.location is not empty", False, "")
    ]
    assert (story.name, story.version, story.matched, story.fields) == ("Welcome back", 1, False, {})


def test_a_condition_on_a_store_is_asked_of_the_record_of_that_time() -> None:
    where = {"all": [{"field": "TealGreen.firstname", "is": "equals", "value": "Ada"}]}
    plan = plan_of({**BACK, "audience": {"stream": "SignIn", "where": where}})
    record = decided(plan)
    [story] = told(plan, record)
    assert [(each.held, each.value) for each in story.conditions] == [(True, "Ada")]
    record.events[0].stores["TealGreen"] = {"firstname": "Bo"}
    [story] = told(plan, record)
    assert [(each.held, each.value) for each in story.conditions] == [(False, "Bo")]


def test_counters_are_told_as_they_stood_beside_each_limit() -> None:
    plan = plan_of(LIMITED)
    [campaign] = plan.campaigns
    before = [Counted(campaign.id, campaign.channel, NOW - 5_000), Counted(99, 99, NOW - 5_000)]
    [story] = told(plan, decided(plan, counters=Counters({"1001": before})))
    assert story.limits == [
        "1 of 2 messages (campaign) within 1 day",
        "2 of 5 messages (any) within 1 hour",
    ]
    assert story.fields["subject"] == "Welcome back, Ada"
    assert len(story.key) == 64


def test_a_withheld_message_is_told_with_what_it_was_withheld_by() -> None:
    plan = plan_of(LIMITED)
    [campaign] = plan.campaigns
    before = [Counted(campaign.id, campaign.channel, NOW - each) for each in (1000, 2000)]
    [story] = told(plan, decided(plan, counters=Counters({"1001": before})))
    assert story.limits[0].startswith("2 of 2 messages")
    assert story.detail == "2 messages (campaign) within 1 day are reached"


def test_the_end_and_each_try_belong_to_their_campaign() -> None:
    plan = plan_of(BACK, PLAIN)
    back = plan.campaigns[1]
    ended = Ended(back.id, 1, "failed", "refused", 2, NOW, NOW, NOW + 9)
    tries = [Attempt(1, NOW, NOW + 4, "503"), Attempt(2, NOW + 5, NOW + 9, "400 No such address")]
    stories = told(plan, decided(plan), ended={back.id: ended}, attempts={back.id: tries})
    assert {each.name: (each.ended, list(each.attempts)) for each in stories} == {
        "Hello": (None, []), "Welcome back": (ended, tries),
    }  # fmt: skip


def test_a_version_that_can_no_longer_be_compiled_leaves_what_the_batch_kept() -> None:
    plan = plan_of(LIMITED)
    record = decided(plan)
    [story] = told(plan, record, gone=[plan.campaigns[0].id])
    assert (story.name, story.conditions, story.limits) == ("Welcome back", (), [])
    assert story.fields["subject"] == "Welcome back, Ada"


def test_an_unmet_campaign_that_is_gone_is_told_by_its_number() -> None:
    plan = plan_of(BACK)
    number = plan.campaigns[0].id
    [story] = told(plan, decided(plan, location=""), gone=[number])
    assert (story.name, story.matched) == (str(number), False)


def test_where_the_stream_is_gone_conditions_are_left_out() -> None:
    plan = plan_of(BACK)
    record = decided(plan)
    [story] = campaign_stories(
        record, record.events[0], decode=None, zone=plan.zone,
        versions=lambda campaign, version: plan.campaigns[0], ended={}, attempts={}, current=lambda campaign: 1,
    )  # fmt: skip
    assert (story.conditions, story.fields["subject"]) == ((), "Welcome back, Ada")


def test_a_missing_record_is_told_as_the_reason() -> None:
    plan = plan_of(BACK)
    [story] = told(plan, decided(plan, records=NO_RECORDS))
    assert (story.fields, bool(story.detail)) == ({}, True)


def test_a_story_is_plain_values_for_scripts() -> None:
    plan = plan_of(BACK)
    story = Story(1, "SignIn", "1001", "e1", NOW, NOW, kept=True, campaigns=told(plan, decided(plan)))
    said = json.loads(json.dumps(asdict(story)))
    assert (said["event"], said["kept"], said["campaigns"][0]["conditions"][0]["held"]) == (1, True, True)

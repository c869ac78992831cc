"""All problems of a set-up."""

from __future__ import annotations

from tests.unit.model.mistakes import KINDS, TRAITS, Example, campaign, channel
from whereupon.model.problems import campaign_problems, problems
from whereupon.model.setup import Setup


def test_the_worked_example_has_nothing_but_advice(tealhols: Setup) -> None:
    found = problems(tealhols, TRAITS, kinds=KINDS)
    assert [(each.severity, each.place) for each in found] == [("advice", "campaigns › Welcome › content")]


def test_a_set_up_with_nothing_in_it_has_no_problems() -> None:
    assert problems(Setup.model_validate({"system": {"name": "Empty"}}), {}) == []


def test_kinds_that_nobody_lists_are_not_checked(example: Example) -> None:
    channel(example)["type"] = "pigeon"
    assert all(each.severity == "advice" for each in problems(Setup.model_validate(example), TRAITS))


def test_a_campaign_can_be_asked_alone(example: Example) -> None:
    campaign(example)["pool"] = 5
    setup = Setup.model_validate(example)
    assert list(campaign_problems(setup, setup.campaigns[0], TRAITS)) == []
    assert [each.place for each in campaign_problems(setup, setup.campaigns[1], TRAITS)] == [
        "campaigns › Welcome back › pool"
    ]

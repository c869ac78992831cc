"""The set-up as files hold it."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from whereupon.model.setup import Provider, RealtimeData, Rule, Setup


@pytest.mark.req("NEW-03")
def test_the_worked_example_survives_being_written_and_read(tealhols: Setup) -> None:
    written = tealhols.model_dump(by_alias=True, mode="json", exclude_unset=True)
    assert Setup.model_validate(yaml.safe_load(yaml.safe_dump(written))) == tealhols
    assert Setup.model_validate_json(tealhols.model_dump_json(by_alias=True)) == tealhols


def test_parts_are_found_by_name(tealhols: Setup) -> None:
    assert tealhols.stream("SignIn") is tealhols.streams.streams[0]
    assert tealhols.store("TealGreen") is tealhols.pull_marketing.stores[0]
    assert tealhols.channel("Mail") is tealhols.channels[2]
    assert tealhols.table("People") is tealhols.data.tables[0]
    assert tealhols.campaign("Welcome") is tealhols.campaigns[2]
    assert tealhols.campaign("welcome") is None


def test_schedules_and_durations_are_read(tealhols: Setup) -> None:
    assert tealhols.campaigns[1].schedule.triggered
    assert str(tealhols.realtime_data.load_communications) == "daily 03:00"
    assert str(RealtimeData().recognise_repeats) == "90 days"


def test_a_rule_without_a_condition_is_written_as_else(tealhols: Setup) -> None:
    rules = tealhols.campaigns[0].message.content[1].when
    assert rules is not None
    assert (rules[1].condition, rules[1].text) == (None, "TEAL5")
    assert Rule(text="x") == Rule.model_validate({"else": "x"}) == Rule.model_validate(Rule(text="x"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"colour": "teal"}, "colour"),
        ({"channels": [{"type": "smtp"}]}, "channels.0.name"),
        ({"system": {}}, "system.name"),
    ],
)
def test_what_a_set_up_does_not_know_is_refused(
    example: dict[str, Any], change: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValidationError, match=said):
        Setup.model_validate({**example, **change})


@pytest.mark.parametrize("name", ["Wel\ncome", "red \x1b[31m", "turned \u202e round", "bell \x07"])
def test_a_name_has_no_characters_that_are_not_seen(name: str) -> None:
    with pytest.raises(ValidationError, match="aren't seen"):
        Provider(name=name, type="local")


@pytest.mark.parametrize("name", ["Größe – 50 %", "名前", "می‌خواهم", "no\u00a0break"])
def test_a_name_may_be_written_in_any_language(name: str) -> None:
    assert Provider(name=name, type="local").name == name

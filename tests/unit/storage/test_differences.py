"""Differences of set-ups, in lines."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from whereupon.host.paths import resources
from whereupon.model.setup import Setup
from whereupon.storage.differences import differences, normal
from whereupon.storage.files import read_file

EXAMPLE = read_file(resources() / "example" / "tealhols.yaml").setup


def changed(change: Any) -> Setup:
    data = copy.deepcopy(EXAMPLE.model_dump(mode="json", by_alias=True, exclude_defaults=True))
    change(data)
    return Setup.model_validate(data)


def lines(change: Any) -> list[str]:
    return differences(EXAMPLE, changed(change))


def test_nothing_differs_from_itself() -> None:
    assert differences(EXAMPLE, EXAMPLE) == []
    assert lines(lambda data: None) == []


def test_a_new_system_has_every_part_added() -> None:
    found = differences(None, EXAMPLE)
    assert "Campaign Welcome back: added" in found
    assert "Stream provider Confluent: added" in found
    assert len(found) == 13


def test_whether_a_campaign_is_published_is_no_difference() -> None:
    assert lines(lambda data: data["campaigns"][0].update(publish=False)) == []


def rename(data: Any) -> None:
    data["channels"][1]["name"] = "Other"


def test_a_part_of_another_name_is_one_added_and_one_removed() -> None:
    assert lines(rename) == ["Channel Other: added", "Channel ESP: removed"]


def test_a_changed_text_is_shown_from_and_to() -> None:
    found = lines(lambda data: data["campaigns"][2]["message"]["content"][2].update(text="Hello"))
    assert found == ["Campaign Welcome: message: content: subject: text: “Welcome” → “Hello”"]


def test_a_changed_condition_is_shown_in_words() -> None:
    def change(data: Any) -> None:
        data["campaigns"][1]["audience"]["where"] = {
            "field": "SignIn.location",
            "is": "equals",
            "value": "Rome",
        }

    assert lines(change) == [
        "Campaign Welcome back: audience: where: SignIn.location is not empty → SignIn.location equals “Rome”"
    ]
    assert lines(lambda data: data["campaigns"][1]["audience"].pop("where")) == [
        "Campaign Welcome back: audience: where: SignIn.location is not empty → none"
    ]


def test_fields_are_compared_by_name() -> None:
    def change(data: Any) -> None:
        data["streams"]["streams"][0]["fields"][2]["label"] = "Place"
        data["streams"]["streams"][0]["fields"].append({"name": "device", "type": "String"})
        data["channels"][1]["fields"].remove("offer")

    assert lines(change) == [
        "Stream SignIn: fields: location: label: “Location” → “Place”",
        "Stream SignIn: fields: device added",
        "Channel ESP: fields: offer removed",
    ]


def test_another_order_of_content_is_said() -> None:
    found = lines(lambda data: data["campaigns"][2]["message"]["content"].reverse())
    assert found == ["Campaign Welcome: message: content: order is now body, subject, location, email"]


def test_lists_without_names_are_shown_whole() -> None:
    found = lines(lambda data: data["campaigns"][1]["limits"][0].update(at_most=5))
    assert found == [
        'Campaign Welcome back: limits: [{"at_most": 3, "messages": "any", "within": "1 day"}] → '
        '[{"at_most": 5, "messages": "any", "within": "1 day"}]'
    ]


def test_a_list_that_comes_or_goes_and_one_with_twins_is_shown() -> None:
    assert lines(lambda data: data["campaigns"][1].pop("limits")) == [
        'Campaign Welcome back: limits: [{"at_most": 3, "messages": "any", "within": "1 day"}] → none'
    ]
    assert lines(lambda data: data["channels"][1]["fields"].append("email")) == [
        'Channel ESP: fields: ["email", "forename", "offer", "location", "subject", "body"] → '
        '["email", "forename", "offer", "location", "subject", "body", "email"]'
    ]


def test_settings_are_shown_and_secrets_are_not() -> None:
    def change(data: Any) -> None:
        data["channels"][1]["settings"].update(
            url="https://other.example", token="literal-secret", concurrency=8
        )

    found = lines(change)
    assert found == [
        "Channel ESP: settings: url: “https://esp.example/send” → “https://other.example”",
        "Channel ESP: settings: token: changed",
        "Channel ESP: settings: concurrency: 64 → 8",
    ]


def test_a_secret_that_comes_or_goes_is_said_to() -> None:
    def change(data: Any) -> None:
        data["channels"][1]["settings"].pop("token")
        data["pull_marketing"]["stores"][0]["settings"]["token"] = "literal-secret"

    assert lines(change) == [
        "Store TealGreen: settings: token: set",
        "Channel ESP: settings: token: removed",
    ]


@pytest.mark.parametrize(
    ("part", "value", "line"),
    [
        ("system", {"name": "TealHols"}, "System: time_zone: “Europe/London” → “UTC”"),
        (
            "realtime_data",
            {"load_communications": "every 2 hours"},
            "Realtime data: load_communications: “daily 03:00” → “every 2 hours”",
        ),
    ],
)
def test_the_systems_own_settings_are_compared(part: str, value: dict[str, str], line: str) -> None:
    assert lines(lambda data: data.update({part: value})) == [line]


def test_a_long_text_is_cut() -> None:
    found = lines(lambda data: data["campaigns"][2]["message"]["content"][2].update(text="x" * 1000))
    assert len(found[0]) < 250
    assert found[0].endswith("…")


def test_the_normal_form_gives_the_same_set_up_back() -> None:
    again = Setup.model_validate(normal(EXAMPLE))
    assert normal(again) == normal(EXAMPLE)

"""Published versions."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from whereupon.host.paths import resources
from whereupon.kit.registry import Registry, discover
from whereupon.model.errors import SetupError
from whereupon.model.setup import Campaign, Setup
from whereupon.storage.files import read_file
from whereupon.storage.versions import Body, body_of, errors, is_published, published

EXAMPLE = read_file(resources() / "example" / "tealhols.yaml").setup


@pytest.fixture(scope="module")
def registry() -> Registry:
    return discover()


def changed(change: Any) -> Setup:
    data = copy.deepcopy(EXAMPLE.model_dump(mode="json", by_alias=True, exclude_defaults=True))
    change(data)
    return Setup.model_validate(data)


def campaign(setup: Setup, name: str = "Welcome back") -> Campaign:
    found = setup.campaign(name)
    assert found is not None
    return found


def body(setup: Setup, registry: Registry, name: str = "Welcome back") -> Body:
    return body_of(setup, campaign(setup, name), registry)


def test_a_version_keeps_the_field_lists_of_the_parts_it_uses(registry: Registry) -> None:
    made = body(EXAMPLE, registry)
    assert made.stream is not None
    assert [each.name for each in made.stream.fields] == ["urn", "email", "location"]
    assert [each.name for each in made.stores] == ["TealGreen"]
    assert made.channel.fields == ("email", "forename", "offer", "location", "subject", "body")
    assert body(EXAMPLE, registry, "Welcome").stores == ()
    assert [each.name for each in body(EXAMPLE, registry, "Fill TealGreen").stores] == ["TealGreen"]


def test_a_version_holds_no_settings_and_comes_back_from_its_text(registry: Registry) -> None:
    for each in EXAMPLE.campaigns:
        made = body_of(EXAMPLE, each, registry)
        assert "settings" not in made.text()
        assert Body.read(made.text()) == made


def test_settings_do_not_make_another_version_but_fields_do(registry: Registry) -> None:
    made = body(EXAMPLE, registry)
    other = changed(lambda data: data["channels"][1]["settings"].update(url="https://other.example"))
    assert is_published(other, campaign(other), made, registry)
    fewer = changed(lambda data: data["channels"][1]["fields"].append("phone"))
    assert not is_published(fewer, campaign(fewer), made, registry)
    unrelated = changed(
        lambda data: data["pull_marketing"]["stores"].append(
            {"name": "Other", "provider": "Built in", "settings": {"dataStoreName": "Other"}}
        )
    )
    assert is_published(unrelated, campaign(unrelated), made, registry)


def test_a_draft_with_mistakes_is_not_what_is_published(registry: Registry) -> None:
    made = body(EXAMPLE, registry)
    broken = changed(
        lambda data: data["campaigns"][1]["message"]["content"][1].update({"from": "Nowhere.field"})
    )
    assert not is_published(broken, campaign(broken), made, registry)
    nowhere = changed(lambda data: data["campaigns"][1]["message"]["delivery"].update(channel="Nowhere"))
    assert not is_published(nowhere, campaign(nowhere), made, registry)
    assert not is_published(EXAMPLE, campaign(EXAMPLE), None, registry)
    with pytest.raises(SetupError, match="no channel"):
        body(nowhere, registry)


def test_what_runs_has_its_own_fields_and_the_present_settings(registry: Registry) -> None:
    def change(data: Any) -> None:
        data["channels"][1].update(settings={"url": "https://new.example"}, fields=["email"])
        data["streams"]["streams"][0].update(fields=[], event_id="other")

    running = published(changed(change), 11, 3, body(EXAMPLE, registry), {("channel", "ESP"): 8})
    assert (running.id, running.version, running.channel_id) == (11, 3, 8)
    assert running.channel.settings == {"url": "https://new.example"}
    assert "body" in running.channel.fields
    assert running.stream is not None
    assert running.stream.event_id == "other"
    assert len(running.stream.fields) == 3
    assert running.stores[0].settings == {"dataStoreName": "TealGreen"}


def test_a_part_that_is_gone_gives_a_published_version_an_error(registry: Registry) -> None:
    made = body(EXAMPLE, registry)
    assert errors(EXAMPLE, made, registry) == []
    gone = changed(lambda data: data["channels"].pop(1))
    said = [str(each) for each in errors(gone, made, registry)]
    assert said
    assert "as published" in said[0]
    assert published(gone, 1, 1, made, {("channel", "ESP"): 8}).channel.name == "ESP"


def test_other_fields_of_a_part_give_a_published_version_no_error(registry: Registry) -> None:
    def change(data: Any) -> None:
        data["streams"]["streams"][0]["fields"] = data["streams"]["streams"][0]["fields"][:1]
        data["channels"][1]["fields"] = []
        data["pull_marketing"]["stores"][0]["fields"] = data["pull_marketing"]["stores"][0]["fields"][:1]

    assert errors(changed(change), body(EXAMPLE, registry), registry) == []

"""Problems of a set-up with its components' say."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from whereupon.host.paths import resources
from whereupon.kit.registry import Registry, discover
from whereupon.model.setup import Setup
from whereupon.storage.checks import concerning, found, settings_problems, traits
from whereupon.storage.files import read_file

EXAMPLE = read_file(resources() / "example" / "tealhols.yaml").setup


@pytest.fixture(scope="module")
def registry() -> Registry:
    return discover()


def changed(change: Any) -> Setup:
    data = copy.deepcopy(EXAMPLE.model_dump(mode="json", by_alias=True, exclude_defaults=True))
    change(data)
    return Setup.model_validate(data)


def errors(setup: Setup, registry: Registry) -> list[str]:
    return [str(each) for each in found(setup, registry) if each.severity == "error"]


def test_the_worked_example_has_no_errors(registry: Registry) -> None:
    assert errors(EXAMPLE, registry) == []


def test_a_setting_that_does_not_exist_is_an_error_with_a_near_one(registry: Registry) -> None:
    def change(data: Any) -> None:
        data["channels"][1]["settings"]["concurency"] = data["channels"][1]["settings"].pop("concurrency")

    [error] = errors(changed(change), registry)
    assert error.startswith("channels › ESP › settings: ")
    assert "concurrency" in error


def test_settings_of_providers_stores_and_streams_are_checked(registry: Registry) -> None:
    def change(data: Any) -> None:
        data["streams"]["providers"][0]["settings"]["SaslMechanism"] = "Magic"
        data["streams"]["streams"][0]["settings"] = {}
        data["pull_marketing"]["stores"][0]["settings"] = {"dataStoreName": ""}

    places = [each.split(": ")[0] for each in errors(changed(change), registry)]
    assert "streams › providers › Confluent › settings" in places
    assert "streams › streams › SignIn › settings" in places
    assert "pull_marketing › stores › TealGreen › settings" in places


def test_a_value_that_names_a_secret_is_not_judged_before_it_is_known(registry: Registry) -> None:
    def change(data: Any) -> None:
        data["channels"][1]["settings"].update(url="${secret:esp/url}", concurrency="${secret:esp/many}")

    assert errors(changed(change), registry) == []


def test_a_setting_that_does_not_exist_is_an_error_though_its_value_names_a_secret(
    registry: Registry,
) -> None:
    def change(data: Any) -> None:
        data["streams"]["providers"][0] |= {"type": "local", "settings": {"SaslPassword": "${secret:p}"}}

    found = [each for each in errors(changed(change), registry) if "Confluent" in each]
    assert found == [
        "streams › providers › Confluent › settings: SaslPassword is not a setting of this kind."
    ]


def test_the_value_of_a_wrong_setting_is_not_shown(registry: Registry) -> None:
    said = errors(changed(lambda data: data["channels"][1]["settings"].update(url="hush-hush")), registry)
    assert said
    assert "hush-hush" not in "".join(said)


def test_an_unknown_kind_is_said_once(registry: Registry) -> None:
    said = errors(changed(lambda data: data["channels"][1].update(type="webhok")), registry)
    assert len(said) == 1
    assert "webhook" in said[0]


def test_a_package_that_cannot_be_loaded_is_an_error_where_a_part_may_need_it(registry: Registry) -> None:
    def change(data: Any) -> None:
        data["channels"][1]["type"] = "chat"

    lacking = Registry(registry.kinds, {"chat": "ImportError: no module irc"})
    said = "components › chat: It can't be loaded: ImportError: no module irc. Put that package right, or uninstall it."
    assert said in errors(changed(change), lacking)
    assert errors(EXAMPLE, lacking) == []
    assert said in [str(each) for each in found(EXAMPLE, lacking) if each.severity == "advice"]


def test_without_components_kinds_and_settings_are_not_judged() -> None:
    assert errors(changed(lambda data: data["channels"][1].update(type="unheard of")), Registry()) == []
    assert list(settings_problems(EXAMPLE, Registry())) == []
    assert traits(Registry()) == {}


def test_only_what_a_campaign_uses_concerns_it(registry: Registry) -> None:
    def change(data: Any) -> None:
        data["channels"][2]["settings"] = {}  # Mail
        data["streams"]["streams"][1]["fields"] = []  # Register
        data["campaigns"][2]["message"]["delivery"]["channel"] = "Nowhere"
        data["system"]["time_zone"] = "Nowhere/City"

    setup = changed(change)
    problems = found(setup, registry)
    back = [each.place for each in concerning(problems, setup, ["Welcome back"])]
    assert back == ["system › time_zone"]
    hello = [each.place for each in concerning(problems, setup, ["Welcome"])]
    assert any(each.startswith("campaigns › Welcome") for each in hello)
    assert "streams › streams › Register › fields" in hello
    assert concerning(problems, setup, []) == [
        each for each in problems if each.place == "system › time_zone"
    ]


def test_a_store_that_a_campaign_asks_concerns_it(registry: Registry) -> None:
    setup = changed(lambda data: data["pull_marketing"]["stores"][0].update(settings={}))
    problems = found(setup, registry)
    assert concerning(problems, setup, ["Welcome back"])
    assert concerning(problems, setup, ["Fill TealGreen"])
    assert not concerning(problems, setup, ["Welcome"])


@pytest.mark.parametrize("mention", ["${secret:}", "${secret: esp/token}", "${secret:esp/token"])
def test_a_secret_that_is_mentioned_by_no_name_is_an_error(registry: Registry, mention: str) -> None:
    setup = changed(lambda data: data["channels"][1]["settings"].update(token=mention))
    assert [each for each in errors(setup, registry) if each.startswith("channels › ESP › settings: ")]


def test_a_tables_connection_is_looked_through_too(registry: Registry) -> None:
    def change(data: Any) -> None:
        table = data["data"]["tables"][0]
        del table["file"]
        table.update(connection="postgresql://a:${secret:}@host/b", table="people")

    assert any(
        each.startswith("data › tables › People › connection: ") for each in errors(changed(change), registry)
    )


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"port": 99_999}, "port must be at most 65535."),
        ({"port": "many"}, "port must be a whole number."),
        ({"security": "perhaps"}, "security must be "),
    ],
)
def test_what_a_setting_must_be_is_said_in_plain_words(
    registry: Registry, settings: dict[str, Any], said: str
) -> None:
    setup = changed(lambda data: data["channels"][2]["settings"].update(settings))
    assert any(f"channels › Mail › settings: {said}" in each for each in errors(setup, registry))


def test_an_address_begins_with_a_scheme(registry: Registry) -> None:
    setup = changed(lambda data: data["channels"][1]["settings"].update(url="ftp://esp"))
    assert any("url must begin with one of 'http'" in each for each in errors(setup, registry))

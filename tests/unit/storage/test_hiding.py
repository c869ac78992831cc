"""Literal secrets taken out of a set-up."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import Field, SecretStr

from whereupon.kit.config import Config
from whereupon.kit.registry import Kind, Registry
from whereupon.model.setup import Setup
from whereupon.storage.hiding import hidden, part_names
from whereupon.storage.secret_names import references

pytestmark = pytest.mark.req("SEC-01")


class Settings(Config):
    """Declared secrets under a name that doesn't sound like one."""

    pin: SecretStr = Field(SecretStr(""), alias="DoorCode")
    address: str = ""


REGISTRY = Registry(
    {
        ("stream", "door"): Kind("stream", "door", "", Settings, Settings, None),  # type: ignore[arg-type]
        ("store", "door"): Kind("store", "door", "", Settings, Settings, None),  # type: ignore[arg-type]
        ("channel", "door"): Kind("channel", "door", "", Settings, Settings, None),  # type: ignore[arg-type]
    }
)


def setup(**more: Any) -> Setup:
    return Setup.model_validate({"system": {"name": "A"}, **more})


def channel(type: str, settings: dict[str, Any]) -> Setup:
    return setup(channels=[{"name": "ESP", "type": type, "settings": settings}])


IDS = {
    ("channel", "ESP"): 7,
    ("stream", "S"): 3,
    ("stream_provider", "P"): 4,
    ("store", "T"): 5,
    ("table", "X"): 9,
}


def test_a_declared_secret_is_taken_out_whatever_its_spelling() -> None:
    without, secrets = hidden(channel("door", {"door_code": "4711", "address": "x"}), REGISTRY, IDS)
    assert secrets == {"part/channel/7/door_code": "4711"}
    assert without.channels[0].settings == {"door_code": "${secret:part/channel/7/door_code}", "address": "x"}


def test_a_setting_that_sounds_secret_is_one_though_its_kind_is_unknown() -> None:
    settings = {"SaslPassword": "hush", "ssl.keystore.pem": "---", "host": "h", "port": 5}
    without, secrets = hidden(channel("unheard of", settings), REGISTRY, IDS)
    assert set(secrets.values()) == {"hush", "---"}
    assert without.channels[0].settings["host"] == "h"


def test_secrets_inside_of_a_setting_are_found() -> None:
    settings = {"headers": {"Authorization": "Bearer abc", "Accept": "json", "X-Api-Key": "k"}}
    without, secrets = hidden(channel("unheard of", settings), REGISTRY, IDS)
    assert secrets == {
        "part/channel/7/headers/Authorization": "Bearer abc",
        "part/channel/7/headers/X-Api-Key": "k",
    }
    assert without.channels[0].settings["headers"]["Accept"] == "json"


@pytest.mark.parametrize("value", ["${secret:esp/token}", "Bearer ${secret:esp/token}", "", None])
def test_references_and_nothing_stay(value: str | None) -> None:
    before = channel("door", {"DoorCode": value})
    without, secrets = hidden(before, REGISTRY, IDS)
    assert secrets == {}
    assert without == before


def test_a_number_that_is_a_secret_is_kept_as_text() -> None:
    _, secrets = hidden(channel("door", {"DoorCode": 4711}), REGISTRY, IDS)
    assert secrets == {"part/channel/7/DoorCode": "4711"}


def test_providers_stores_streams_and_tables_are_looked_through() -> None:
    secret = {"DoorCode": "1"}
    found = setup(
        streams={
            "providers": [{"name": "P", "type": "door", "settings": {"DoorCode": "2"}}],
            "streams": [{"name": "S", "provider": "P", "settings": secret}],
        },
        pull_marketing={
            "providers": [{"name": "Q", "type": "door", "settings": {"DoorCode": "3"}}],
            "stores": [{"name": "T", "provider": "Q", "settings": {"DoorCode": "4"}}],
        },
        data={
            "tables": [
                {
                    "name": "X",
                    "connection": "postgresql://ann:5@host/db",
                    "table": "t",
                    "key": "k",
                    "variables": [],
                },
                {"name": "Y", "file": "y.csv", "key": "k", "variables": []},
            ]
        },
    )
    without, secrets = hidden(found, REGISTRY, IDS)
    assert secrets == {
        "part/stream_provider/4/DoorCode": "2",
        "part/stream/3/DoorCode": "1",
        "part/store_provider/0/DoorCode": "3",
        "part/store/5/DoorCode": "4",
        "part/table/9/connection": "5",
    }
    assert references(without.model_dump()) == set(secrets)
    assert without.data.tables[0].connection == "postgresql://ann:${secret:part/table/9/connection}@host/db"
    assert hidden(without, REGISTRY, IDS) == (without, {})


def test_a_part_of_an_unknown_provider_is_looked_through_by_names() -> None:
    found = setup(streams={"streams": [{"name": "S", "provider": "gone", "settings": {"password": "x"}}]})
    assert hidden(found, REGISTRY, IDS)[1] == {"part/stream/3/password": "x"}


def test_every_part_has_a_role_and_a_name() -> None:
    found = channel("door", {})
    assert list(part_names(found)) == [("channel", "ESP")]


def test_the_password_in_an_address_is_taken_out() -> None:
    settings = {"address": "https://ann:hush%21@esp.example/send", "other": "https://esp.example/a:b@c"}
    without, secrets = hidden(channel("door", settings), REGISTRY, IDS)
    assert secrets == {"part/channel/7/address": "hush%21"}
    kept = without.channels[0].settings
    assert kept["address"] == "https://ann:${secret:part/channel/7/address}@esp.example/send"
    assert kept["other"] == settings["other"]
    assert hidden(without, REGISTRY, IDS) == (without, {})

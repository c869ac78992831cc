"""The demo's set-up file."""

from __future__ import annotations

from pathlib import Path

import pytest

from whereupon.demo.system import FIRST, written
from whereupon.host.paths import resources
from whereupon.model.setup import Setup
from whereupon.storage.files import read_file

TOPICS = {"SignIn": "one", "Register": "two"}


def made(folder: Path, kafka: str = "") -> Setup:
    return read_file(written(folder, people=50, esp=8001, mail=8002, kafka=kafka, topics=TOPICS)).setup


def test_campaigns_store_and_fields_are_those_of_the_worked_example(tmp_path: Path) -> None:
    example = read_file(resources() / "example" / "tealhols.yaml").setup
    setup = made(tmp_path)
    assert setup.campaigns == example.campaigns
    assert setup.pull_marketing == example.pull_marketing
    assert [each.fields for each in setup.streams.streams] == [
        each.fields for each in example.streams.streams
    ]


def test_it_needs_no_server_of_anybody(tmp_path: Path) -> None:
    setup = made(tmp_path)
    assert {each.type for each in setup.streams.providers} == {"local"}
    assert [each.settings["Topic"] for each in setup.streams.streams] == ["one", "two"]
    esp, mail = setup.channel("ESP"), setup.channel("Mail")
    assert esp is not None
    assert mail is not None
    assert esp.settings["url"] == "http://127.0.0.1:8001/send"
    assert (mail.settings["host"], mail.settings["port"]) == ("127.0.0.1", 8002)


def test_with_kafka_only_the_provider_differs(tmp_path: Path) -> None:
    [provider] = made(tmp_path, kafka="broker:9092").streams.providers
    assert (provider.type, provider.settings["BootstrapServers"]) == ("kafka", "broker:9092")


@pytest.mark.req("DAT-01")
def test_people_are_as_many_as_asked_and_each_is_another(tmp_path: Path) -> None:
    made(tmp_path)
    header, *rows = (tmp_path / "people.csv").read_text(encoding="utf-8").splitlines()
    assert header == "person_urn,email,forename,surname,lifetime_spend"
    assert len({each.partition(",")[0] for each in rows}) == 50
    assert rows[0].startswith(f"{FIRST},")

"""The worked example as the demo runs it: the same set-up file, with streams and receiving ends of this machine."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import yaml

from whereupon.host.paths import resources

FORENAMES = (
    "Ada",
    "Bo",
    "Chidi",
    "Dana",
    "Émile",
    "Fatou",
    "Grete",
    "Hana",
    "Ivo",
    "Jun",
    "Kofi",
    "Lena",
    "Mira",
    "Noor",
)
SURNAMES = (
    "Byrne",
    "Lindqvist",
    "Okafor",
    "Novák",
    "Sørensen",
    "Diallo",
    "Weiß",
    "Sato",
    "Marin",
    "Adeyemi",
    "Kaur",
)
FIRST = 1001
"""The URN of the first person."""


def written(folder: Path, *, people: int, esp: int, mail: int, kafka: str, topics: dict[str, str]) -> Path:
    """Write set-up file and people into a folder; `esp` and `mail` are ports, `topics` maps streams to their topics."""
    with (folder / "people.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("person_urn", "email", "forename", "surname", "lifetime_spend"))
        rows.writerows(_person(number) for number in range(people))
    example = resources() / "example" / "tealhols.yaml"
    setup = _replaced(yaml.safe_load(example.read_text(encoding="utf-8")), esp, mail, kafka, topics)
    path = folder / "tealhols.yaml"
    path.write_text(yaml.safe_dump(setup, sort_keys=False, allow_unicode=True, width=110), encoding="utf-8")
    return path


def address(urn: str) -> str:
    """The e-mail address of a person."""
    return f"{urn}@example.org"


def _person(number: int) -> tuple[object, ...]:
    urn = str(FIRST + number)
    forename, surname = FORENAMES[number % len(FORENAMES)], SURNAMES[number % len(SURNAMES)]
    return urn, address(urn), forename, surname, f"{number * 137 % 2400}.50"


def _replaced(
    setup: dict[str, Any], esp: int, mail: int, kafka: str, topics: dict[str, str]
) -> dict[str, Any]:
    streams = setup["streams"]
    for provider in streams["providers"]:
        provider["type"] = "kafka" if kafka else "local"
        settings = {"BootstrapServers": kafka, "SecurityProtocol": "Plaintext"} if kafka else {}
        provider["settings"] = settings
    for stream in streams["streams"]:
        stream["settings"] = {"Topic": topics[stream["name"]]}
    settings_of = {
        "ESP": {"url": f"http://127.0.0.1:{esp}/send", "token": "${secret:esp/token}", "concurrency": 64},
        "Mail": {"host": "127.0.0.1", "port": mail, "security": "none", "sender": "offers@tealgreen.example"},
    }
    for channel in setup["channels"]:
        channel["settings"] = settings_of.get(channel["name"], channel["settings"])
    return setup

"""activity, explain, load-communications."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.cli.conftest import Words
from whereupon.cli.activity import line


@pytest.mark.req("RTT-13")
def test_activity_tells_what_became_of_each_event_one_object_a_line(words: Words, lived_system: Path) -> None:
    rows = words("activity", "--json").json
    told = [(each["event_id"], each["outcome"], each["reason"]) for each in rows]
    assert ("e1", "sent", "") in told
    assert ("e2", "withheld", "not in store") in told
    assert ("e3", "unmatched", "") in told
    assert ("e4", "sent", "") in told
    assert sorted(each["outcome"] for each in rows) == [
        "dead letter", "repeat", "sent", "sent", "unmatched", "withheld",
    ]  # fmt: skip
    wanted = {"event", "campaign", "person", "channel", "key", "outcome", "reason", "at", "milliseconds"}
    assert all(wanted <= each.keys() for each in rows)


def test_activity_for_people_is_one_line_each(words: Words, lived_system: Path) -> None:
    said = words("activity").out.splitlines()
    assert len(said) == 6
    assert any("SignIn nobody  Welcome back → ESP  withheld (not in store)" in each for each in said)


@pytest.mark.req("NEW-02")
def test_explain_tells_why_a_message_went(words: Words, lived_system: Path) -> None:
    said = words("explain", "--person", "1001", "--event", "e1").out
    assert "e1) of 1001 on SignIn" in said
    assert "holds: SignIn.location is not empty (it is “Whitby”)" in said
    assert "TealGreen knew: " in said
    assert "0 of 3 messages" in said
    assert "subject: Welcome back, Ada" in said
    assert "version 1: sent" in said
    assert "with its batch: look up " in said


@pytest.mark.req("NEW-02")
def test_explain_finds_an_event_by_its_number_and_a_person_by_the_urn(
    words: Words, lived_system: Path
) -> None:
    number = next(each["event"] for each in words("activity", "--json").json if each["event_id"] == "e2")
    [story] = words("explain", "--event", number, "--json").json
    assert (story["person"], story["campaigns"][0]["ended"]["reason"]) == ("nobody", "not in store")
    assert [each["event_id"] for each in words("explain", "--person", "1002", "--json").json] == ["e3", "e4"]


def test_explain_wants_an_event_or_a_person(words: Words, lived_system: Path) -> None:
    assert words("explain").code == 2
    said = words("explain", "--event", "e1")
    assert said.code == 2
    assert "--person" in said.err


def test_what_is_not_recorded_is_said(words: Words, lived_system: Path) -> None:
    said = words("explain", "--event", "999999")
    assert said.code == 1
    assert "There is no event 999999." in said.err
    assert "no event" in words("explain", "--person", "9", "--event", "e1").err.lower()


@pytest.mark.req("RTT-14")
def test_communications_are_loaded_once(words: Words, lived_system: Path) -> None:
    assert words("load-communications", "--json").json[0]["new"] == 2
    assert words("load-communications").err == "0 communications loaded.\n"


def test_whatever_a_person_is_called_is_one_line() -> None:
    row = {"at": 0, "event": 1, "stream": "SignIn", "person": "10\n01", "campaign": None, "channel": None}
    assert line({**row, "milliseconds": None, "reason": "", "outcome": "unmatched"}).endswith(
        "10\\n01  unmatched"
    )

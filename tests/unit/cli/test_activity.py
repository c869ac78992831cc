"""activity, explain, load-communications."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.cli.conftest import Words
from whereupon.cli.activity import line, why


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
    assert "    TealGreen has no record of this person.\n" in words("explain", "--event", number).out
    assert [each["event_id"] for each in words("explain", "--person", "1002", "--json").json] == ["e3", "e4"]


def test_explain_wants_an_event_or_a_person(words: Words, lived_system: Path) -> None:
    assert words("explain").code == 2
    said = words("explain", "--event", "e1")
    assert said.code == 2
    assert "--person" in said.err


def test_what_is_not_recorded_is_said(words: Words, lived_system: Path) -> None:
    said = words("explain", "--event", "999999")
    assert said.code == 3
    assert "There is no event 999999." in said.err
    nobody = words("explain", "--person", "9", "--event", "e1")
    assert (nobody.code, "no event" in nobody.err) == (3, True)


@pytest.mark.parametrize(
    "asked",
    [
        ("dead-letters", "resend", "99"), ("rollback", "77"), ("run", "Nothing"), ("pause", "Nothing"),
        ("rehearse", "Nothing"), ("go-on", "Nothing", "--from", "latest"), ("events", "send", "Nothing"),
        ("explain", "--event", "999"),
    ],
)  # fmt: skip
def test_a_thing_that_is_not_there_ends_every_command_the_same_way(
    words: Words, system: Path, asked: tuple[str, ...]
) -> None:
    said = words(*asked)
    assert (said.code, said.out) == (3, "")
    assert said.err.startswith("There is no ")
    assert said.err.count("\n") == 2, "a sentence and a hint"


@pytest.mark.parametrize(
    ("reason", "detail", "said"),
    [
        ("not in store", "TealGreen", "TealGreen has no record of this person."),
        ("not in store", "Blue, Teal", "Blue, Teal have no record of this person."),
        ("empty subject", "subject", "subject was rendered empty."),
        ("empty field", "urn", "urn was rendered empty."),
        ("paused", "the campaign is paused", "the campaign is paused"),
        ("not in store", "", ""),
    ],
)
def test_a_reason_is_told_whole(reason: str, detail: str, said: str) -> None:
    assert why(reason, detail) == said


@pytest.mark.req("RTT-14")
def test_communications_are_loaded_once(words: Words, lived_system: Path) -> None:
    assert words("load-communications", "--json").json[0]["new"] == 2
    assert words("load-communications").err == "0 communications loaded.\n"


def test_whatever_a_person_is_called_is_one_line() -> None:
    row = {"at": 0, "event": 1, "stream": "SignIn", "person": "10\n01", "campaign": None, "channel": None}
    assert line({**row, "milliseconds": None, "reason": "", "outcome": "unmatched"}).endswith(
        "10\\n01  unmatched"
    )

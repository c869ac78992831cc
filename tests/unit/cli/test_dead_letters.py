"""dead-letters list, resend, discard."""

from __future__ import annotations

from pathlib import Path

from tests.lived import NO_JSON
from tests.unit.cli.conftest import Words


def test_they_are_listed_with_reason_and_content(words: Words, lived_system: Path) -> None:
    [letter] = words("dead-letters", "list", "--json").json
    assert (letter["stage"], letter["raw"]) == ("decode", NO_JSON.decode())
    assert "isn't JSON" in words("dead-letters", "list").out


def test_a_discarded_one_is_listed_no_more_and_kept_with_its_judge(words: Words, lived_system: Path) -> None:
    said = words("dead-letters", "discard", "--all")
    assert (said.code, said.err) == (0, "1 dead letter judged.\n")
    assert words("dead-letters", "list", "--json").json == []
    [letter] = words("dead-letters", "list", "--judged", "--json").json
    assert letter["said"].startswith("discarded by ")


def test_one_is_marked_to_be_resent(words: Words, lived_system: Path) -> None:
    [letter] = words("dead-letters", "list", "--json").json
    assert words("dead-letters", "resend", letter["id"]).code == 0
    assert words("dead-letters", "list", "--json").json[0]["said"] == "to be resent"


def test_only_an_unknown_message_can_have_gone(words: Words, lived_system: Path) -> None:
    said = words("dead-letters", "discard", "--all", "--it-went")
    assert said.code == 3
    assert "no message whose end is unknown" in said.err


def test_which_ones_has_to_be_said(words: Words, lived_system: Path) -> None:
    assert words("dead-letters", "resend").code == 2
    assert words("dead-letters", "resend", 1, "--all").code == 2
    said = words("dead-letters", "resend", 99)
    assert said.code == 3
    assert "no dead letter 99" in said.err

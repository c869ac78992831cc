"""How commands show things."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest

from whereupon.cli.showing import counted, moment, note, say, say_json, say_table


@dataclass
class Thing:
    name: str


def test_json_is_one_line_with_letters_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    say_json(Thing("Sørensen\nWeiß"))
    said = capsys.readouterr().out
    assert said.count("\n") == 1
    assert "Sørensen" in said
    assert json.loads(said) == {"name": "Sørensen\nWeiß"}


def test_a_table_shows_values_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    say_table(("Name", "Number"), [("[red]not a colour[/red]", 7)])
    assert "[red]not a colour[/red]" in capsys.readouterr().out


def test_notes_stand_beside_the_result(capsys: pytest.CaptureFixture[str]) -> None:
    note("Done.")
    assert capsys.readouterr() == ("", "Done.\n")


def test_a_time_that_is_not_known_is_a_dash() -> None:
    assert moment(None) == "–"
    assert moment(1_767_225_600_000).startswith("202")


@pytest.mark.parametrize(("number", "said"), [(1, "1 event"), (0, "0 events"), (2000, "2,000 events")])
def test_a_number_agrees_with_its_noun(number: int, said: str) -> None:
    assert counted(number, "event") == said


def test_what_an_event_holds_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    say("red \x1b[31m, bell \x07, one sign \x9b31m, turned \u202e, two\nlines\tand a tab")
    say_table(("Person",), [("\x1b]0;title\x07",)])
    note("\x1b[2J")
    captured = capsys.readouterr()
    assert (
        "red \\x1b[31m, bell \\x07, one sign \\x9b31m, turned \\u202e, two\nlines\tand a tab\n"
        in captured.out
    )
    assert "\\x1b]0;title\\x07" in captured.out
    assert captured.err == "\\x1b[2J\n"

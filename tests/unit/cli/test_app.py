"""The command line as a whole."""

from __future__ import annotations

import pytest
import typer
from typer.main import get_command

from tests.unit.cli.conftest import Words
from whereupon import __version__
from whereupon.cli.app import app

COMMANDS = [
    "demo", "apply", "export", "diff", "history", "rollback", "doctor", "service", "run", "load-communications",
    "events", "activity", "explain", "rehearse", "dead-letters", "secrets", "render", "pause", "resume", "go-on",
]  # fmt: skip
GROUPS = {
    "service": ["run", "start", "stop", "restart", "status"],
    "events": ["send"],
    "dead-letters": ["list", "resend", "discard"],
    "secrets": ["set", "list", "delete"],
}


def test_help_lists_every_command_with_a_whole_sentence(words: Words) -> None:
    said = words("--help")
    assert said.code == 0
    for each in COMMANDS:
        line = next(line for line in said.out.splitlines() if line.startswith(f"  {each} "))
        assert line.endswith(".")
        assert not line.endswith("...")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, words: Words) -> None:
    for each in GROUPS.get(command, [""]):
        said = words(*filter(None, [command, each, "--help"]))
        assert said.code == 0
        assert len(said.out.splitlines()) > 5


def test_the_version_is_told(words: Words) -> None:
    assert words("--version").out == f"whereupon {__version__}\n"


def test_an_unknown_word_is_a_mistake_of_usage_that_names_what_was_meant(words: Words) -> None:
    said = words("aply", "file.yaml")
    assert said.code == 2
    assert "apply" in said.err


def test_a_missing_argument_is_a_mistake_of_usage(words: Words) -> None:
    said = words("apply")
    assert said.code == 2
    assert "FILE" in said.err


@pytest.mark.parametrize("command", ["history", "export", "activity", "doctor"])
def test_a_folder_without_a_system_is_said_with_what_to_do(command: str, words: Words) -> None:
    said = words(command)
    assert said.code == 3
    assert "is no system of Whereupon" in said.err
    assert "--system" in said.err


def test_every_command_but_two_takes_a_system() -> None:
    command = get_command(app)
    assert isinstance(command, typer.core.TyperGroup)
    without = set()
    for name, each in command.commands.items():
        options = [option for one in getattr(each, "commands", {"": each}).values() for option in one.params]
        if not any("--system" in option.opts for option in options):
            without.add(name)
    assert without == {"demo", "render"}

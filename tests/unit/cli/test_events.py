"""events send, and go-on."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from tests.lived import sign_in
from tests.unit.cli.conftest import Words
from whereupon.components.streams.local import EventFile, place


def values(system: Path) -> list[bytes | None]:
    with closing(EventFile(place(system, "sign-ins"))) as file:
        return [each.value for each in file.events(0, 0, most=100, size=1_000_000)]


def test_each_line_of_a_file_is_an_event_whatever_it_is(words: Words, system: Path, tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_bytes(sign_in("e1", "1001") + b"\r\n\n  \nno json")
    said = words("events", "send", "SignIn", file)
    assert said.code == 0
    assert "2 events sent to SignIn." in said.err
    assert values(system) == [sign_in("e1", "1001"), b"no json"]


def test_events_come_from_standard_input_too(words: Words, system: Path) -> None:
    said = words("events", "send", "SignIn", "-", "--json", stdin=sign_in("e1", "1001") + b"\n")
    assert said.json == [{"stream": "SignIn", "sent": 1}]
    assert values(system) == [sign_in("e1", "1001")]


def test_an_unknown_stream_is_said_with_the_one_that_was_meant(words: Words, system: Path) -> None:
    said = words("events", "send", "signin", stdin="x")
    assert said.code == 3
    assert "Did you mean SignIn?" in said.err


def test_a_file_that_is_not_there_is_said(words: Words, system: Path) -> None:
    said = words("events", "send", "SignIn", "none.jsonl")
    assert said.code == 3
    assert "none.jsonl can't be read" in said.err


def test_go_on_says_where_the_stream_goes_on(words: Words, lived_system: Path) -> None:
    said = words("go-on", "SignIn", "--from", "latest")
    assert (said.code, said.err) == (0, "SignIn goes on with the latest event.\n")


@pytest.mark.parametrize("given", [(), ("--from", "yesterday")])
def test_where_to_go_on_has_to_be_said(words: Words, system: Path, given: tuple[str, ...]) -> None:
    assert words("go-on", "SignIn", *given).code == 2

"""The set-up file: read with every mistake, written so that it changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from whereupon.host.paths import resources
from whereupon.model.errors import Mistakes, SetupError
from whereupon.storage.differences import differences
from whereupon.storage.files import SetupFile, read_file, read_text, repaired, written

EXAMPLE = resources() / "example" / "tealhols.yaml"
SMALL = "version: 1\nsystem: {name: A}\n"


def read(text: str) -> SetupFile:
    return read_text(text, base=Path())


def mistakes(text: str) -> list[str]:
    with pytest.raises(Mistakes) as raised:
        read(text)
    return raised.value.mistakes


@pytest.mark.req("NEW-03")
class TestExample:
    def test_it_is_read_exactly_as_it_is(self) -> None:
        file = read_file(EXAMPLE)
        assert [each.name for each in file.setup.campaigns] == ["Fill TealGreen", "Welcome back", "Welcome"]
        assert file.databases.streams == "sqlite:///SD_TealHols.db"
        assert file.given == {"Fill TealGreen", "Welcome back", "Welcome"}
        assert file.base == EXAMPLE.parent.resolve()
        assert file.repairs == ()

    def test_written_and_read_again_it_is_the_same(self) -> None:
        file = read_file(EXAMPLE)
        text = written(file.setup, file.databases.model_dump())
        again = read(text)
        assert again.setup == file.setup
        assert again.databases == file.databases
        assert differences(file.setup, again.setup) == []
        assert written(again.setup, again.databases.model_dump()) == text

    def test_a_written_file_keeps_references_and_says_what_it_is(self) -> None:
        file = read_file(EXAMPLE)
        text = written(file.setup, file.databases.model_dump())
        assert "${secret:confluent/password}" in text
        assert text.startswith("# The set-up of TealHols.")


def test_texts_of_several_lines_and_awkward_ones_come_back() -> None:
    awkward = [
        "a\nb\n",
        " spaces ",
        "yes",
        "1e5",
        "0123",
        "- x",
        "“curly”",
        "a: b",
        "",
        "null",
        "12:30",
        "#no",
        "é\u2028x",
    ]
    for text in awkward:
        file = read(
            SMALL
            + "campaigns: [{name: C, audience: {stream: S}, message: {delivery: {channel: C}}, schedule: manual}]"
        )
        content = {"field": "body", "text": text}
        data = file.setup.model_dump(by_alias=True)
        data["campaigns"][0]["message"]["content"] = [content]
        setup = type(file.setup).model_validate(data)
        assert read(written(setup, {})).setup == setup


def test_a_plain_number_or_truth_is_text_where_text_is_asked_for() -> None:
    file = read("version: 1\nsystem: {name: 2026}\nchannels: [{name: true, type: 1.50, fields: [1, no]}]\n")
    assert file.setup.system.name == "2026"
    assert file.setup.channels[0].type == "1.50"
    assert file.setup.channels[0].fields == ("1", "no")


def test_every_mistake_is_said_at_once_in_the_order_of_the_file() -> None:
    found = mistakes(
        "version: 1\nsystem: {name: A}\nsystem: {name: B}\nstreems: 3\nchannels:\n"
        "  - {name: a, tipe: webhook}\n  - {name: a, type: smtp}\n"
    )
    assert found == [
        "line 3: system stands twice, first on line 2",
        "line 4, streems: isn't known here; did you mean streams?",
        "line 6, channels › a: type is missing",
        "line 6, channels › a › tipe: isn't known here; did you mean type?",
        "line 7, channels › a: there is another channel of this name on line 6",
    ]


@pytest.mark.parametrize("text", ["", "- 1", "just words"])
def test_what_is_no_set_up_says_how_one_begins(text: str) -> None:
    assert mistakes(text) == ["line 1: a set-up file begins with version: 1"]


def test_the_version_is_checked() -> None:
    assert mistakes("system: {name: A}") == ["line 1: version is missing"]
    assert mistakes("version: 0\nsystem: {name: A}") == ["line 1, version: must be 1"]
    with pytest.raises(Mistakes, match="newer Whereupon"):
        read("system: {}\nversion: 2\nunheard: of")


def test_anything_that_is_not_a_list_where_parts_are_is_only_a_mistake() -> None:
    assert mistakes(SMALL + "streams: 5\nchannels: {a: b}\n")


def test_settings_pasted_as_json_are_read_and_repairs_are_said() -> None:
    file = read(SMALL + "channels:\n  - name: a\n    type: b\n    settings: '{“Topic”: “Name”'\n")
    assert file.setup.channels[0].settings == {"Topic": "Name"}
    assert file.repairs
    assert all(each.startswith("line 6, channels › a › settings: ") for each in file.repairs)


def test_curly_quotes_in_yaml_are_taken_off_and_said() -> None:
    file = read(SMALL + "channels: [{name: a, type: b, settings: {“Topic”: “Name”, “x: 1}}]\n")
    assert file.setup.channels[0].settings == {"Topic": "Name", "“x": 1}
    assert file.repairs == ("line 3, channels › a › settings: curly quotes taken off",)


def test_json_that_cannot_be_repaired_is_a_mistake_with_its_place() -> None:
    [found] = mistakes(SMALL + "channels: [{name: a, type: b, settings: 'Topic'}]\n")
    assert found.startswith("line 3, channels › a › settings: The JSON can't be read")


def test_settings_of_another_kind_are_left_to_the_check() -> None:
    assert repaired(5) == (5, [])
    assert (
        "must hold names and values" in mistakes(SMALL + "channels: [{name: a, type: b, settings: 5}]\n")[0]
    )


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="can't be read"):
        read_file(tmp_path / "none.yaml")


@pytest.mark.parametrize(("data", "said"), [(b"a: \xff", "a mistake"), (b"version: 1\nx: 1\n", "2 mistakes")])
def test_mistakes_name_the_file_and_how_many(tmp_path: Path, data: bytes, said: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_bytes(data)
    with pytest.raises(Mistakes, match=f"mine.yaml has {said}"):
        read_file(path)


def test_where_something_stands_is_spoken() -> None:
    assert (
        read(SMALL + "channels:\n  - {name: a, type: b}\n").spoken("channels", 0, "type")
        == "line 4, channels › a › type"
    )

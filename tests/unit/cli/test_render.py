"""render."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Words

pytestmark = pytest.mark.req("PGC-05")


def written(path: Path, text: str) -> Path:
    path.write_bytes(text.encode())
    return path


def test_the_result_is_printed_and_nothing_else(words: Words, tmp_path: Path) -> None:
    template = written(tmp_path / "t.vm", "Dear $firstname$!missing,")
    context = written(tmp_path / "c.json", '{"firstname": "Zoë"}')
    said = words("render", template, "--context", context)
    assert (said.code, said.out, said.err) == (0, "Dear Zoë,", "")


def test_a_template_comes_from_standard_input_too(words: Words) -> None:
    assert words("render", "-", stdin="1 + 1").out == "1 + 1"


def test_a_mistake_in_a_template_is_said_with_its_place(words: Words, tmp_path: Path) -> None:
    said = words("render", written(tmp_path / "t.vm", "\n#if($x"))
    assert said.code == 3
    assert "Line 2" in said.err


@pytest.mark.parametrize(("text", "said"), [("[1]", "no JSON object"), ("{", "is no JSON")])
def test_a_context_that_cannot_be_used_is_said(words: Words, tmp_path: Path, text: str, said: str) -> None:
    template, context = written(tmp_path / "t.vm", "x"), written(tmp_path / "c.json", text)
    ended = words("render", template, "--context", context)
    assert ended.code == 3
    assert said in ended.err


def test_a_file_that_is_no_utf_8_is_said(words: Words, tmp_path: Path) -> None:
    path = tmp_path / "t.vm"
    path.write_bytes(b"caf\xe9")
    said = words("render", path)
    assert said.code == 3
    assert "not UTF-8 (byte 3)" in said.err


def test_cases_print_each_difference_and_how_many_hold(words: Words, tmp_path: Path) -> None:
    cases = {"context": {"n": 1}, "cases": [{"template": "$n", "out": "1"}, {"template": "$n", "out": "2"}]}
    said = words("render", "--cases", written(tmp_path / "cases.json", json.dumps(cases)))
    first, last = said.out.splitlines()
    assert (said.code, last) == (1, "1 of 2 hold")
    assert "expected '2', got '1'" in first


def test_cases_that_all_hold_end_with_0(words: Words, tmp_path: Path) -> None:
    cases = written(tmp_path / "cases.json", '{"cases": [{"template": "x", "out": "x"}]}')
    said = words("render", "--cases", cases)
    assert (said.code, said.out) == (0, "1 of 1 hold\n")


def test_neither_template_nor_cases_is_a_mistake_of_usage_that_names_both(words: Words) -> None:
    said = words("render")
    assert said.code == 2
    assert "--cases FILE" in said.err

"""The case files hold, and a file with a mistake in it is told from a template that differs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from whereupon.model.errors import SetupError
from whereupon.model.velocity.cases import differences

DATA = Path(__file__).parents[3] / "data" / "velocity"


@pytest.mark.req("RTT-12")
@pytest.mark.parametrize(("name", "least"), [("cases.json", 27), ("more.json", 700)])
def test_every_case_of_the_real_engine_holds(name: str, least: int) -> None:
    found, count = differences(json.loads((DATA / name).read_text(encoding="utf-8")))
    assert found == []
    assert count >= least


def test_each_difference_is_told_in_words() -> None:
    document: dict[str, Any] = {
        "context": {"a": 1},
        "cases": [
            {"template": "$a", "out": "2"},
            {"template": "$a", "out": {"error": "any"}},
            {"template": "#if", "out": "x"},
            {"template": "$a", "out": "1"},
            {"template": "$l.get(0)", "out": {"error": "any"}, "context": {"l": []}},
        ],
    }
    found, count = differences(document)
    assert count == 5
    assert len(found) == 3
    assert found[0] == "cases[0] '$a': expected '2', got '1'"
    assert found[1] == "cases[1] '$a': an error was expected, got '1'"
    assert found[2].startswith("cases[2] '#if': expected 'x', got the error: Line 1, column 4:")


@pytest.mark.parametrize(
    ("document", "place"),
    [
        ({}, "cases"),
        ({"cases": {}}, "cases"),
        ({"cases": [], "context": []}, "context"),
        ({"cases": ["x"]}, "cases[0]"),
        ({"cases": [{"out": "x"}]}, "cases[0]"),
        ({"cases": [{"template": "x", "out": "x"}, {"template": "x"}]}, "cases[1]"),
        ({"cases": [{"template": "x", "out": {"err": 1}}]}, "cases[0]"),
        ({"cases": [{"template": "x", "out": "x", "context": 5}]}, "cases[0].context"),
    ],
)
def test_a_mistake_in_the_file_names_its_place(document: dict[str, Any], place: str) -> None:
    with pytest.raises(SetupError) as caught:
        differences(document)
    assert place in caught.value.message
    assert caught.value.hint

"""Conditions asked of what is known."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import TypeAdapter

from whereupon.model.conditions import Condition, Known, Names, Outcome, compiled, in_words, outcomes
from whereupon.model.errors import SetupError
from whereupon.model.setup import FieldDefinition, Stream

READ: TypeAdapter[Any] = TypeAdapter(Condition)
NAMES = Names(
    stream=Stream(
        name="S",
        provider="p",
        fields=(
            FieldDefinition(name="urn", type="Reference", variable="URN"),
            FieldDefinition(name="spend", type="Variable", variable="Spend"),
            FieldDefinition(name="place", type="String"),
        ),
    ),
    variables={"URN": "text", "Spend": "number"},
)
ROME = {"field": "S.place", "is": "equals", "value": "Rome"}
RICH = {"field": "Spend", "is": "at least", "value": 1000}


def event(**fields: object) -> Known:
    """An event with these fields."""
    return Known(stream=fields, stores={}, row={}, at=0, zone=ZoneInfo("UTC"))


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ({"all": []}, True), ({"any": []}, False), ({"none": []}, True),
        ({"all": [ROME]}, True), ({"all": [ROME, RICH]}, False), ({"all": [ROME, {"not": RICH}]}, True),
        ({"any": [ROME, RICH]}, True), ({"any": [RICH, RICH]}, False), ({"any": [RICH]}, False),
        ({"none": [RICH]}, True), ({"none": [ROME, RICH]}, False), ({"none": [RICH, RICH]}, True),
        ({"not": ROME}, False), ({"not": {"any": [RICH, RICH]}}, True), (ROME, True), (RICH, False),
    ],
)  # fmt: skip
def test_parts_are_joined_as_they_say(condition: dict[str, Any], holds: bool) -> None:
    read = READ.validate_python(condition)
    assert compiled(read, NAMES)(event(place="Rome", spend="999.99")) is holds


def test_comparing_with_an_empty_field_holds_only_for_empty_and_not() -> None:
    held = {
        operator: compiled(READ.validate_python({"field": "Spend", "is": operator, "value": value}), NAMES)(event())
        for operator, value in (
            ("equals", 1), ("not", 1), ("one of", [1]), ("at least", 1), ("at most", 1), ("between", [1, 2]),
            ("empty", None), ("not empty", None),
        )
    }  # fmt: skip
    assert [operator for operator, each in held.items() if each] == ["not", "empty"]


def test_a_condition_that_cannot_be_asked_names_its_field() -> None:
    with pytest.raises(SetupError, match=r"Spend can't be asked: 'contains' makes no sense for a number"):
        compiled(READ.validate_python({"field": "Spend", "is": "contains", "value": "1"}), NAMES)
    with pytest.raises(SetupError, match=r"S\.Place isn't a field"):
        compiled(READ.validate_python({"field": "S.Place", "is": "empty"}), NAMES)


@pytest.mark.req("NEW-02")
def test_each_comparison_is_explained_and_the_whole() -> None:
    read = READ.validate_python({"all": [ROME, RICH]})
    assert outcomes(read, NAMES, event(place="Rome", spend="12")) == [
        Outcome("S.place equals “Rome”", True, "Rome"),
        Outcome("Spend is at least 1000", False, "12"),
        Outcome("S.place equals “Rome” and Spend is at least 1000", False),
    ]
    assert len(outcomes(READ.validate_python({"all": [ROME]}), NAMES, event())) == 1
    assert [each.held for each in outcomes(READ.validate_python({"not": ROME}), NAMES, event())] == [
        False,
        True,
    ]


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ({"field": "a", "is": "empty"}, "a is empty"),
        ({"field": "a", "is": "anniversary is today"}, "a: anniversary is today"),
        ({"field": "a", "is": "in the last", "value": "30 days"}, "a is in the last 30 days"),
        ({"field": "a", "is": "between", "value": [1, 2]}, "a is between 1 and 2"),
        ({"field": "a", "is": "one of", "value": ["x", 2]}, "a is one of “x”, 2"),
        ({"field": "a", "is": "not", "value": "x"}, "a is not “x”"),
        ({"field": "a", "is": "starts with", "value": "x"}, "a starts with “x”"),
        ({"any": [{"field": "a", "is": "empty"}, {"all": []}]}, "a is empty or (always)"),
        ({"none": [{"field": "a", "is": "empty"}]}, "not (a is empty)"),
        ({"none": []}, "not (never)"),
        ({"any": []}, "never"),
        ({"not": {"field": "a", "is": "empty"}}, "not a is empty"),
    ],
)
def test_conditions_read_as_sentences(condition: dict[str, Any], words: str) -> None:
    assert in_words(READ.validate_python(condition)) == words

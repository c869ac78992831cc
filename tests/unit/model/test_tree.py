"""The tree of a condition as files hold it."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from whereupon.model.tree import Comparison, Condition, comparisons, fields_of, parts

CONDITION: TypeAdapter[Any] = TypeAdapter(Condition)
LEAF = {"field": "a", "is": "equals", "value": "1"}


def test_all_kinds_of_parts_are_read_and_written_back() -> None:
    written = {
        "all": [
            {"any": [LEAF]},
            {"none": [{"field": "b", "is": "Not  Empty"}]},
            {"not": {"field": "c", "is": "one of", "value": [1, 2.5, True, date(2026, 5, 1)]}},
        ]
    }
    read = CONDITION.validate_python(written)
    assert [each.field for each in comparisons(read)] == ["a", "b", "c"]
    assert fields_of(read) == {"a", "b", "c"}
    again = CONDITION.dump_python(read, by_alias=True, mode="json", exclude_unset=True)
    assert again["all"][1] == {"none": [{"field": "b", "is": "not empty"}]}
    assert again["all"][2]["not"]["value"] == [1, 2.5, True, "2026-05-01"]
    assert CONDITION.validate_python(again) == read
    assert CONDITION.validate_python(read) == read
    assert hash(read) == hash(CONDITION.validate_python(again))


def test_a_comparison_has_no_parts() -> None:
    assert parts(Comparison(field="a", operator="empty")) == ()


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ({"x": 1}, "a condition is"),
        (5, "a condition is"),
        ({"field": "a", "is": "equal", "value": 1}, "'equals'"),
        ({"field": "a", "is": 5}, "'equals'"),
        ({"field": "", "is": "empty"}, "at least 1 character"),
        ({"all": [], "any": []}, "not permitted"),
        ({"field": "a", "is": "one of", "value": [["b"]]}, "another list"),
        ({"field": "a", "is": "equals", "value": {"b": 1}}, "a value is a text"),
        ({"field": "a", "is": "equals", "value": "b\0"}, "U\\+0000"),
        ({"field": "a", "is": "equals", "value": "b" * 10_001}, "10,000 characters"),
        ({"all": [LEAF] * 2_000}, "5,000 parts"),
    ],
)
def test_anything_else_is_refused(written: object, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        CONDITION.validate_python(written)


def test_a_condition_that_is_too_deep_or_endless_is_refused() -> None:
    deep: dict[str, Any] = LEAF
    for _ in range(20):
        deep = {"not": deep}
    CONDITION.validate_python(deep)
    for _ in range(100_000):
        deep = {"all": [deep]}
    endless: dict[str, Any] = {}
    endless["all"] = [endless]
    for each in (deep, endless):
        with pytest.raises(ValidationError, match="20 levels"):
            CONDITION.validate_python(each)

"""Pasted JSON, repaired."""

from __future__ import annotations

import pytest

from whereupon.model.errors import SetupError
from whereupon.model.paste import Repaired, repair_json

QUOTES, OPENING, CLOSING, COMMA = (
    "curly quotes made straight",
    "the missing opening brace added",
    "the missing closing brace added",
    "a comma at the end left out",
)


@pytest.mark.req("RTT-10")
@pytest.mark.parametrize(
    ("pasted", "value", "repairs"),
    [
        ('{"Topic":"Name"}', {"Topic": "Name"}, ()),
        ('\ufeff{"Topic":\xa0"Name"}', {"Topic": "Name"}, ()),
        ("{”Topic”:”Name”}", {"Topic": "Name"}, (QUOTES,)),
        ('"Servers":"a:9092",\n\n"Mechanism":"Plain"\n}', {"Servers": "a:9092", "Mechanism": "Plain"}, (OPENING,)),
        ('{"a": {"b": [1, 2]', {"a": {"b": [1, 2]}}, (CLOSING,)),
        ('{"a": [1, 2,], "b": 1,}', {"a": [1, 2], "b": 1}, (COMMA,)),
        ('“a”: 1,', {"a": 1}, (QUOTES, COMMA, OPENING, CLOSING)),
        ('{"a": "“b”, {,}",}', {"a": "“b”, {,}"}, (COMMA,)),
        ('{"a": 1, "b": "c",}', {"a": 1, "b": "c"}, (COMMA,)),
        ('"alone"', "alone", ()),
    ],
)  # fmt: skip
def test_what_documents_print_is_repaired_and_said(
    pasted: str, value: object, repairs: tuple[str, ...]
) -> None:
    assert repair_json(pasted) == Repaired(value, repairs)


@pytest.mark.parametrize(
    ("pasted", "place"),
    [
        ("", "line 1, column 1"),
        ('{"a":}', "line 1, column 6"),
        ('"a": x', "line 1, column 6"),
        ('{"a": 1\n "b": 2}', "line 2, column 2"),
        ("}{", "line 1, column 1"),
        ('{"a": NaN}', "NaN is no number"),
        ("[" * 100_000, "recursion"),
    ],
)
def test_what_cannot_be_repaired_names_line_and_column(pasted: str, place: str) -> None:
    with pytest.raises(SetupError, match=place):
        repair_json(pasted)

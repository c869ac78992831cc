"""Records that no store can keep."""

from __future__ import annotations

import pytest

from whereupon.kit.record_flaws import LONGEST_KEY, fields_flaw, key_flaw
from whereupon.model.events import Record


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("1001", ""),
        ("x" * LONGEST_KEY, ""),
        ("", "no key"),
        ("x" * (LONGEST_KEY + 1), "more than 200"),
        ("a\0b", "U+0000"),
        ("a\ud800", "half of a character"),
    ],
)
def test_a_key_is_a_text_of_some_length_that_can_be_written(key: str, said: str) -> None:
    assert said in key_flaw(key)
    assert bool(said) == bool(key_flaw(key))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, ""),
        ({"name": "Ädä 🎁"}, ""),
        ({"a": "fine", "name": "\0"}, "holds the character U+0000"),
        ({"\udfff": "x"}, "holds half of a character (a lone surrogate)"),
    ],
)
def test_names_and_values_of_fields_can_be_written(fields: dict[str, str], said: str) -> None:
    assert fields_flaw(Record("1", fields)) == said

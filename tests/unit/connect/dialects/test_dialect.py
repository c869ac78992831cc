"""What all dialects share: rows by key, sums, pieces, rows as JSON."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as some

from whereupon.connect.dialects.dialect import Columns, as_json, chunks, keyed, summed, values
from whereupon.model.errors import Refused

COLUMNS: Columns = {"day": "id", "state": "text", "n": "int"}
ROWS = [(2, "b", 1), (1, "b", 2), (2, "b", 3), (1, "a", 4)]


def test_the_last_of_each_key_stays_in_the_order_of_keys() -> None:
    assert keyed(COLUMNS, ROWS, ("day", "state")) == [(1, "a", 4), (1, "b", 2), (2, "b", 3)]


def test_or_the_first() -> None:
    assert keyed(COLUMNS, ROWS, ("day", "state"), first=True) == [(1, "a", 4), (1, "b", 2), (2, "b", 1)]


def test_a_key_may_name_its_columns_in_any_order() -> None:
    assert keyed(COLUMNS, ROWS, ("state", "day")) == [(1, "a", 4), (1, "b", 2), (2, "b", 3)]


def test_rows_with_equal_keys_are_added_up() -> None:
    assert summed(COLUMNS, ROWS, ("day", "state"), "n") == [[1, "a", 4], [1, "b", 2], [2, "b", 4]]


def test_pieces_hold_all_rows_once() -> None:
    assert list(chunks([(n,) for n in range(5)], 2)) == [[(0,), (1,)], [(2,), (3,)], [(4,)]]


def test_values_have_a_mark_for_each_parameter() -> None:
    assert values([(1, "a"), (2, "b")]) == ("(?, ?), (?, ?)", (1, "a", 2, "b"))


@given(some.text())
def test_a_text_travels_as_json_unless_it_holds_what_no_database_takes(text: str) -> None:
    if "\x00" in text or any("\ud800" <= each <= "\udfff" for each in text):
        with pytest.raises((Refused, UnicodeError)):
            as_json(COLUMNS, [(1, text, 2)])
    else:
        assert json.loads(as_json(COLUMNS, [(1, text, 2)])) == [[1, text, 2]]


@pytest.mark.parametrize("text", ["\x00", "\\\x00", "\\\\\x00", "a\x00b", '"\x00'])
def test_the_character_0_is_found_behind_backslashes(text: str) -> None:
    with pytest.raises(Refused):
        as_json(COLUMNS, [(1, text, 2)])


@pytest.mark.parametrize("text", ["\\u0000", "\\\\u0000", "u0000"])
def test_a_text_that_only_looks_like_it_passes(text: str) -> None:
    assert json.loads(as_json(COLUMNS, [(1, text, 2)])) == [[1, text, 2]]

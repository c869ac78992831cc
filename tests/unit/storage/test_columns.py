from __future__ import annotations

from sqlalchemy import Integer

from whereupon.storage.columns import given, key, maybe


def test_a_key_is_never_numbered_by_the_database() -> None:
    column = key("id", Integer())
    assert (column.primary_key, column.autoincrement, column.nullable) == (True, False, False)


def test_what_is_given_is_never_empty_and_what_may_be_may() -> None:
    assert not given("name", Integer()).nullable
    assert maybe("note", Integer()).nullable

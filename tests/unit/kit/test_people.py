"""Paging through somebody else's table by its keys, however it compares them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, time
from decimal import Decimal
from uuid import UUID

import pytest

from whereupon.kit.people import Found, Pages, as_person, key_like, plain
from whereupon.model.errors import SetupError


class Foreign:
    """A table whose server compares keys without case."""

    def __init__(self, *keys: str) -> None:
        self.keys = sorted(keys, key=str.casefold)
        self.reads = 0

    def read(self, key: object | None, most: int) -> Sequence[Found]:
        """As the server answers."""
        self.reads += 1
        begin = "" if key is None else str(key).casefold()
        return [Found(each, each, {}) for each in self.keys if each.casefold() >= begin][:most]

    def all(self, most: int) -> list[str]:
        """Every page."""
        pages, found = Pages(lambda person: person if person in self.keys else None), list[str]()
        while page := pages.next(self.read, found[-1] if found else "", most):
            found += [each.person for each in page]
        return found


@pytest.mark.parametrize("most", [1, 2, 3, 10])
def test_keys_that_differ_by_case_alone_come_once_each(most: int) -> None:
    table = Foreign("a", "A", "b", "B", "c")
    assert sorted(table.all(most)) == ["A", "B", "a", "b", "c"]


def test_a_key_that_more_rows_share_than_a_page_holds_is_refused() -> None:
    with pytest.raises(SetupError, match="rows have the key a"):
        Foreign(*"a" * 9).all(3)


def test_a_place_is_found_again_and_one_that_is_gone_begins_anew() -> None:
    table = Foreign(*"abcdef")
    pages = Pages(lambda person: person if person in table.keys else None)
    assert [each.person for each in pages.next(table.read, "c", 2)] == ["c", "d"]
    assert [each.person for each in pages.next(table.read, "d", 2)] == ["e", "f"]
    assert [each.person for each in pages.next(table.read, "cc", 2)] == ["a", "b"]


def test_values_are_what_conditions_take() -> None:
    kept = [None, "x", True, 1, 1.5, Decimal("1.50"), date(2026, 1, 2)]
    assert [plain(each) for each in kept] == kept
    assert plain(UUID(int=1)) == "00000000-0000-0000-0000-000000000001"
    assert plain(time(9, 30)) == "09:30:00"
    assert plain(b"caf\xc3\xa9") == "café"
    assert (as_person(UUID(int=1))[-1], as_person(" 7 "), as_person(Decimal("7.0"))) == ("1", "7", "7")


def test_a_key_is_read_as_its_column_holds_it() -> None:
    assert key_like("7", int) == 7
    assert key_like("7", str) == "7"
    assert key_like("1.5", Decimal) == Decimal("1.5")
    for text, kind in (("x", int), ("x", Decimal), ("true", bool), ("2026-01-01", date)):
        assert key_like(text, kind) is None

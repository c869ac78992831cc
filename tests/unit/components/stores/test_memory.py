"""The store in memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from whereupon.components.stores.memory import Memory, MemoryConfig
from whereupon.host.clock import Clock
from whereupon.kit.roles import Context, Nothing
from whereupon.model.errors import Away
from whereupon.model.events import Filled, Record


def memory(name: str = "") -> Memory:
    """A store."""
    return Memory(
        Nothing(),
        MemoryConfig.model_validate({"dataStoreName": name}),
        Context("TealGreen", "TealHols", Path(), "f", Clock()),
    )


def test_a_record_is_merged_and_what_it_does_not_name_stays() -> None:
    store = memory()
    assert store.fill([Record("7", {"offer": "A", "event": "x"}), Record(" ", {})]) == Filled(
        1, 0, ((" ", "has no key"),)
    )
    assert store.fill([Record(" 7 ", {"offer": "B"}), Record("8", {})]) == Filled(1, 1)
    assert store.find(["7", "8", "9", " 7"]) == {
        "7": {"offer": "B", "event": "x"},
        "8": {},
        " 7": {"offer": "B", "event": "x"},
    }
    assert [each.message for each in store.check()] == ["2 records."]
    assert store.finds == 1


def test_stores_of_one_name_have_the_same_records() -> None:
    one, two = memory("both"), memory("both")
    one.fill([Record("7", {"offer": "A"})])
    assert two.find(["7"]) == {"7": {"offer": "A"}}
    assert memory().find(["7"]) == {}


def test_a_failure_that_was_asked_for_is_raised_once() -> None:
    store = memory()
    store.fail(Away("gone"))
    with pytest.raises(Away):
        store.find(["7"])
    assert store.find(["7"]) == {}

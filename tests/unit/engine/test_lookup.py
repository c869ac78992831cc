from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import pytest

from whereupon.engine.lookup import Lookup
from whereupon.kit.roles import Store
from whereupon.model.errors import Away, Refused, SetupError


class FakeStore:
    """Refuses batches that hold a bad key."""

    def __init__(self, *bad: str) -> None:
        self.bad = set(bad)
        self.asked: list[list[str]] = []

    def find(self, keys: Sequence[str]) -> Mapping[str, Mapping[str, str]]:
        self.asked.append(list(keys))
        if self.bad & set(keys):
            raise Refused("This key is no key.")
        return {key: {"name": key.upper()} for key in keys}


def lookup(**stores: FakeStore) -> Lookup:
    return Lookup(lambda name: cast("Store[Any, Any]", stores[name]))


def test_a_batch_is_one_request() -> None:
    store = FakeStore()
    records = lookup(Teal=store).records({"Teal"}, {"b", "a"})
    assert store.asked == [["a", "b"]]
    assert records.found["Teal"]["a"] == {"name": "A"}
    assert records.refused == {}


@pytest.mark.parametrize(("names", "persons"), [(set(), {"a"}), ({"Teal"}, set())])
def test_nothing_asked_is_nothing_looked_up(names: set[str], persons: set[str]) -> None:
    store = FakeStore()
    assert lookup(Teal=store).records(names, persons).found == {}
    assert store.asked == []


def test_the_key_that_is_to_blame_is_found_and_its_neighbours_go() -> None:
    records = lookup(Teal=FakeStore("c")).records({"Teal"}, set("abcdefg"))
    assert records.refused == {"Teal": {"c": "This key is no key."}}
    assert set(records.found["Teal"]) == set("abdefg")


def test_what_a_store_raises_otherwise_is_the_streams_matter() -> None:
    def gone(name: str) -> Store[Any, Any]:
        raise SetupError(f"{name} is not open.")

    with pytest.raises(SetupError, match="Teal is not open"):
        Lookup(gone).records({"Teal"}, {"a"})

    class AwayStore(FakeStore):
        def find(self, keys: Sequence[str]) -> Mapping[str, Mapping[str, str]]:
            raise Away("Nobody answers.")

    with pytest.raises(Away):
        lookup(Teal=AwayStore()).records({"Teal"}, {"a"})

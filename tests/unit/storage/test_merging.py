"""A file over what a system has."""

from __future__ import annotations

from typing import Any

from whereupon.model.setup import Setup
from whereupon.storage.merging import merged, only_here


def setup(*channels: str, **more: Any) -> Setup:
    parts = [{"name": each, "type": "memory"} for each in channels]
    return Setup.model_validate({"system": {"name": "A"}, "channels": parts, **more})


def names(found: Setup) -> list[str]:
    return [each.name for each in found.channels]


def test_the_first_file_is_taken_as_it_is() -> None:
    new = setup("a")
    assert merged(None, new) is new
    assert only_here(None, new) == []


def test_parts_are_merged_by_name_in_their_old_order_and_new_ones_follow() -> None:
    old = setup("b", "a")
    new = setup("c", "a", system={"name": "A"})
    assert names(merged(old, new)) == ["b", "a", "c"]
    assert only_here(old, new) == ["Channel b"]


def test_only_prune_deletes() -> None:
    assert names(merged(setup("b", "a"), setup("c", "a"), prune=True)) == ["a", "c"]


def test_a_part_is_taken_from_the_file_whole() -> None:
    old = Setup.model_validate(
        {"system": {"name": "A"}, "channels": [{"name": "a", "type": "memory", "fields": ["x"]}]}
    )
    assert merged(old, setup("a")).channels[0].fields == ()


def test_what_the_file_does_not_mention_of_the_system_stays() -> None:
    old = setup(
        system={"name": "A", "time_zone": "Europe/London"},
        realtime_data={"load_communications": "every 2 hours"},
    )
    new = setup(system={"name": "B"})
    found = merged(old, new, given=["system"])
    assert (found.system.name, found.system.time_zone) == ("B", "Europe/London")
    assert str(found.realtime_data.load_communications) == "every 2 hours"


def test_realtime_data_of_the_file_counts_where_it_stands_there() -> None:
    old = setup(realtime_data={"load_communications": "every 2 hours"})
    new = setup(realtime_data={"recognise_repeats": "30 days"})
    found = merged(old, new, given=["realtime_data"]).realtime_data
    assert (str(found.load_communications), found.recognise_repeats) == ("every 2 hours", "30 days")


def test_inner_lists_are_merged_too() -> None:
    old = setup(streams={"providers": [{"name": "p", "type": "memory"}]})
    new = setup(streams={"streams": [{"name": "s", "provider": "p"}]})
    found = merged(old, new)
    assert [each.name for each in found.streams.providers] == ["p"]
    assert [each.name for each in found.streams.streams] == ["s"]

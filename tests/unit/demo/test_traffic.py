"""The demo's events."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from whereupon.demo.system import FIRST
from whereupon.demo.traffic import Event, needed_people, regulars, traffic


def would_be_sent(events: list[Event], people: int) -> int:
    """Sign-ins of known persons, at most three each, and registrations; each event once."""
    seen: set[str] = set()
    had: Counter[str] = Counter()
    sent = 0
    for each in events:
        if not each.event_id or each.event_id in seen:
            continue
        seen.add(each.event_id)
        known = each.person.isdecimal() and FIRST <= int(each.person) < FIRST + people
        had[each.person] += 1
        sent += each.stream == "Register" or (known and had[each.person] <= 3)
    return sent


@pytest.mark.req("NEW-04")
@pytest.mark.parametrize("number", [1, 2, 20, 200, 300, 5000])
def test_at_least_half_of_the_events_end_in_a_message(number: int) -> None:
    events = list(traffic(number, run="r"))
    assert len(events) == number
    assert would_be_sent(events, needed_people(number)) * 2 >= number


@pytest.mark.parametrize("number", [200, 300, 1000])
def test_what_goes_wrong_is_among_them(number: int) -> None:
    kinds = Counter(each.kind for each in traffic(number, run="r"))
    assert kinds["nobody knows them"] >= 1
    assert kinds["no JSON"] >= 1
    assert kinds["the same once more"] >= 1
    assert kinds["signs in often"] == 5 * regulars(number)


def test_only_a_repeat_has_an_id_twice() -> None:
    events = [each for each in traffic(400, run="r") if each.kind not in ("the same once more", "no JSON")]
    assert len({each.event_id for each in events}) == len(events)


def test_an_event_is_json_with_its_person_unless_it_is_broken() -> None:
    for each in traffic(100, run="r"):
        if each.kind == "no JSON":
            with pytest.raises(ValueError, match="Expecting"):
                json.loads(each.value)
        else:
            fields = json.loads(each.value)
            assert (fields["id"], fields["urn"]) == (each.event_id, each.person)
            assert fields["location"]

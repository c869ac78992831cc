"""The checker finds what it is there to find."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.faults.checker import Line, Produced, account

E1, E2 = Produced("e1", "ada"), Produced("e2", "bob")
BAD = Produced("e3", "", readable=False)


def line(event: Produced, outcome: str, reason: str = "") -> Line:
    """A line of the activity."""
    return {
        "event_id": event.id,
        "person": event.person,
        "campaign": "Welcome",
        "key": "" if outcome == "repeat" else f"k-{event.id}",
        "outcome": outcome,
        "reason": reason,
    }


def test_every_event_gets_its_end() -> None:
    activity = [
        line(E1, "sent"),
        line(E1, "repeat"),
        line(E2, "withheld", "limit"),
        {"outcome": "dead", "key": None},
    ]
    result = account([E1, E2, E1, BAD], Counter({"k-e1": 1}), activity)
    assert (result.delivered, result.repeats, result.withheld, result.dead) == (1, 1, {"limit": 1}, 1)
    assert result.settled
    assert not result.problems
    assert result.row(1, seed=7, kills=0, seconds=1.25)["lost"] == 0


@pytest.mark.parametrize(
    ("produced", "arrived", "activity", "found"),
    [
        ([E1], {}, [], "lost: e1 of ada"),
        ([E1], {}, [line(E1, "sent")], "lost: e1 of ada, called sent"),
        ([E1, E1], {"k-e1": 1}, [line(E1, "sent")], "lost: e1 of ada, a repeat"),
        ([E1], {"k-e1": 2}, [line(E1, "sent")], "doubled: e1 of ada, arrived 2 times"),
        ([E1], {"k-e1": 1}, [line(E1, "sent")] * 2, "doubled: e1 of ada, decided 2 times"),
        ([E1], {"k-e1": 1}, [line(E1, "withheld")], "stray: e1 of ada, arrived though withheld"),
        ([E1], {"k-e1": 1, "k-x": 1}, [line(E1, "sent")], "stray: key k-x"),
        ([E1], {}, [line(E1, "gone")], "lost: e1 of ada, outcome 'gone'"),
        ([BAD], {}, [], "lost: e3 (unreadable)"),
    ],
)
def test_a_wrong_book_is_found(
    produced: list[Produced], arrived: dict[str, int], activity: list[Line], found: str
) -> None:
    assert account(produced, arrived, activity).problems == [found]


@pytest.mark.parametrize("outcome", ["queued", "sending", "waiting"])
def test_what_is_on_its_way_is_pending(outcome: str) -> None:
    result = account([E1], {"k-e1": 1}, [line(E1, outcome)])
    assert (result.pending, result.settled, result.problems) == (1, False, [])


def test_a_failed_message_with_its_dead_letter_has_one_end() -> None:
    result = account([E1, E2], {}, [line(E1, "failed"), line(E1, "dead"), line(E2, "failed", "refused")])
    assert (result.dead, result.failed) == (1, {"refused": 1})


def test_an_unknown_message_may_have_arrived() -> None:
    result = account([E1, E2], {"k-e1": 1}, [line(E1, "unknown"), line(E2, "unknown"), line(E2, "dead")])
    assert (result.unknown, result.problems) == (2, [])


def test_lines_without_an_event_id_are_found_by_person() -> None:
    activity = [{**line(E1, "sent"), "event_id": None}]
    assert account([E1], {"k-e1": 1}, activity).delivered == 1

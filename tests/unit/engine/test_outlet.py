"""Outlets: no queued message is ever forgotten, whatever comes between question and answer."""

from __future__ import annotations

from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from whereupon.engine.lane import Lane
from whereupon.engine.outlet import Outlet


def outlet(queued: int = 0, cursor: int = 0) -> Outlet:
    return Outlet(cast(Lane, None), queued, cursor)


def test_what_is_queued_is_looked_for_from_its_number_on() -> None:
    one = outlet()
    one.add(3, 700)
    assert (one.queued, one.look()) == (3, 700)


def test_nothing_added_is_nothing_to_look_for() -> None:
    one = outlet()
    one.add(0, 700)
    assert one.queued == 0


def test_when_the_journal_has_no_more_the_queue_is_empty() -> None:
    one = outlet(queued=5, cursor=1)
    one.look()
    one.looked(9, 2, all=True)
    assert one.queued == 0


def test_while_the_journal_may_have_more_the_queue_is_not_empty() -> None:
    one = outlet(queued=2, cursor=1)
    one.look()
    one.looked(9, 2, all=False)
    assert (one.queued, one.look()) == (1, 9)


def test_what_is_queued_while_the_journal_is_asked_is_not_forgotten() -> None:
    one = outlet(queued=2, cursor=10)
    one.look()
    one.add(4, 5)
    one.looked(12, 2, all=True)
    assert (one.queued, one.look()) == (4, 5)


def test_an_empty_queue_is_looked_for_from_the_next_that_comes() -> None:
    one = outlet(queued=1, cursor=10)
    one.look()
    one.looked(0, 0, all=True)
    one.add(1, 900)
    assert one.look() == 900


@given(
    st.lists(
        st.tuples(st.sampled_from(["add", "ask", "answer"]), st.integers(1, 40), st.integers(1, 3)),
        max_size=60,
    )
)
def test_whatever_the_order_every_queued_message_is_found(steps: list[tuple[str, int, int]]) -> None:
    """A journal in a dictionary; rows are written before the outlet hears of them, as after a commit."""
    one, rows = outlet(queued=1), set[int]()
    answer: Any = None
    for kind, number, most in [*steps, *([("ask", 1, 3), ("answer", 1, 3)] * 80)]:
        if kind == "add":
            rows.add(number)
            one.add(1, number)
        if kind == "ask" and answer is None and one.queued:
            found = sorted(each for each in rows if each >= one.look())[:most]
            answer = found, len(found) < most
        if kind == "answer" and answer is not None:
            found, all_of_them = answer
            rows -= set(found)
            one.looked(found[-1] if found else 0, len(found), all=all_of_them)
            answer = None
    assert not rows

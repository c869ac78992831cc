"""The line: what is polled is decided once, in order, and a line that stands still says why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.line.faults import Faults
from tests.servers.processes import wait_until
from tests.world import BACK, PLAIN, World, setup_of, sign_in
from whereupon.engine.line import Line
from whereupon.engine.turn import Turn
from whereupon.model.errors import Away, Unavailable


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A world that is closed at the end."""
    one = World(tmp_path)
    yield one
    one.close()


def line(world: World) -> Line:
    """The only line."""
    ((_, found, _),) = world.engine.lines()
    assert found is not None
    return found


def position(world: World) -> dict[int, int]:
    """The journal's place in the only topic."""
    ((_, stored),) = world.engine.journal.positions(world.engine.running.ids["stream", "SignIn"]).items()  # type: ignore[union-attr]
    return stored


def test_events_are_decided_in_order_and_the_stream_is_told(world: World) -> None:
    world.start(setup_of(PLAIN))
    world.send(*[sign_in(number) for number in range(5)])
    assert world.settle(5) == ["sent"] * 5
    assert [each["event_id"] for each in world.activity()] == [f"e{number}" for number in range(5)]
    assert position(world) == {0: 5}
    wait_until(lambda: world.stream.committed == {0: 5})


def test_an_event_that_comes_again_is_a_repeat(world: World) -> None:
    world.start(setup_of(PLAIN))
    world.send(sign_in(1), sign_in(2), sign_in(1))
    assert world.settle(3) == ["sent", "sent", "repeat"]


def test_a_line_without_events_stands_still_for_no_reason(world: World) -> None:
    world.start(setup_of(PLAIN))
    wait_until(lambda: line(world).lag() == {0: 0}, what="the stream's only partition")
    assert (line(world).paused, line(world).alive) == ("", True)


def test_a_batch_too_large_for_one_turn_is_decided_in_several(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("whereupon.engine.decide.BATCH_SIZE", 100)
    world.start(setup_of(PLAIN))
    world.send(*[sign_in(number) for number in range(30)])
    assert world.settle(30) == ["sent"] * 30


def test_whatever_makes_everything_stand_still_is_said_and_waited_for(world: World, logs: Any) -> None:
    logs.expect("stream paused")
    world.start(setup_of(PLAIN))
    world.engine.operating.say("disk", "Paused: disk.")
    world.send(sign_in(1))
    wait_until(lambda: line(world).paused == "Paused: disk.")
    assert world.outcomes() == []
    world.engine.operating.say("disk", "")
    assert world.settle(1) == ["sent"]
    assert line(world).paused == ""


def test_a_stream_that_is_away_is_said_and_tried_again(world: World, logs: Any) -> None:
    logs.expect("stream paused")
    world.start(setup_of(PLAIN))
    world.stream.fail(Away("The broker is away."))
    wait_until(lambda: line(world).paused == "The broker is away.")
    wait_until(lambda: line(world).paused == "")
    world.send(sign_in(1))
    assert world.settle(1) == ["sent"]


def test_a_reason_that_lasts_is_logged_once(world: World, logs: Any) -> None:
    logs.expect("stream paused")
    world.start(setup_of(PLAIN))
    for _ in range(2):
        world.stream.fail(Unavailable("The broker is away."))
    wait_until(lambda: line(world).paused != "")
    wait_until(lambda: line(world).paused == "")
    assert len([each for each in logs.records if "stream paused" in each.getMessage()]) == 1


def test_one_event_that_nobody_foresaw_is_a_dead_letter_with_its_traceback_in_the_log(
    world: World, logs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    logs.expect("nobody expected this of an event")
    world.start(setup_of(PLAIN))
    plan = world.engine.plan("SignIn")

    def fall(known: Any) -> bool:
        return bool(1 / (known.stream["location"] != "Atlantis"))

    odd = replace(plan, campaigns=(replace(plan.campaigns[0], admits=fall),))
    monkeypatch.setattr(world.engine, "plan", lambda stream: odd)
    world.send(sign_in(1), sign_in(2, location="Atlantis"), sign_in(3))
    assert world.settle(3) == ["sent", "sent", "dead letter"]


def test_a_batch_that_cannot_be_decided_for_an_unforeseen_reason_is_tried_again(
    world: World, logs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    logs.expect("a batch can't be decided")
    logs.expect("stream paused")
    world.start(setup_of(PLAIN))
    decide = Turn.decide

    def fall(turn: Turn) -> None:
        monkeypatch.setattr(Turn, "decide", decide)
        raise ZeroDivisionError("odd")

    monkeypatch.setattr(Turn, "decide", fall)
    world.send(sign_in(1))
    wait_until(lambda: line(world).paused == "Nobody expected this: ZeroDivisionError('odd').")
    assert world.settle(1) == ["sent"]


def test_an_event_that_the_journal_refuses_is_found_by_halving(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults = Faults(monkeypatch)
    faults.refuse("1003")
    world.start(setup_of(PLAIN))
    world.send(*[sign_in(number) for number in range(7)])
    assert sorted(world.settle(7)) == ["dead letter", *["sent"] * 6]
    assert position(world) == {0: 7}


@pytest.mark.parametrize("at", [3, 12])
def test_a_partition_that_somebody_else_moved_leaves_the_batch_and_is_read_anew(
    world: World, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    """The other service has decided up to `at` by the time that ours begins its turn."""
    world.start(setup_of(PLAIN))
    world.send(sign_in(100))
    world.settle(1)
    moved: list[int] = []
    settle = Turn.decide

    def move_first(turn: Turn) -> None:
        if not moved:
            moved.append(at)
            with world.engine._turns.transaction() as session:
                session.run("UPDATE position SET next = ?", (at,))
        settle(turn)

    monkeypatch.setattr(Turn, "decide", move_first)
    world.send(*[sign_in(number) for number in range(1, 20)])
    wait_until(lambda: position(world) == {0: 20})
    world.settle(1 + 20 - at)
    assert [each["event_id"] for each in world.activity()] == [
        "e100",
        *[f"e{number}" for number in range(at, 20)],
    ]


def test_a_partition_that_is_lost_while_its_batch_is_halved_is_not_moved_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults = Faults(monkeypatch)
    faults.refuse("1002")
    world.start(setup_of(PLAIN))
    world.send(sign_in(100))
    world.settle(1)
    turns: list[int] = []
    settle = Turn.decide

    def move_third(turn: Turn) -> None:
        turns.append(1)
        if len(turns) == 3:
            with world.engine._turns.transaction() as session:
                session.run("UPDATE position SET next = 15")
        settle(turn)

    monkeypatch.setattr(Turn, "decide", move_third)
    with world.stream.topic.news:
        world.send(*[sign_in(number) for number in range(1, 20)])
    wait_until(lambda: position(world) == {0: 20})
    wait_until(lambda: "e19" in {each["event_id"] for each in world.activity()})
    assert len(turns) >= 4


def test_a_stopped_line_has_left_its_stream(world: World) -> None:
    world.start(setup_of(PLAIN))
    found = line(world)
    found.stop(3.0)
    assert not found.alive
    world.send(sign_in(1))
    assert world.outcomes() == []


def test_events_wait_for_a_store_and_then_go_on_in_order(world: World, logs: Any) -> None:
    logs.expect("stream paused")
    world.start(setup_of(BACK), records={"1001": {"firstname": "Ada"}, "1002": {"firstname": "Bo"}})
    world.store.fail(Unavailable("slow"))
    world.send(sign_in(1), sign_in(2))
    assert world.settle(2) == ["sent", "sent"]
    assert [each.fields["forename"] for each in world.channel.sent] == ["Ada", "Bo"]


def test_a_line_that_is_stopped_while_it_waits_ends_at_once(world: World, logs: Any) -> None:
    logs.expect("stream paused")
    world.start(setup_of(PLAIN))
    world.engine.operating.say("disk", "Paused: disk.")
    world.send(sign_in(1))
    wait_until(lambda: line(world).paused != "")
    began = world.clock.monotonic()
    line(world).stop(10.0)
    assert world.clock.monotonic() - began < 5.0


def test_the_latencies_of_each_step_are_measured(world: World) -> None:
    world.start(setup_of(PLAIN))
    world.send(sign_in(1))
    world.settle(1)
    wait_until(lambda: {"look up", "render", "decide", "send"} <= world.engine.pulse.latencies().keys())

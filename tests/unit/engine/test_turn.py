"""One T1 of a line: places in lanes are kept for exactly what was decided."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.line.faults import T1, Faults
from tests.servers.processes import wait_until
from tests.world import PLAIN, World, setup_of, sign_in
from whereupon.engine.lane import Lane
from whereupon.model.errors import Away, Unavailable
from whereupon.model.events import Result


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A world at work, closed at the end; its first message has been sent."""
    one = World(tmp_path)
    one.start(setup_of(PLAIN))
    one.send(sign_in(0))
    one.settle(1)
    yield one
    one.close()


def lane(world: World) -> Lane:
    """The only lane."""
    found = world.engine.lanes()[0][1]
    assert found is not None
    return found


def test_new_messages_go_straight_to_a_lane_that_has_nothing_queued(world: World) -> None:
    world.channel.hold()
    world.send(sign_in(1))
    wait_until(lambda: world.outcomes() == ["sent", "sending"])
    world.channel.release()
    assert world.settle(2) == ["sent", "sent"]


@pytest.mark.parametrize("error", [Unavailable("busy"), Away("gone")])
def test_a_turn_that_fails_gives_its_places_back(
    world: World, monkeypatch: pytest.MonkeyPatch, logs: Any, error: Unavailable
) -> None:
    logs.expect("stream paused")
    faults = Faults(monkeypatch)
    faults.commit(T1, error, times=2)
    world.send(*[sign_in(number) for number in range(1, 30)])
    wait_until(lambda: faults.commits >= 1)
    wait_until(lambda: lane(world).held == 0)
    assert world.settle(30) == ["sent"] * 30
    wait_until(lambda: lane(world).held == 0)


def test_a_persons_next_message_waits_for_the_earlier_one(world: World) -> None:
    world.channel.answer(Result.UNAVAILABLE, retry_after=1.0)
    world.send(sign_in(1, urn="ada"))
    wait_until(lambda: world.outcomes() == ["sent", "waiting"])
    world.send(sign_in(2, urn="ada"), sign_in(3, urn="bob"))
    wait_until(lambda: "sent" in world.outcomes()[2:])
    assert world.outcomes() == ["sent", "waiting", "waiting", "sent"]
    assert world.settle(4) == ["sent"] * 4
    assert [each.person for each in world.channel.sent] == ["1000", "bob", "ada", "ada"]
    assert [each.event_id for each in world.channel.sent if each.person == "ada"] == ["e1", "e2"]


def test_what_is_decided_while_its_channel_is_closed_is_queued_for_later(world: World) -> None:
    world.engine.finisher.shut(lane(world).manners.channel)
    world.send(sign_in(1))
    wait_until(lambda: world.outcomes() == ["sent", "queued"])

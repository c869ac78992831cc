"""The keeper's list: all of it can be done, again and again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.world import PLAIN, World, setup_of, sign_in
from whereupon.engine import chores as module
from whereupon.engine.chores import chores


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A running line."""
    found = World(tmp_path)
    found.start(setup_of(PLAIN))
    yield found
    found.close()


def do(world: World, *names: str) -> None:
    """Do these chores, or all."""
    for each in chores(world.engine, world.operations):
        if not names or each.name in names:
            each.act()


def test_all_chores_can_be_done_twice(world: World) -> None:
    world.send(sign_in(1))
    world.settle(1)
    do(world)
    do(world)
    assert world.outcomes() == ["sent"]


def test_a_campaign_that_the_service_holds_is_shown_to_all(world: World) -> None:
    world.engine.operating.hold(7, "no such list")
    do(world, "holds")
    (hold,) = world.operations.holds()
    assert (hold.role, hold.part, hold.kind, hold.reason, hold.author) == (
        "campaign", 7, "held", "no such list", "service",
    )  # fmt: skip
    world.operations.release("campaign", 7)
    do(world, "holds")
    assert world.engine.operating.held == {}


def test_a_crowded_channel_makes_streams_wait(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CROWDED", 0)
    do(world, "crowded channels")
    assert world.engine.operating.standstill() == "ESP has 0 open messages."
    monkeypatch.setattr(module, "CROWDED", 100_000)
    do(world, "crowded channels")
    assert world.engine.operating.standstill() == ""


def test_a_table_run_keeps_its_first_message_among_the_open_ones(world: World) -> None:
    world.send(sign_in(1))
    world.settle(1)
    (lane,) = [lane for _, lane, _ in world.engine.lanes() if lane is not None]
    channel = lane.manners.channel
    words = {"channel": channel, "campaign": 77, "first": 1, "run": 1}
    world.operations.ask("bulk", words, author="x", owner=world.engine.owner, at=0)
    do(world, "requests", "open messages")
    session = world.databases.streams.session()
    row = session.one("SELECT open_from FROM lane WHERE channel = ?", (channel,))
    session.close()
    assert row == (1,)


def test_retention_keeps_up_with_two_thousand_events_a_second(world: World) -> None:
    # Arrange: of 10,000 old events the bodies are to go; a body and an event are a step each.
    session = world.databases.streams.session()
    rows = [(first, first + 499, 1, 0, 1, b"body") for first in range(1, 10_000, 500)]
    columns = {"id": "id", "last": "id", "stream": "id", "decided": "id", "owner": "id", "body": "blob"}
    session.insert("batch", columns, rows)  # type: ignore[arg-type]
    (tidy,) = [each for each in chores(world.engine, world.operations) if each.name == "retention"]
    # Act
    for _ in range(int(1 / tidy.every)):
        tidy.act()
    # Assert
    left = session.one("SELECT COUNT(*) FROM batch")
    session.close()
    assert left is not None
    assert left[0] <= 20 - 2 * 2_000 // 500

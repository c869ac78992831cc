from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.processes import wait_until
from tests.world import PLAIN, World, setup_of, sign_in
from whereupon.engine.status import status
from whereupon.model.errors import Away
from whereupon.model.events import Result


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


def why(world: World) -> str:
    return str(status(world.engine)["nothing"])


def test_without_a_campaign_it_says_so(world: World) -> None:
    world.start(setup_of())
    assert why(world) == "No campaign is published."


def test_figures_are_counted_and_nothing_is_wrong(world: World) -> None:
    world.start(setup_of(PLAIN))
    world.send(sign_in(1), sign_in(2))
    world.settle(2)
    wait_until(lambda: status(world.engine)["counts"].get("sent") == 2)
    said = status(world.engine)
    assert said["counts"] == {"events": 2, "sent": 2}
    assert said["streams"] == [{"name": "SignIn", "state": "", "lag": 0}]
    assert said["channels"][0]["open"] == 0
    assert set(said["latencies"]) == {"look up", "render", "decide", "send"}
    assert said["nothing"] == "No new events."


def test_a_full_disk_is_named(world: World) -> None:
    world.start(setup_of(PLAIN))
    world.engine.operating.say("disk", "Paused: disk. Only 3 MB are free.")
    assert why(world) == "Paused: disk. Only 3 MB are free."


def test_a_stream_that_stands_still_is_named(world: World, logs: object) -> None:
    logs.allow("stream paused")  # type: ignore[attr-defined]
    world.start(setup_of(PLAIN))
    world.stream.fail(Away("Kafka can't be reached."))
    wait_until(lambda: why(world) == "SignIn: Kafka can't be reached.")
    assert status(world.engine)["streams"][0]["lag"] is None


def test_a_channel_that_is_away_is_named(world: World, logs: object) -> None:
    logs.allow("channel is away")  # type: ignore[attr-defined]
    world.start(setup_of(PLAIN))
    world.channel.answer(Result.AWAY, times=100)
    world.send(sign_in(1))
    wait_until(lambda: why(world).startswith("ESP: as asked: away"))


def test_paused_campaigns_are_named(world: World) -> None:
    world.start(setup_of(PLAIN))
    world.engine.operating.paused = frozenset({1})
    assert why(world) == "1 campaigns are paused."

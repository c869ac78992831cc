"""A service that stood still for 70 s (a laptop's lid, a frozen machine) while others on its database went on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.servers.postgresql import PostgreSQL
from tests.servers.processes import wait_until
from tests.world import PLAIN, World, setup_of, sign_in
from whereupon.host.clock import FakeClock

pytestmark = pytest.mark.outside
SLEEP = 70.0
FEW = [{"name": "ESP", "type": "memory", "settings": {"concurrency": 2}, "fields": ["email", "subject"]}]


@pytest.fixture
def services(postgresql: PostgreSQL, tmp_path: Path, logs: Any) -> Iterator[tuple[World, World]]:
    """Two services of one system, each with a clock of its own; the first has two of its six messages under way."""
    # The topics of two worlds are two: the second reads nothing, it only delivers.
    logs.allow("stream paused|taken over")
    name = postgresql.create_database("sleeping")
    made = []
    for each in ("first", "second"):
        (tmp_path / each).mkdir()
        world = World(tmp_path / each, clock=FakeClock(), streams_url=postgresql.url(name), id=each)
        world.start(setup_of(PLAIN, channels=FEW))
        world.engine.renewal.renewed()
        made.append(world)
    first, second = made
    first.channel.hold()
    first.send(*[sign_in(number) for number in range(6)])
    wait_until(lambda: len(first.outcomes()) == 6 and len(first.channel.tried) == 2)
    yield first, second
    for world in made:
        world.close()
    postgresql.drop_database(name)


def wake(service: World, *, at_once: bool = False) -> None:
    """It goes on: its clock has counted the time, its receiver answers.

    `at_once`: first of all its lease is renewed.
    """
    assert isinstance(service.clock, FakeClock)
    service.clock.advance(SLEEP)
    if at_once:
        service.engine.renewal.renewed()
    service.channel.release()


@pytest.mark.parametrize("at_once", [True, False])
def test_it_offers_nothing_that_another_service_took_over_meanwhile(
    services: tuple[World, World], at_once: bool
) -> None:
    first, second = services
    second.engine.take_over(first.engine.owner)
    assert second.settle(6) == ["sent"] * 6
    wake(first, at_once=at_once)
    lane = first.engine.lanes()[0][1]
    assert lane is not None
    wait_until(lambda: not lane.held, what="An empty lane")
    first.engine.renewal.renewed()
    first.send(sign_in(7))
    assert first.settle(7) == ["sent"] * 7
    assert len(first.channel.tried) == 3
    assert len(second.channel.sent) == 6


def test_it_offers_nothing_before_its_lease_is_renewed_and_then_what_is_still_its_own(
    services: tuple[World, World],
) -> None:
    first, _ = services
    wake(first)
    wait_until(lambda: sorted(first.outcomes()) == ["queued"] * 4 + ["sent"] * 2)
    first.send(sign_in(7))
    wait_until(lambda: first.outcomes().count("queued") == 5)
    assert len(first.channel.tried) == 2
    first.engine.renewal.renewed()
    assert first.settle(7) == ["sent"] * 7
    assert len(first.channel.tried) == 7

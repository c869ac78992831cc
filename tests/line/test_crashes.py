"""Crash at any point (line.md): each row of the table, with a process that dies there and another that goes on."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.line.crashing import run, running, settled
from tests.line.faults import T2, Faults
from tests.servers.processes import wait_until
from tests.world import PLAIN, World, setup_of, sign_in
from whereupon.components.streams.local import append
from whereupon.host.clock import FakeClock
from whereupon.model.errors import Unavailable
from whereupon.model.events import Result
from whereupon.storage.loading import Loaded, load

EVENTS = 40
CRASHED = 137
POINTS = ["before-t1-commit", "after-t1-commit", "before-stash", "after-stash", "before-t2", "after-t2"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A system's folder with events on its stream."""
    append(tmp_path, "sign-ins", [json.dumps(sign_in(number)).encode() for number in range(EVENTS)])
    return tmp_path


def delivered(folder: Path) -> list[str]:
    """Whom the file channel wrote to, in order."""
    lines = (folder / "Outbox" / "ESP.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(each)["person"] for each in lines]


def loaded(world: World) -> Loaded:
    """Load the stash into the communications."""
    return load(world.databases.system, world.shop.system.stash, folder_id="f", clock=world.clock)


def counts(world: World) -> dict[str, int]:
    """How many ended how."""
    found = world.outcomes()
    return {each: found.count(each) for each in sorted(set(found))}


def figures(world: World) -> tuple[dict[str, int], dict[str, int]]:
    """The tally by state beside a recount of the outcomes."""
    with closing(world.databases.streams.session()) as session:
        tally = session.all("SELECT state, SUM(n) FROM tally GROUP BY state HAVING SUM(n) <> 0")
        recount = session.all("SELECT state, COUNT(*) FROM outcome GROUP BY state")
    return dict(tally), dict(recount)


@pytest.mark.parametrize("at", POINTS)
def test_where_the_receiver_knows_a_key_each_person_gets_one_message_wherever_it_dies(
    folder: Path, at: str
) -> None:
    assert run(folder, "keyed", at=f"{at}:1", count=EVENTS) == CRASHED
    with running(folder, "keyed") as world:
        wait_until(lambda: settled(world, EVENTS))
        assert counts(world) == {"sent": EVENTS}
        assert sorted(delivered(folder)) == sorted(str(1000 + number) for number in range(EVENTS))
        assert figures(world) == ({"sent": EVENTS}, {"sent": EVENTS})
        total = loaded(world)
        assert (total.new, total.bad) == (EVENTS, 0)


@pytest.mark.parametrize("at", ["before-t1-commit", "after-t1-commit"])
def test_before_anything_left_a_crash_costs_nothing_anywhere(folder: Path, at: str) -> None:
    assert run(folder, "keyless", at=f"{at}:1", count=EVENTS) == CRASHED
    with running(folder, "keyless") as world:
        wait_until(lambda: settled(world, EVENTS))
        assert counts(world) == {"sent": EVENTS}


@pytest.mark.parametrize("at", ["before-stash", "after-stash", "before-t2", "after-t2"])
def test_where_no_key_is_known_what_was_under_way_is_unknown_unless_the_stash_is_its_receipt(
    folder: Path, at: str
) -> None:
    assert run(folder, "keyless", at=f"{at}:3", count=EVENTS) == CRASHED
    with running(folder, "keyless") as world:
        wait_until(lambda: settled(world, EVENTS))
        found = counts(world)
        unknown = found.pop("unknown", 0)
        assert unknown <= 4  # its connections
        assert found.pop("dead letter", 0) == unknown
        assert found == {"sent": EVENTS - unknown}
        # T2 has the next ones leave: after it they are under way already.
        assert unknown == 0 if at in ("after-stash", "before-t2") else unknown > 0 or at == "after-t2"
        assert loaded(world).new == EVENTS - unknown
        assert figures(world)[0] == figures(world)[1]


def test_a_stash_that_comes_back_later_proves_what_was_sent(folder: Path) -> None:
    assert run(folder, "keyless", at="after-stash:3", count=EVENTS) == CRASHED
    stash = folder / "Stash"
    aside = [(each, each.read_bytes()) for each in stash.glob("*.open")]
    for each, _ in aside:
        each.unlink()
    with running(folder, "keyless") as world:
        wait_until(lambda: settled(world, EVENTS))
        before = counts(world)
        assert before["unknown"] == before["dead letter"] > 0
    for each, content in aside:
        each.write_bytes(content)
    with running(folder, "keyless") as world:
        assert counts(world) == {"sent": EVENTS}
        assert figures(world) == ({"sent": EVENTS}, {"sent": EVENTS})


def test_it_may_die_again_and_again(folder: Path) -> None:
    died = [run(folder, "keyed", at=f"{each}:1", count=EVENTS) == CRASHED for each in POINTS]
    assert died.count(True) >= 3
    with running(folder, "keyed") as world:
        wait_until(lambda: settled(world, EVENTS))
        assert counts(world) == {"sent": EVENTS}
        assert len(delivered(folder)) == len(set(delivered(folder))) == EVENTS


def test_a_load_that_dies_is_begun_again_and_loads_each_line_once(folder: Path) -> None:
    assert run(folder, "keyed", count=EVENTS) == 0
    with running(folder, "keyed") as world:
        assert loaded(world).new == EVENTS
        assert loaded(world) == Loaded()


def test_what_was_sending_when_the_journal_went_away_for_good_goes_on_after_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, logs: Any
) -> None:
    """T2 that never held: the receipts are in the stash, and the next start settles them."""
    logs.expect("receipts can't be noted")
    append(tmp_path, "sign-ins", [json.dumps(sign_in(number)).encode() for number in range(EVENTS)])
    faults = Faults(monkeypatch)
    faults.commit(T2, Unavailable("the disk is full"), times=10**6)
    with running(tmp_path, "keyless") as world:
        wait_until(lambda: world.engine.finisher.stuck)
    faults.over()
    logs.allow("stream paused")
    with running(tmp_path, "keyless") as world:
        wait_until(lambda: settled(world, EVENTS))
        assert counts(world) == {"sent": EVENTS}


def test_back_offs_outlive_a_restart(tmp_path: Path) -> None:
    clock = FakeClock()
    world = World(tmp_path, clock=clock)
    world.start(setup_of(PLAIN))
    world.channel.answer(Result.UNAVAILABLE, retry_after=600.0)
    world.send(sign_in(1))
    wait_until(lambda: world.outcomes() == ["waiting"])
    world.engine.stop()
    world.restart()
    world.send(sign_in(2))
    wait_until(lambda: world.outcomes() == ["waiting", "sent"])
    clock.advance(601.0)
    assert world.settle(2) == ["sent", "sent"]
    world.close()

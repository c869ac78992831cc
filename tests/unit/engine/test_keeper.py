from __future__ import annotations

import threading

from tests.servers.processes import wait_until
from whereupon.engine.keeper import Chore, Keeper
from whereupon.host.clock import FakeClock
from whereupon.model.errors import Away


def test_chores_are_done_again_and_again() -> None:
    done: list[str] = []
    clock = FakeClock(hurried=True)
    chores = [
        Chore("often", 0.5, lambda: done.append("often")),
        Chore("seldom", 3600, lambda: done.append("seldom")),
    ]
    keeper = Keeper("keeper", chores, clock=clock)
    keeper.start()
    wait_until(lambda: done.count("often") > 3)
    keeper.stop(5)
    assert done.count("seldom") == 1
    assert not keeper.alive


def test_a_chore_that_fails_is_said_once_and_tried_again(logs: object) -> None:
    logs.expect("a chore failed")  # type: ignore[attr-defined]
    tries: list[int] = []
    healed = threading.Event()

    def act() -> None:
        tries.append(1)
        if len(tries) < 4:
            raise Away("The database is away.")
        healed.set()

    keeper = Keeper("keeper", [Chore("read", 0.1, act)], clock=FakeClock(hurried=True))
    keeper.start()
    assert healed.wait(5)
    keeper.stop(5)


def test_a_failing_chore_does_not_hold_up_the_others(logs: object) -> None:
    logs.allow("a chore failed")  # type: ignore[attr-defined]
    done = threading.Event()

    def fail() -> None:
        raise Away("Gone.")

    keeper = Keeper(
        "keeper", [Chore("bad", 0.1, fail), Chore("good", 0.1, done.set)], clock=FakeClock(hurried=True)
    )
    keeper.start()
    assert done.wait(5)
    keeper.stop(5)
    assert keeper.name == "keeper"

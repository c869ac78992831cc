"""What the keeper does: requests, holds, disk, crowded channels, open messages, dead letters, tidying, take-overs."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from whereupon.engine.keeper import Chore
from whereupon.engine.operating import disk_reason
from whereupon.engine.requests import Requests
from whereupon.storage.checkpoints import Checkpoints
from whereupon.storage.operations import Hold, Operations
from whereupon.storage.retention import Keep, Retention
from whereupon.storage.turns import Turns

if TYPE_CHECKING:
    from whereupon.engine.engine import Engine

CROWDED = 100_000
"""Open messages of one channel at which streams pause (line.md, *Errors*)."""
STEPS, BREATH = 4, 0.01
"""Steps of retention at a time, and the seconds between them."""


def chores(engine: Engine, operations: Operations) -> list[Chore]:
    """The keeper's list for one engine."""
    shop, streams = engine.shop, engine.shop.databases.streams
    requests, again = Requests(engine, operations), engine.again()
    checkpoints, turns = Checkpoints(streams, writers=engine.writers), Turns(streams, writers=engine.writers)
    engine.resources.callback(checkpoints.close)
    engine.resources.callback(turns.close)
    retention = Retention(turns, shop.system.stash / "Archive", clock=shop.clock)
    return [
        Chore("requests", 1.0, requests.turn),
        Chore("holds", 1.0, lambda: _note_holds(engine, operations)),
        Chore("disk", 2.0, lambda: engine.operating.say("disk", disk_reason(engine.folder))),
        Chore("crowded channels", 1.0, lambda: _crowded(engine)),
        Chore("broken parts", 3.0, engine.retry),
        Chore("open messages", 10.0, engine.note_open),
        Chore("lost services", 5.0, lambda: _take_over(engine, operations)),
        Chore("dead letters again", 1.0, again.turn),
        Chore("checkpoints", 1.0, checkpoints.turn),
        Chore("retention", 0.25, lambda: _tidy(retention, Keep.at_least(engine.needed))),
    ]


def _tidy(retention: Retention, keep: Keep) -> None:
    """Some steps, so that as many events leave as may come in; between them those who wait to write go first."""
    pause = threading.Event()
    for _ in range(STEPS):
        retention.turn(keep)
        if not retention.busy:
            return
        pause.wait(BREATH)


def _note_holds(engine: Engine, operations: Operations) -> None:
    """What people paused and released is taken over; what the service holds is told to all who look."""
    for campaign, reason in dict(engine.operating.unsaved).items():
        operations.hold(Hold("campaign", campaign, "held", reason, "service", engine.shop.clock.now()))
        engine.operating.saved(campaign)
    engine.operating.note(operations.holds())


def _crowded(engine: Engine) -> None:
    crowded = [
        name for name, lane, _ in engine.lanes() if lane and _open(engine, lane.manners.channel) >= CROWDED
    ]
    engine.operating.say("crowded", f"{crowded[0]} has {CROWDED:,} open messages." if crowded else "")


def _open(engine: Engine, channel: int) -> int:
    return engine.finisher.open_messages(channel)


def _take_over(engine: Engine, operations: Operations) -> None:
    for owner in operations.lost(engine.owner):
        engine.take_over(owner)
        operations.renew(owner, status={}, running=False)

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from whereupon.engine.operating import Operating, disk_reason
from whereupon.storage.operations import Hold


class Disk(NamedTuple):
    total: int
    used: int
    free: int


def test_a_persons_pause_and_a_services_hold_are_kept_apart() -> None:
    state = Operating()
    state.note(
        [
            Hold("campaign", 1, "paused", "holiday", "ada", 0),
            Hold("campaign", 2, "held", "its template is broken", "service", 0),
            Hold("stream", 3, "paused", "", "ada", 0),
        ]
    )
    assert state.paused == {1}
    assert state.held == {2: "its template is broken"}


def test_what_the_service_holds_holds_at_once_and_until_the_table_knows_it() -> None:
    state = Operating()
    state.hold(7, "no secret")
    state.hold(7, "no secret either")
    state.note([])
    assert state.held == {7: "no secret"}
    state.saved(7)
    state.note([])
    assert state.held == {}


def test_any_reason_makes_the_line_stand_still() -> None:
    state = Operating()
    assert state.standstill() == ""
    state.say("disk", "Paused: disk.")
    state.say("crowded", "")
    assert state.standstill() == "Paused: disk."
    state.say("disk", "")
    assert state.standstill() == ""


@pytest.mark.parametrize(
    ("total", "free", "full"),
    [(100_000_000_000, 600_000_000, False), (100_000_000_000, 400_000_000, True),
     (1_000_000_000, 60_000_000, False), (1_000_000_000, 40_000_000, True)],
)  # fmt: skip
def test_the_disk_is_too_full_below_500_mb_or_a_twentieth(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, total: int, free: int, full: bool
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: Disk(total, total - free, free))
    assert bool(disk_reason(tmp_path)) is full

"""A machine whose schedules run by a clock that tests set, and that is switched off and on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from tests.unit.jobs.table_world import LETTER, TableWorld, set_up
from whereupon.host.clock import FakeClock
from whereupon.jobs import timetable as module
from whereupon.jobs.timetable import Timetable
from whereupon.model.schedules import schedule
from whereupon.storage.loading import Loaded
from whereupon.storage.timetable import Job, Jobs

LOAD, LOADED = "load communications of 0123456789abcdef", "daily 03:00"


class Machine:
    """A system with a table campaign for each of these schedules; `ran` is told the job whenever one runs."""

    def __init__(
        self, folder: Path, patch: pytest.MonkeyPatch, schedules: Sequence[str], ran: Callable[[str], None]
    ) -> None:
        self.clock = FakeClock()
        campaigns = [{**LETTER, "name": f"By {each}", "schedule": each} for each in schedules]
        setup = set_up(*campaigns, realtime_data={"load_communications": LOADED})
        self.world = TableWorld(folder, setup=setup, clock=self.clock)
        self.tasks = {f"run By {each}": schedule(each) for each in schedules} | {LOAD: schedule(LOADED)}
        self._ran = ran
        patch.setattr(module, "load", self._load)
        patch.setattr(module, "spawn", self._spawn)

    def timetable(self) -> closing[Timetable]:
        """Switched on, until this is closed."""
        return closing(Timetable(self.world.shop, self.world.repository))

    def jobs(self) -> dict[str, Job]:
        """What the database knows."""
        with closing(Jobs(self.world.shop.databases.system)) as jobs:
            return jobs.all()

    def _load(self, *_: object, **__: object) -> Loaded:
        self._ran(LOAD)
        return Loaded(new=1)

    def _spawn(self, command: Sequence[str], **_: object) -> None:
        self._ran(f"run {command[command.index('run') + 1]}")

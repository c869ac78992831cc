"""Row 40: every clock change of every zone from 2024 to 2030, and twelve schedules around it."""

from __future__ import annotations

import random
import time
import zoneinfo
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.conftest import Bar
from tests.faults.checker import Account
from whereupon.model.schedules import DAYS, next_after, schedule

Report = Callable[[Mapping[str, Any]], None]
pytestmark = [pytest.mark.fault(40), pytest.mark.slow]

FIRST, LAST = datetime(2024, 1, 1, tzinfo=UTC), datetime(2031, 1, 1, tzinfo=UTC)
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
AROUND = 3
"""Days before and after a change that are walked through."""


@dataclass(frozen=True)
class Change:
    """A moment at which the clocks of a zone are set: from `before` to `after`, as they show it."""

    zone: str
    moment: datetime
    before: datetime
    after: datetime

    @property
    def middle(self) -> datetime:
        """The time of day in the middle of what is left out, or of what comes twice."""
        return min(self.before, self.after) + abs(self.after - self.before) / 2


def changes(name: str) -> Iterator[Change]:
    """All of a zone, found by asking what its clocks show."""
    zone, days = ZoneInfo(name), (LAST - FIRST).days
    dawns = [FIRST + DAY * number for number in range(days + 1)]
    for dawn, next_dawn in pairwise(dawns):
        before, after = shift(dawn, zone), shift(next_dawn, zone)
        if before == after:
            continue
        last, moment = dawn, next_dawn
        while moment - last > MINUTE:
            half = (last + (moment - last) // 2).replace(second=0, microsecond=0)
            last, moment = (half, moment) if shift(half, zone) == before else (last, half)
        plain = moment.replace(tzinfo=None)
        yield Change(name, moment, plain + before, plain + after)


def shift(moment: datetime, zone: ZoneInfo) -> timedelta:
    """How far the clocks of a zone are ahead of UTC."""
    return moment.astimezone(zone).utcoffset() or timedelta()


def slots(change: Change, at: datetime, days: Callable[[datetime], bool]) -> list[datetime]:
    """The rule as it is promised: on each day that is meant the first moment at which clocks show that time of day;
    where they never do, the moment of the change."""
    zone, found = ZoneInfo(change.zone), []
    start = min(change.before, change.after).replace(hour=at.hour, minute=at.minute) - DAY * AROUND
    for number in range(2 * AROUND + 1):
        wanted = start + DAY * number
        moment = wanted.replace(tzinfo=zone).astimezone(UTC)
        shown = moment.astimezone(zone).replace(tzinfo=None) == wanted
        if days(wanted):
            found.append(moment if shown else change.moment)
    return found


Case = tuple[str, list[datetime]]


def cases(change: Change) -> Iterator[Case]:
    """Twelve schedules, and when each has to run."""

    def daily(at: datetime) -> Case:
        return f"daily {at:%H:%M}", slots(change, at, lambda _: True)

    middle, midnight = change.middle, change.before.replace(hour=0, minute=0)
    yield from (daily(each) for each in (middle, change.before, change.after, change.before - MINUTE))
    yield from (daily(each) for each in (midnight, midnight - MINUTE, midnight + timedelta(hours=3)))
    at = f"{middle:%H:%M}"
    yield (
        f"weekly {DAYS[middle.weekday()]} {at}",
        slots(change, middle, lambda day: day.weekday() == middle.weekday()),
    )
    yield f"monthly {middle.day} {at}", slots(change, middle, lambda day: day.day == middle.day)
    yield f"cron {middle.minute} {middle.hour} * * *", slots(change, middle, lambda _: True)
    yield f"once {middle:%Y-%m-%d} {at}", slots(change, middle, lambda day: day.date() == middle.date())
    first = change.moment - DAY
    yield "every 30 minutes", [
        moment for number in range(-2, 100)
        if (moment := first.replace(minute=0) + timedelta(minutes=30 * number)) > first
    ]  # fmt: skip


def test_no_day_is_skipped_and_none_runs_twice(seed: int, bar: Bar, fault_report: Report) -> None:
    began, chance = time.monotonic(), random.Random(seed)
    share = bar(quick=60, full=0)
    zones = sorted(zoneinfo.available_timezones() - {"localtime", "Factory"})
    known = [change for name in (chance.sample(zones, share) if share else zones) for change in changes(name)]
    runs, wrong = 0, list[str]()
    for change in known:
        for text, due in cases(change):
            runs += len(due)
            wrong += walked(change, text, due) + asked(change, text, due, chance)
    row = Account().row(40, seed=seed, kills=0, seconds=time.monotonic() - began)
    fault_report({**row, "changes": len(known), "runs": runs})
    assert known
    assert not wrong, (len(wrong), wrong[:5])


def walked(change: Change, text: str, due: list[datetime]) -> list[str]:
    """One run after the other, each asked for when the one before runs."""
    said, at = schedule(text), milliseconds(due[0]) - 1
    for wanted in due:
        found = next_after(said, at, change.zone)
        if found != milliseconds(wanted):
            return [complaint(change, text, at, found, wanted)]
        at = found
    return []


def asked(change: Change, text: str, due: list[datetime], chance: random.Random) -> list[str]:
    """Asked at any moment, as after a late run or a changed schedule."""
    said, found = schedule(text), list[str]()
    window = (milliseconds(due[0]), milliseconds(due[-1]))
    middle = milliseconds(change.moment)
    for moment in [
        chance.randint(*window),
        *(middle + chance.randint(-7_200_000, 7_200_000) for _ in range(2)),
    ]:
        wanted = next((each for each in due if milliseconds(each) > moment), None)
        if wanted is None or not window[0] <= moment:
            continue
        if (later := next_after(said, moment, change.zone)) != milliseconds(wanted):
            found.append(complaint(change, text, moment, later, wanted))
    return found


def milliseconds(moment: datetime) -> int:
    """As the product counts."""
    return round(moment.timestamp() * 1000)


def complaint(change: Change, text: str, at: int, found: int | None, wanted: datetime) -> str:
    """What is wrong, so that it can be asked again."""
    said = "never" if found is None else f"{datetime.fromtimestamp(found / 1000, UTC)}"
    asked_at = datetime.fromtimestamp(at / 1000, UTC)
    return f"{change.zone} {text!r} after {asked_at}: {said}, not {wanted.astimezone(UTC)}"

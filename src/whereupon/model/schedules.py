"""When something runs: schedules as people write them, and the next time of each."""

from __future__ import annotations

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

Kind = Literal["manual", "event triggered", "once", "every", "daily", "weekly", "monthly", "cron"]
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
EXAMPLES = (
    "manual · event triggered · once 2026-05-01 09:00 · every 15 minutes · every 2 hours · daily 03:00 · "
    'weekly Monday 09:00 · monthly 1 06:30 · cron "0 9 * * MON-FRI"'
)
LATEST = 253_402_214_400_000
"""The last day of the year 9999 in UTC milliseconds; nothing is planned beyond."""
_EVERY = re.compile(r"every (\d{1,6}) (minute|hour)s?", re.IGNORECASE | re.ASCII)
_DAILY = re.compile(r"daily (\d\d?):(\d\d)", re.IGNORECASE | re.ASCII)
_WEEKLY = re.compile(r"weekly ([a-z]+) (\d\d?):(\d\d)", re.IGNORECASE | re.ASCII)
_MONTHLY = re.compile(r"monthly (\d\d?) (\d\d?):(\d\d)", re.IGNORECASE | re.ASCII)
_CRON = re.compile(r"""cron ["'“]?([^"'“”]+?)["'”]?""", re.IGNORECASE)
_ONCE = re.compile(r"once (\d{4}-\d\d-\d\d[T ].+)", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, slots=True)
class Schedule:
    """When something runs. `text` is the normal form; equal texts are equal schedules.

    `every` is in milliseconds; `cron` has five fields in the system's zone; `at` is an ISO time; `day` is of the month.
    """

    text: str
    kind: Kind
    every: int = 0
    cron: str = ""
    at: str = ""
    day: int = 0

    @property
    def triggered(self) -> bool:
        """An event runs it, not the clock."""
        return self.kind == "event triggered"

    @property
    def timed(self) -> bool:
        """The clock runs it."""
        return self.kind not in ("manual", "event triggered")

    @property
    def flows(self) -> bool:
        """It asks for a run every so often, not at a time of day; so does a cron with `*` or a step in its hours."""
        return self.kind == "every" or any(each.startswith("*") for each in self.cron.split()[:2])

    def __str__(self) -> str:
        return self.text


def schedule(text: str | Schedule) -> Schedule:
    """Read a schedule; raises ValueError with examples if it is none."""
    if isinstance(text, Schedule):
        return text
    said = " ".join(str(text).split())
    if said.lower() in ("manual", "event triggered"):
        return Schedule(said.lower(), "manual" if said.lower() == "manual" else "event triggered")
    found = _every(said) or _clock(said) or _cron(said) or _once(said)
    if found is None:
        raise ValueError(f"{text!r} is no schedule: write one of {EXAMPLES}")
    return found


def next_after(schedule: Schedule, at: int, zone: str) -> int | None:
    """The next time strictly after `at`, both in UTC milliseconds; None if there is none.

    Times of day are those of `zone` (IANA). When clocks go back, a time of day that comes twice runs once, the first
    time; when they go forward, one that is left out runs as soon as the gap is over. `every` counts from
    1970 in UTC and knows no clock changes; so do hours and minutes of a cron with `*` or a step in them. A month that
    is too short for `monthly 31` runs on its last day.
    """
    if not schedule.timed or not 0 <= at < LATEST:
        return None
    if schedule.kind == "every":
        return (at // schedule.every + 1) * schedule.every
    if schedule.kind == "once":
        once = _moment(schedule.at, ZoneInfo(zone))
        return once if once > at else None
    return _next_cron(schedule, at, ZoneInfo(zone))


def _next_cron(schedule: Schedule, at: int, zone: ZoneInfo) -> int | None:
    times = CronSim(schedule.cron, datetime.fromtimestamp(at // 1000, UTC).astimezone(zone))
    try:
        # In an hour that comes twice CronSim knows the first pass only, which may be over by now.
        found = next(each for each in times if each.timestamp() * 1000 > at and _on_its_day(schedule, each))
    except (OverflowError, StopIteration):  # past the year 9999, or never
        return None
    return int(found.timestamp()) * 1000


def _on_its_day(schedule: Schedule, time: datetime) -> bool:
    """Whether a time is of the day of the month that is meant; one left out at a day's end comes after midnight."""
    if not schedule.day:
        return True
    minute, hour = schedule.cron.split()[:2]
    meant = time - timedelta(hours=int(hour), minutes=int(minute))
    return meant.day == min(schedule.day, monthrange(meant.year, meant.month)[1])


def _every(said: str) -> Schedule | None:
    found = _EVERY.fullmatch(said)
    if found is None or int(found[1]) == 0:
        return None
    number, unit = int(found[1]), found[2].lower()
    plain = f"every {number} {unit}{'' if number == 1 else 's'}"
    return Schedule(plain, "every", every=number * {"minute": 60_000, "hour": 3_600_000}[unit])


def _clock(said: str) -> Schedule | None:
    if (found := _DAILY.fullmatch(said)) and (time := _time(found[1], found[2])):
        return Schedule(f"daily {time}", "daily", cron=f"{int(found[2])} {int(found[1])} * * *")
    if (found := _WEEKLY.fullmatch(said)) and (time := _time(found[2], found[3])):
        return _weekly(found[1], time)
    if (
        (found := _MONTHLY.fullmatch(said))
        and (time := _time(found[2], found[3]))
        and 1 <= int(found[1]) <= 31
    ):
        day = int(found[1])
        days = str(day) if day < 29 else "28-31"
        cron = f"{int(found[3])} {int(found[2])} {days} * *"
        return Schedule(f"monthly {day} {time}", "monthly", cron=cron, day=day)
    return None


def _weekly(day: str, time: str) -> Schedule | None:
    number = next((n for n, name in enumerate(DAYS) if day.lower() in (name.lower(), name[:3].lower())), None)
    if number is None:
        return None
    hour, minute = time.split(":")
    return Schedule(
        f"weekly {DAYS[number]} {time}", "weekly", cron=f"{int(minute)} {int(hour)} * * {DAYS[number][:3]}"
    )


def _time(hour: str, minute: str) -> str:
    return f"{int(hour):02}:{minute}" if int(hour) < 24 and int(minute) < 60 else ""


def _cron(said: str) -> Schedule | None:
    found = _CRON.fullmatch(said)
    if found is None or len(found[1].split()) != 5:
        return None
    try:
        CronSim(found[1], datetime(2000, 1, 1, tzinfo=UTC))
    except CronSimError as error:
        raise ValueError(
            f"the cron schedule {found[1]!r} can't be read ({error}): write one of {EXAMPLES}"
        ) from None
    return Schedule(f'cron "{found[1]}"', "cron", cron=found[1])


def _once(said: str) -> Schedule | None:
    found = _ONCE.fullmatch(said)
    if found is None:
        return None
    try:
        time = datetime.fromisoformat(found[1])
    except ValueError:
        return None
    written = time.isoformat(" ", "seconds" if time.second else "minutes")
    return Schedule(f"once {written}", "once", at=written)


def _moment(text: str, zone: ZoneInfo) -> int:
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        while not _shown(time, zone):
            time = time.replace(second=0) + timedelta(minutes=1)
        time = time.replace(tzinfo=zone)
    return int(time.timestamp() * 1000)


def _shown(time: datetime, zone: ZoneInfo) -> bool:
    """Whether a clock of that zone ever shows this time: not if it is set forward over it."""
    first, second = (time.replace(tzinfo=zone, fold=fold).timestamp() for fold in (0, 1))
    return first <= second

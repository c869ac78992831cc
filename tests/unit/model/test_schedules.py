"""Schedules and their next times, in zones that change their clocks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whereupon.model.schedules import LATEST, next_after, schedule

ZONES = [
    "Europe/London",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Kolkata",
    "UTC",
    "America/Sao_Paulo",
]


def at(text: str, zone: str = "UTC") -> int:
    """UTC milliseconds of a time of day in a zone."""
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)


def said(milliseconds: int | None, zone: str = "UTC") -> str:
    """What the clock in a zone shows."""
    assert milliseconds is not None
    return datetime.fromtimestamp(milliseconds / 1000, ZoneInfo(zone)).isoformat(" ", "minutes")[:16]


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("manual", "manual"),
        ("Event  Triggered", "event triggered"),
        ("once 2026-05-01 09:00", "once 2026-05-01 09:00"),
        ("once 2026-05-01T09:00:30+02:00", "once 2026-05-01 09:00:30+02:00"),
        ("every 1 minute", "every 1 minute"),
        ("every 15 minutes", "every 15 minutes"),
        ("every 1 hours", "every 1 hour"),
        ("daily 3:00", "daily 03:00"),
        ("weekly mon 9:30", "weekly Monday 09:30"),
        ("weekly Sunday 23:59", "weekly Sunday 23:59"),
        ("monthly 1 06:30", "monthly 1 06:30"),
        ("monthly 31 06:30", "monthly 31 06:30"),
        ("cron “0 9 * * MON-FRI”", 'cron "0 9 * * MON-FRI"'),
        ("cron */5 * * * *", 'cron "*/5 * * * *"'),
    ],
)
def test_a_schedule_has_one_normal_text(text: str, normal: str) -> None:
    read = schedule(text)
    assert str(read) == normal
    assert schedule(normal) == read
    assert schedule(read) is read


@pytest.mark.parametrize(
    "text",
    [
        "", "sometimes", "every 0 minutes", "every 5 days", "daily 24:00", "daily 3:60", "weekly Someday 09:00",
        "weekly Monday 25:00", "monthly 32 06:00", "monthly 0 06:00", "monthly 1 24:00", "once 2026-13-01 09:00",
        "once soon", 'cron "* * * *"', 'cron "61 * * * *"', 'cron "0 0 30 2 *"',
    ],
)  # fmt: skip
def test_anything_else_is_refused_with_examples(text: str) -> None:
    with pytest.raises(ValueError, match="every 15 minutes"):
        schedule(text)


def test_manual_and_triggered_schedules_have_no_next_time() -> None:
    assert next_after(schedule("manual"), 0, "UTC") is None
    assert next_after(schedule("event triggered"), 0, "UTC") is None
    assert schedule("event triggered").triggered
    assert not schedule("manual").timed
    assert schedule("daily 03:00").timed


@pytest.mark.parametrize(
    ("text", "flows"),
    [
        ("every 2 hours", True), ('cron "*/5 * * * *"', True), ('cron "0 */2 * * *"', True),
        ('cron "0 9 * * MON"', False), ("daily 03:00", False), ("once 2026-05-01 09:00", False), ("manual", False),
    ],
)  # fmt: skip
def test_a_schedule_asks_for_a_time_of_day_or_for_a_run_every_so_often(text: str, flows: bool) -> None:
    assert schedule(text).flows is flows


def test_once_runs_once_in_the_systems_zone() -> None:
    once = schedule("once 2026-05-01 09:00")
    nine = at("2026-05-01 09:00", "Europe/London")
    assert next_after(once, nine - 1, "Europe/London") == nine
    assert next_after(once, nine, "Europe/London") is None
    assert next_after(schedule("once 2026-05-01 09:00+00:00"), 0, "Asia/Kolkata") == at("2026-05-01 09:00")


def test_an_interval_counts_from_1970() -> None:
    assert said(next_after(schedule("every 90 minutes"), at("1970-01-01 01:30"), "UTC")) == "1970-01-01 03:00"
    assert said(next_after(schedule("every 2 hours"), at("2026-03-29 00:30"), "UTC")) == "2026-03-29 02:00"


@pytest.mark.parametrize(
    ("text", "after", "then"),
    [
        ("daily 03:00", "2026-05-01 03:00", "2026-05-02 03:00"),
        ("daily 03:00", "2026-05-01 02:59", "2026-05-01 03:00"),
        ("weekly Monday 09:00", "2026-05-01 10:00", "2026-05-04 09:00"),
        ("monthly 15 09:00", "2026-05-15 09:00", "2026-06-15 09:00"),
        ("monthly 31 09:00", "2026-01-31 09:00", "2026-02-28 09:00"),
        ("monthly 30 09:00", "2028-01-30 09:00", "2028-02-29 09:00"),
        ("monthly 29 09:00", "2026-02-28 09:00", "2026-03-29 09:00"),
        ('cron "0 9 * * MON-FRI"', "2026-05-01 10:00", "2026-05-04 09:00"),
    ],
)
def test_a_time_of_day_comes_on_its_next_day(text: str, after: str, then: str) -> None:
    assert said(next_after(schedule(text), at(after), "UTC")) == then


def test_a_time_that_comes_twice_runs_once() -> None:
    zone, run = "Europe/London", schedule("daily 01:30")
    first = next_after(run, at("2026-10-25 00:00", zone), zone)
    assert first is not None
    assert datetime.fromtimestamp(first / 1000, UTC).isoformat() == "2026-10-25T00:30:00+00:00"
    assert said(next_after(run, first, zone), zone) == "2026-10-26 01:30"


def test_a_time_that_is_left_out_runs_after_the_gap() -> None:
    zone = "Europe/London"
    assert (
        said(next_after(schedule("daily 01:30"), at("2026-03-29 00:00", zone), zone), zone)
        == "2026-03-29 02:00"
    )


def test_once_at_a_time_that_is_left_out_runs_after_the_gap_too() -> None:
    zone = "Europe/London"
    for missing in ("2026-03-29 01:00", "2026-03-29 01:30:30"):
        once = schedule(f"once {missing}")
        assert said(next_after(once, at("2026-03-28 00:00", zone), zone), zone) == "2026-03-29 02:00"


@pytest.mark.parametrize(
    "text", ["daily 01:30", "weekly Sunday 01:30", "monthly 25 01:30", "cron 30 1 * * *"]
)
def test_in_the_hour_that_comes_twice_the_next_time_is_never_one_that_has_passed(text: str) -> None:
    second_pass = at("2026-10-25 01:10")  # UTC, when London's clocks show 01:10 again
    later = next_after(schedule(text), second_pass, "Europe/London")
    assert later is not None
    assert later > second_pass + 20 * 3_600_000


@pytest.mark.parametrize("text", ["daily 23:30", "monthly 30 23:30"])
def test_a_time_that_is_left_out_at_the_end_of_a_day_runs_at_the_next_midnight(text: str) -> None:
    zone = "America/Nuuk"
    later = next_after(schedule(text), at("2024-03-30 12:00", zone), zone)
    assert said(later, zone) == "2024-03-31 00:00"


def test_nothing_is_planned_beyond_the_calendar() -> None:
    assert next_after(schedule("daily 03:00"), LATEST, "UTC") is None
    assert next_after(schedule("weekly Monday 09:00"), LATEST - 1, "UTC") is None
    assert next_after(schedule("daily 03:00"), -1, "UTC") is None


@settings(max_examples=60)
@given(
    zone=st.sampled_from(ZONES),
    hour=st.integers(0, 23),
    minute=st.sampled_from([0, 1, 30, 59]),
    start=st.datetimes(datetime(2025, 1, 1), datetime(2027, 1, 1)),  # noqa: DTZ001
)
def test_a_daily_schedule_runs_once_on_each_of_eight_days(
    zone: str, hour: int, minute: int, start: datetime
) -> None:
    run = schedule(f"daily {hour:02}:{minute:02}")
    moment = int(start.replace(tzinfo=UTC).timestamp() * 1000)
    seen = []
    for _ in range(8):
        later = next_after(run, moment, zone)
        assert later is not None
        assert later > moment
        moment = later
        seen.append(datetime.fromtimestamp(moment / 1000, ZoneInfo(zone)))
    dates = [each.date() for each in seen]
    assert dates == [dates[0] + timedelta(days=number) for number in range(8)]
    assert all(each.hour * 60 + each.minute >= hour * 60 + minute for each in seen)

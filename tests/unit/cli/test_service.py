"""What the commands about the service say; that they start and stop one is seen in tests/process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.unit.cli.conftest import Words
from whereupon.cli.service import lines

DETAILS: dict[str, Any] = {
    "revision": 3,
    "campaigns": 2,
    "streams": [
        {"name": "SignIn", "state": "", "lag": 1200}, {"name": "Register", "state": "No such topic.", "lag": None},
    ],
    "channels": [
        {"name": "ESP", "state": "", "open": 7, "warnings": ["It travels unencrypted."]},
        {"name": "Mail", "state": "", "open": 0, "warnings": []},
    ],
    "counts": {"events": 1500},
    "latencies": {"decide": {"p50": 1.5, "p99": 6, "n": 1000}},
    "nothing": "No new events.",
}  # fmt: skip


def test_a_status_tells_counts_lag_latencies_and_why_nothing_happens() -> None:
    assert lines(DETAILS) == [
        "Revision 3, 2 campaigns published.",
        "Stream SignIn: reading, 1,200 events not read yet",
        "Stream Register: No such topic.",
        "Channel ESP: sending, 7 messages open",
        "  Warning: It travels unencrypted.",
        "Channel Mail: sending, 0 messages open",
        "Since the start: events 1,500.",
        "decide: p50 1.5 ms, p99 6 ms (1,000)",
        "No new events.",
    ]


def test_without_details_there_is_nothing_more_to_tell() -> None:
    assert lines({}) == []


def test_a_service_that_does_not_run_is_stopped(words: Words, system: Path) -> None:
    assert words("service", "status").out == "Stopped.\n"
    [state] = words("service", "status", "--json").json
    assert state["state"] == "stopped"


def test_stopping_what_does_not_run_does_nothing(words: Words, system: Path) -> None:
    assert words("service", "stop").code == 0


def test_a_folder_without_a_system_has_no_service(words: Words) -> None:
    for each in ("start", "stop", "restart", "status", "run"):
        assert words("service", each).code == 3

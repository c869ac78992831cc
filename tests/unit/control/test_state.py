"""A service's state says itself in words, and comes back from its file as it was."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from whereupon.control.state import ServiceState, read_state, state_file, write_state

SINCE = datetime(2026, 3, 1, 8, 15, tzinfo=UTC)
WHEN = f"{SINCE.astimezone():%Y-%m-%d %H:%M}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "Logs").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (ServiceState(), "Stopped."),
        (ServiceState("running", 12, SINCE), f"Running since {WHEN} (process 12)."),
        (
            ServiceState("running", 12, SINCE, 2, "old words"),
            f"Running since {WHEN} (process 12), restarted 2 times in a row.",
        ),
        (
            ServiceState("running", 12, SINCE, 1, "old words"),
            f"Running since {WHEN} (process 12), restarted once.",
        ),
        (ServiceState("not responding", 12), "Not responding (process 12)."),
        (ServiceState("lost", restarts=3, last_words="No disk."), "Lost.\nNo disk."),
    ],
)
def test_a_state_says_itself_in_words(state: ServiceState, words: str) -> None:
    assert str(state) == words


@pytest.mark.parametrize(
    "state", [ServiceState(), ServiceState("lost", None, SINCE, 3, "né"), ServiceState("running", 4)]
)
def test_a_state_comes_back_as_it_was(folder: Path, state: ServiceState) -> None:
    write_state(folder, state)
    assert read_state(folder) == state


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"state": "running"}'])
def test_a_file_that_does_not_read_means_stopped(folder: Path, content: str) -> None:
    state_file(folder).write_text(content, encoding="utf-8")
    assert read_state(folder) == ServiceState()


def test_a_state_that_cannot_be_written_stops_nobody(tmp_path: Path, logs: Any) -> None:
    logs.expect("watcher's state can't be written")
    write_state(tmp_path / "gone", ServiceState("running"))


def test_a_service_is_up_unless_it_stopped_or_is_lost() -> None:
    assert [
        ServiceState(each).up for each in ("starting", "running", "crashed", "not responding", "stopping")
    ] == [True] * 5
    assert not ServiceState("stopped").up
    assert not ServiceState("lost").up

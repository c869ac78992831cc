"""Logs are JSON lines without secrets, small on disk, and calm in a storm."""

from __future__ import annotations

import io
import json
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.servers.processes import wait_until
from whereupon.host import logs as under_test
from whereupon.host.clock import FakeClock
from whereupon.host.logs import Logs, Redactor, logger, start_logging

Lines = Callable[[], list[dict[str, Any]]]
pytestmark = pytest.mark.usefixtures("caplog")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def started(tmp_path: Path, clock: FakeClock) -> Iterator[Logs]:
    with start_logging(tmp_path, level="INFO", clock=clock) as logs:
        yield logs


@pytest.fixture
def lines(started: Logs) -> Lines:
    return lambda: [json.loads(each) for each in started.path.read_text(encoding="utf-8").splitlines()]


def test_a_record_is_a_line_of_json_with_time_level_and_origin_first(lines: Lines, tmp_path: Path) -> None:
    logger("engine").info("Taken up.", revision=3, person="Zoë")
    (line,) = lines()
    assert list(line) == ["at", "level", "from", "event", "revision", "person"]
    assert line | {"at": ""} == {
        "at": "",
        "level": "info",
        "from": "engine",
        "event": "Taken up.",
        "revision": 3,
        "person": "Zoë",
    }
    assert line["at"].endswith("+00:00")
    assert os.listdir(tmp_path / "Logs") == ["service.log"]


def test_what_is_below_the_level_is_not_written(lines: Lines) -> None:
    logger("engine").debug("Seen.")
    logger("engine").info("%s of %d", "one", 2)
    assert [each["event"] for each in lines()] == ["one of 2"]


def test_records_of_libraries_are_written_too(lines: Lines) -> None:
    logging.getLogger("some.library").warning("It is %s", "late", extra={"token": "hunter2"})
    (line,) = lines()
    assert (line["from"], line["event"], line["token"]) == ("some.library", "It is late", "•••")


@pytest.mark.req("SEC-01")
def test_no_secret_is_written_not_even_in_a_traceback(started: Logs, lines: Lines) -> None:
    started.redactor.add("canary-value")
    try:
        try:
            raise ValueError("canary-value in the cause")
        except ValueError as error:
            raise RuntimeError("postgresql://ada:hunter2@db failed") from error
    except RuntimeError:
        logger("connect").exception("No way: canary-value.", password="hunter2", dsn="PWD=hunter2;x=1")
        logging.getLogger("library").exception("canary-value")
    written = started.path.read_text(encoding="utf-8")
    assert "hunter2" not in written
    assert "canary-value" not in written
    for line in lines():
        assert "RuntimeError: postgresql://•••@db failed" in line["exception"]
        assert "ValueError: ••• in the cause" in line["exception"]


def test_an_exception_may_be_given_as_itself(lines: Lines) -> None:
    logger("connect").warning("Failed.", exc_info=KeyError("gone"))
    assert "KeyError: 'gone'" in lines()[0]["exception"]


def test_of_one_error_in_a_minute_the_first_and_the_last_are_kept_with_their_count(
    lines: Lines, clock: FakeClock
) -> None:
    log = logger("lane")
    for number in range(1000):
        log.error(f"Message {number} failed.", number=number)
    assert [each["number"] for each in lines()] == [0]
    clock.advance(60)
    log.info("All is quiet.")
    assert [(each.get("number"), each.get("repeated")) for each in lines()] == [
        (0, None),
        (999, 999),
        (None, None),
    ]
    log.error("Message 7 failed.", number=1)
    assert lines()[-1]["number"] == 1


def test_the_last_of_a_storm_is_written_without_further_records(lines: Lines, clock: FakeClock) -> None:
    for _ in range(3):
        logger("lane").error("It failed.")
    clock.advance(60)
    wait_until(lambda: len(lines()) == 2)
    assert lines()[1]["repeated"] == 2


def test_errors_of_another_kind_are_not_held_back(lines: Lines) -> None:
    for error in (ValueError("a"), KeyError("b")):
        try:
            raise error
        except (ValueError, KeyError):
            logger("lane").exception("It failed.")
    assert len(lines()) == 2


def test_a_traceback_that_was_held_back_is_still_its_own(started: Logs, lines: Lines) -> None:
    for number in range(2):
        try:
            raise ValueError(f"number {number}")
        except ValueError:
            logger("lane").exception("It failed.")
    started.close()
    assert [line["exception"][-8:] for line in lines()] == ["number 0", "number 1"]


def test_the_files_stay_below_five_of_their_size(
    started: Logs, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(under_test, "FILE_SIZE", 1000)
    with start_logging(tmp_path, name="small") as small:
        for number in range(200):
            logger("lane").info("A line of some length.", number=number)
    files = sorted(each for each in os.listdir(tmp_path / "Logs") if each.startswith("small"))
    assert files == ["small.log", "small.log.1", "small.log.2", "small.log.3", "small.log.4"]
    assert all((small.path.parent / each).stat().st_size <= 1000 for each in files)
    assert '"number": 199' in small.path.read_text(encoding="utf-8")


def test_a_file_that_cannot_be_rotated_or_written_does_not_stop_anybody(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(under_test, "FILE_SIZE", 100)

    def held(source: str, target: str) -> None:
        raise PermissionError("in use")

    with start_logging(tmp_path, echo=True) as logs:
        monkeypatch.setattr(os, "rename", held)
        for number in range(5):
            logger("lane").info("A line of some length.", number=number)
        assert logs.path.read_text(encoding="utf-8").count("\n") == 5
        monkeypatch.setattr(under_test, "FILE_SIZE", 0)
        logs.path.unlink()
        logs.path.mkdir()
        logger("lane").info("Nowhere to go, password=hunter2")
    said = capsys.readouterr().err
    assert said.count("\n") == 6
    assert "hunter2" not in said


def test_a_closed_terminal_does_not_stop_anybody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr(sys, "stderr", terminal)
    with start_logging(tmp_path, echo=True) as logs:
        terminal.close()
        logger("lane").info("Still here.")
        assert "Still here." in logs.path.read_text(encoding="utf-8")


def test_what_nobody_catches_is_logged_and_said_without_secrets(
    lines: Lines, capsys: pytest.CaptureFixture[str]
) -> None:
    error = RuntimeError("password=hunter2")
    sys.excepthook(RuntimeError, error, None)
    sys.excepthook(KeyboardInterrupt, KeyboardInterrupt(), None)
    (line,) = lines()
    assert (line["level"], line["event"]) == ("critical", "The process ended by an unexpected error.")
    said = capsys.readouterr().err
    assert "RuntimeError: password=•••" in said
    assert "hunter2" not in said + json.dumps(line)


def test_what_ends_a_thread_is_logged_with_its_name(lines: Lines, capsys: pytest.CaptureFixture[str]) -> None:
    def fails() -> None:
        raise RuntimeError("out of order")

    def leaves() -> None:
        sys.exit(3)

    for target in (fails, leaves):
        thread = threading.Thread(target=target, name="lane welcome")
        thread.start()
        thread.join(10)
    (line,) = lines()
    assert line["event"] == "The thread lane welcome ended by an unexpected error."
    assert "out of order" in capsys.readouterr().err


def test_closing_gives_everything_back(tmp_path: Path) -> None:
    root = logging.getLogger()
    before = (root.level, list(root.handlers), sys.excepthook, threading.excepthook)
    logs = start_logging(tmp_path, level="DEBUG", redactor=Redactor())
    logs.close()
    logs.close()
    assert (root.level, list(root.handlers), sys.excepthook, threading.excepthook) == before

"""What the demo shows in a pipe."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from whereupon.demo.account import Totals
from whereupon.demo.face import Face

TOTALS = Totals(10, 6, {"limit": 1}, 0, 0, 1, 1, 1, 8.5, 20.25)


def shown(
    capsys: pytest.CaptureFixture[str], *, as_json: bool, kept: bool = True, kafka: str = ""
) -> tuple[str, str]:
    face = Face(10, as_json=as_json)
    face.step("Starting the service ...")
    face.begin()
    face.happened("withheld", "SignIn 1001", "[limit]")
    face.accounted(9)
    face.closing(TOTALS, folder=Path("Demo"), kept=kept, kafka=kafka, stray=2)
    face.close()
    out, err = capsys.readouterr()
    return out, err


def test_json_is_the_last_line_alone_and_the_rest_stands_beside(capsys: pytest.CaptureFixture[str]) -> None:
    out, err = shown(capsys, as_json=True)
    assert json.loads(out) == asdict(TOTALS)
    assert list(json.loads(out)) == [
        "events", "sent", "withheld", "failed", "unknown", "dead_letters", "repeats", "unaccounted", "p50_ms", "p99_ms",
    ]  # fmt: skip
    assert "Starting the service" in err


def test_each_event_is_a_line_and_the_sum_names_reasons_latency_files_and_kafka(
    capsys: pytest.CaptureFixture[str],
) -> None:
    out, err = shown(capsys, as_json=False)
    assert err == ""
    for each in (
        "SignIn 1001",
        "[limit]",
        "unaccounted",
        "p50 8.5 ms, p99 20.25 ms",
        "Stash",
        "--kafka HOST:PORT",
    ):
        assert each in out
    assert "2 messages arrived that no event explains." in out


def test_a_temporary_system_says_how_to_keep_one(capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = shown(capsys, as_json=False, kept=False, kafka="broker:9092")
    assert "--keep DIR" in out
    assert "--kafka HOST" not in out


def test_on_a_terminal_an_event_is_one_line_and_in_a_pipe_it_is_whole(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    long = "ESP: Dear Fatou, here is TEAL20 for your stay in Blaenau Ffestiniog, with everything in it."
    assert long in _one_event(capsys, long)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    shown = _one_event(capsys, long)
    assert shown.count("\n") == 1
    assert "…" in shown


def _one_event(capsys: pytest.CaptureFixture[str], what: str) -> str:
    face = Face(1, as_json=False)
    face.happened("sent", "SignIn 1001", what)
    face.close()
    return capsys.readouterr().out

"""The file that keeps the last whole run."""

from __future__ import annotations

import json
from pathlib import Path

from tests.bench import results
from tests.bench.figures import Figure


def test_a_run_replaces_its_own_bench_only(tmp_path: Path) -> None:
    # Arrange
    file = tmp_path / "results.json"
    results.keep("line", [Figure("line", 1, 0.5, "x/s")], file=file)
    results.keep("rest", [Figure("rest", 90, 120, "MB", judged="ours", most=True)], file=file)
    # Act
    results.keep("line", [Figure("line", 2, 0.5, "x/s")], file=file)
    # Assert
    benches = results.stored(file)["benches"]
    assert {name: each["figures"][0]["ours"] for name, each in benches.items()} == {"line": 2, "rest": 90}


def test_the_machine_is_described_without_its_name(tmp_path: Path) -> None:
    # Arrange
    file = tmp_path / "results.json"
    # Act
    results.keep("line", [Figure("line", 1, 0.5, "x/s")], file=file)
    # Assert
    kept = json.loads(file.read_text(encoding="utf-8"))
    assert set(kept["machine"]) == {"cpus", "model", "system", "python"}
    assert len(kept["benches"]["line"]["date"]) == len("2026-01-01")


def test_a_file_that_is_not_there_yet_holds_nothing(tmp_path: Path) -> None:
    assert results.stored(tmp_path / "none.json")["benches"] == {}

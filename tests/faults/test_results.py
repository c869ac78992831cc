"""The results of the fault rows: only what passed is kept, a run replaces its own, and the README shows the file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.faults.results import (
    BEGIN,
    END,
    FAULTS,
    FIGURES,
    FILE,
    LINE,
    README,
    ROWS,
    Collector,
    Result,
    keep,
    merged,
    result,
    shown,
    stored,
    table,
    written,
)

TOLD: Any = {"seed": 7, "produced": 10, "delivered": 5, "doubled": 0, "withheld": 1, "repeats": 2, "dead": 1,
             "failed": 1, "unknown": 0, "lost": 0}  # fmt: skip


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """Where a collector writes; the README has a place for the table."""
    (tmp_path / "README.md").write_text(f"before\n{BEGIN}\n{END}\nafter\n", encoding="utf-8")
    names = {"file": "results.json", "readme": "README.md", "report": ".cache/report.json"}
    return {each: tmp_path / name for each, name in names.items()}


def ran(row: int, *, passed: bool = True, **told: Any) -> Any:
    """A test's report, as pytest hands it over."""
    properties = [(ROWS, [row]), *([(LINE, {"row": row, **told})] if told else [])]
    return SimpleNamespace(user_properties=properties, passed=passed, when="call", duration=1.4)


def session_of(collector: Collector, *reports: Any, stopped: bool = False) -> None:
    """A session in which these tests ran."""
    for each in reports:
        collector.pytest_runtest_logreport(each)
    session: Any = SimpleNamespace(shouldstop=stopped, shouldfail=False)
    collector.pytest_sessionfinish(session)


def line(row: int, tier: str = "quick", **more: Any) -> Result:
    """A line of the file."""
    return {**result(row, tier, [TOLD], seconds=2.34, date="2026-01-31"), **more}


def test_a_row_that_passed_is_kept_with_all_its_tests_told(files: dict[str, Path]) -> None:
    told: Sequence[Any] = (ran(1, **TOLD), ran(1, **{**TOLD, "seed": 8}), ran(4))
    session_of(Collector(tier="full", kept=True, **files), *told)
    first, second = stored(files["file"])
    assert (first["row"], first["tier"], first["seed"], first["seconds"]) == (1, "full", 7, 2.8)
    assert {each: first[each] for each in FIGURES} == {
        "produced": 20, "delivered": 10, "doubled": 0, "withheld": 6, "dead": 4, "unknown": 0, "lost": 0,
    }  # fmt: skip
    assert (second["row"], second["produced"], second["lost"]) == (4, 0, 0)
    assert "| 1 | killed at random | 20 | 10 | 0 | 6 | 4 | 0 | 0 | 3 |" in files["readme"].read_text(
        encoding="utf-8"
    )


def test_a_row_of_which_a_test_failed_is_not_kept(files: dict[str, Path]) -> None:
    keep([line(1)], file=files["file"], readme=files["readme"])
    session_of(
        Collector(tier="quick", kept=True, **files), ran(1, **TOLD), ran(1, passed=False), ran(3, **TOLD)
    )
    first, second = stored(files["file"])
    assert (first, second["row"]) == (line(1), 3)


def test_a_row_that_was_only_begun_is_not_kept(files: dict[str, Path]) -> None:
    session_of(Collector(tier="quick", kept=True, **files), ran(1, **TOLD), stopped=True)
    assert stored(files["file"]) == []
    part: Any = SimpleNamespace(iter_markers=lambda _: [SimpleNamespace(args=(1,))])
    collector = Collector(tier="quick", kept=True, **files)
    collector.pytest_deselected([part])
    session_of(collector, ran(1, **TOLD))
    assert stored(files["file"]) == []


def test_a_run_that_did_not_ask_for_it_leaves_file_and_readme_alone(files: dict[str, Path]) -> None:
    before = files["readme"].read_bytes()
    session_of(Collector(tier="quick", kept=False, **files), ran(1, **TOLD))
    assert not files["file"].exists()
    assert files["readme"].read_bytes() == before
    assert json.loads(files["report"].read_text(encoding="utf-8")) == [{"row": 1, **TOLD}]


def test_a_session_without_rows_writes_nothing(files: dict[str, Path]) -> None:
    other: Any = SimpleNamespace(user_properties=[(ROWS, [])], passed=True, when="call", duration=1.0)
    session_of(Collector(tier="quick", kept=True, **files), other)
    assert not files["report"].parent.exists()
    assert not files["file"].exists()


def test_a_run_replaces_its_own_row_and_tier_only() -> None:
    old = [line(1), line(1, "full"), line(3)]
    again = line(1, delivered=9)
    assert merged(old, [again]) == [line(1, "full"), again, line(3)]
    changed = set(written(merged(old, [again])).splitlines()) - set(written(merged(old, [])).splitlines())
    assert len(changed) == 1


def test_the_table_shows_the_full_run_where_there_is_one() -> None:
    *_, one, three = table([line(1), line(1, "full", produced=30_000), line(3)]).splitlines()
    assert one == "| 1 | killed at random | 30,000 | 5 | 0 | 3 | 2 | 0 | 0 | 2 | full, 2026-01-31 |"
    assert three == "| 3 | restarted under load | 10 | 5 | 0 | 3 | 2 | 0 | 0 | 2 | quick, 2026-01-31 |"


def test_a_readme_without_a_place_for_the_table_is_an_error() -> None:
    with pytest.raises(ValueError, match="no place for the table"):
        shown(f"only {BEGIN}", "table")


def test_every_row_has_its_words() -> None:
    files = Path(__file__).parent.glob("test_row_*.py")
    assert {int(each.stem.split("_")[2]) for each in files} <= FAULTS.keys()


def test_the_kept_results_lost_nothing_and_doubled_nothing() -> None:
    assert [each for each in stored(FILE) if each["lost"] or each["doubled"]] == []


def test_the_readme_shows_the_results_as_they_are_kept() -> None:
    results = stored(FILE)
    assert FILE.read_text(encoding="utf-8") == written(merged(results, ()))
    readme = README.read_text(encoding="utf-8")
    assert readme == shown(readme, table(results)), "run: python -m tests.faults.results"

"""The coverage floors of `pyproject.toml`, asked of the data that a run left behind."""

from __future__ import annotations

import fnmatch
import json
import tempfile
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import coverage
import pytest

KEY = pytest.StashKey[list[str]]()


def below(root: Path) -> list[str]:
    """One line for each floor that the run's coverage is below."""
    wanted = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["whereupon"][
        "floors"
    ]
    report = _report(root)
    share = report["totals"]["percent_covered"]
    lines = [
        line for name, each in report["files"].items() if (line := _lacking(name, each, wanted["complete"]))
    ]
    if share < wanted["everything"]:
        lines.append(f"over all {share:.1f} %, the floor is {wanted['everything']} %")
    return lines


def _report(root: Path) -> Mapping[str, Any]:
    data = coverage.Coverage(data_file=str(root / ".coverage"), config_file=str(root / "pyproject.toml"))
    data.load()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "coverage.json"
        data.json_report(outfile=str(file))
        report: Mapping[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return report


def _lacking(name: str, file: Mapping[str, Any], complete: list[str]) -> str:
    path = Path(name).as_posix()
    if not any(fnmatch.fnmatch(path, f"*{pattern}") for pattern in complete):
        return ""
    lines = [str(line) for line in file["missing_lines"]]
    branches = [f"{start}→{end}" for start, end in file["missing_branches"]]
    said = [f"{kind} {_first(those)}" for kind, those in (("lines", lines), ("branches", branches)) if those]
    return f"{path}, floor 100 %: not run {'; '.join(said)}" if said else ""


def _first(those: list[str], *, most: int = 12) -> str:
    more = f" and {len(those) - most} more" if len(those) > most else ""
    return ", ".join(those[:most]) + more

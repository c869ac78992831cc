"""The last whole run of each bench, kept in results.json with its date and machine."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.bench.figures import Figure
from tests.servers.processes import ROOT

FILE = ROOT / "tests" / "bench" / "results.json"
Results = dict[str, Any]


def keep(name: str, figures: Sequence[Figure], *, file: Path = FILE) -> None:
    """Replace what is kept of this bench."""
    kept = stored(file)
    date = datetime.now(UTC).date().isoformat()
    kept["machine"] = machine()
    kept["benches"][name] = {"date": date, "figures": [each.object() for each in figures]}
    file.write_text(written(kept), encoding="utf-8")


def stored(file: Path = FILE) -> Results:
    """What the file holds."""
    if not file.exists():
        return {"machine": {}, "benches": {}}
    found: Results = json.loads(file.read_text(encoding="utf-8"))
    return found


def written(results: Mapping[str, Any]) -> str:
    """The file's text: a line for each figure, so that a change shows as one line."""
    benches = []
    for name, bench in results["benches"].items():
        lines = ",\n".join(f"   {json.dumps(each, ensure_ascii=False)}" for each in bench["figures"])
        benches.append(
            f'  {json.dumps(name)}: {{"date": {json.dumps(bench["date"])}, "figures": [\n{lines}\n  ]}}'
        )
    inside = ",\n".join(benches)
    return f'{{\n "machine": {json.dumps(results["machine"])},\n "benches": {{\n{inside}\n }}\n}}\n'


def machine() -> dict[str, Any]:
    """What is measured on, without its name."""
    return {
        "cpus": os.cpu_count(),
        "model": _model(),
        "system": platform.system(),
        "python": platform.python_version(),
    }


def _model(file: Path = Path("/proc/cpuinfo")) -> str:
    if not file.exists():
        return platform.processor()
    lines = file.read_text(encoding="utf-8").splitlines()
    return next((each.partition(":")[2].strip() for each in lines if each.startswith("model name")), "")

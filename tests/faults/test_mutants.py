"""Seeded defects (reliability.md, *Mutant pairs*): each is a patch in `tests/mutants`, and a row catches it.

A mutant is a copy of `src` with the patch applied; the row runs against the copy in a pytest of its own, and has to
fail for the reason that is given. That it passes without the patch, the suite itself shows. Where a change of the code
leaves a patch without its place: put the defect into a copy of the new code, and keep `diff -U1 -r a/src b/src` of it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.servers.processes import ROOT

pytestmark = [pytest.mark.process, pytest.mark.slow]
PATCHES = ROOT / "tests" / "mutants"
SEEDED = {1, 2, 3, 4, 6, 7, 9, 12}


@dataclass(frozen=True)
class Mutant:
    """A defect, the test that catches it, and what that says then."""

    patch: str
    caught_by: str
    says: str

    def __str__(self) -> str:
        return self.patch


MUTANTS = [
    Mutant(
        "m01_position_before_decision",
        "tests/faults/test_row_01_killed_while_deciding.py::test_killed_in_the_middle_of_a_decision_it_decides_it_again",
        r"lost: e\d+ of p\d+",
    ),
    Mutant(
        "m02_kafka_keeps_the_position",
        "tests/faults/test_row_01_killed_while_deciding.py"
        "::test_killed_while_its_journal_is_busy_it_reads_again_what_kafka_gave_it",
        r"lost: e\d+ of p\d+",
    ),
    Mutant(
        "m03_sent_before_the_receipt",
        "tests/faults/test_row_27_smtp_stages.py::test_a_refused_login_stops_the_channel_and_no_mail_is_lost",
        r"lost: e\d+ of p\d+, called sent",
    ),
    Mutant(
        "m04_no_fsync_of_the_stash",
        "tests/line/test_power_cut.py::test_what_is_called_sent_is_loaded_after_a_power_cut",
        "LOST: called sent, gone with the power",
    ),
    Mutant(
        "m04_no_fsync_of_the_journal",
        "tests/line/test_power_cut.py::test_the_journal_is_on_the_disk_after_each_commit",
        "LOST: a commit that no disk has confirmed",
    ),
    Mutant(
        "m06_position_without_fence",
        "tests/unit/engine/test_line.py"
        "::test_a_partition_that_somebody_else_moved_leaves_the_batch_and_is_read_anew[12]",
        "'e1' != 'e12'",
    ),
    Mutant(
        "m07_insert_without_key",
        "tests/faults/test_row_37_killed_load.py"
        "::test_a_load_that_is_killed_anywhere_is_begun_again_and_loads_each_line_once",
        r"UNIQUE constraint failed: communications\.key|refuses",
    ),
    Mutant(
        "m09_one_refusal_fails_the_batch",
        "tests/faults/test_row_28_one_refused_in_a_batch.py"
        "::test_one_refused_recipient_costs_its_neighbours_nothing",
        r"stray: e\d+ of p\d+, arrived though failed",
    ),
    Mutant(
        "m12_exception_swallowed_in_a_thread",
        "tests/line/test_errors.py::test_an_exception_after_the_body_went_is_a_lost_answer",
        "didn't come within",
    ),
]


def test_every_seeded_defect_has_its_patch_and_every_patch_its_row() -> None:
    assert {each.patch for each in MUTANTS} == {each.stem for each in PATCHES.glob("*.patch")}
    assert {int(each.patch[1:3]) for each in MUTANTS} == SEEDED


@pytest.mark.outside
@pytest.mark.parametrize("mutant", MUTANTS, ids=str)
def test_a_seeded_defect_is_caught(mutant: Mutant, tmp_path: Path) -> None:
    environment = infected(mutant, tmp_path)
    assert imported(environment) == tmp_path / "src" / "whereupon" / "__init__.py"
    command = [sys.executable, "-m", "pytest", "-x", "-vv", "-p", "no:cacheprovider", mutant.caught_by]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if "cannot run here:" in done.stdout:
        pytest.skip("cannot run here: the row's server can't")
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, f"not caught:\n{done.stdout[-3000:]}{done.stderr}"
    assert re.search(mutant.says, done.stdout), f"caught, but for another reason:\n{done.stdout[-6000:]}"


def infected(mutant: Mutant, folder: Path) -> dict[str, str]:
    """An environment in which `whereupon`, here and in every child, is a copy that has this defect."""
    shutil.copytree(ROOT / "src", folder / "src")
    shutil.copytree(ROOT / "resources", folder / "resources")
    patch = PATCHES / f"{mutant.patch}.patch"
    applied = subprocess.run(
        ["git", "apply", "--verbose", str(patch)], cwd=folder, capture_output=True, text=True, check=False
    )
    assert applied.returncode == 0, f"{patch.name} has lost its place; make it again:\n{applied.stderr}"
    others = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    return {**others, "PYTHONPATH": str(folder / "src")}


def imported(environment: dict[str, str]) -> Path:
    """Which `whereupon` a child of this environment has."""
    asked = [sys.executable, "-c", "import whereupon; print(whereupon.__file__)"]
    said = subprocess.run(asked, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout
    return Path(said.strip())

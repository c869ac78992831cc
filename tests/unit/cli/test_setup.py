"""apply, diff, export, history, rollback."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lived import set_up_file
from tests.unit.cli.conftest import Words
from whereupon.host.paths import resources

pytestmark = pytest.mark.req("NEW-03")


def changed(folder: Path, old: str, new: str) -> Path:
    file = set_up_file(folder)
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")
    return file


def test_the_worked_example_is_applied_as_it_is_and_a_second_time_changes_nothing(
    words: Words, tmp_path: Path
) -> None:
    file = resources() / "example" / "tealhols.yaml"
    first = words("apply", file, "--system", tmp_path / "TealHols")
    assert first.code == 0
    assert "Campaign Welcome back: published" in first.out
    assert "Revision 1." in first.out
    second = words("apply", file, "--system", tmp_path / "TealHols")
    assert (second.code, second.out) == (0, "Nothing to change. Revision 1.\n")


def test_apply_says_it_as_json(words: Words, tmp_path: Path) -> None:
    file = set_up_file(tmp_path)
    [done] = words("apply", file, "--system", tmp_path / "TealHols", "--vault", "environment", "--json").json
    assert done["revision"] == 1
    assert done["published"] == ["Fill TealGreen", "Welcome back", "Welcome"]


def test_a_mistake_refuses_the_file_and_names_line_and_fix(words: Words, tmp_path: Path) -> None:
    file = changed(tmp_path, "from: TealGreen.firstname", "from: TealGreen.firstnam")
    said = words("apply", file, "--system", tmp_path / "TealHols")
    assert said.code == 3
    assert "firstnam" in said.err
    assert "line " in said.err
    assert not (tmp_path / "TealHols" / "whereupon.toml").exists()


def test_a_hint_shows_how_a_connection_string_is_written(words: Words, tmp_path: Path) -> None:
    file = changed(tmp_path, "sqlite:///TealHols.db", "mysql://ann:hush-4711@host/x")
    said = words("apply", file, "--system", tmp_path / "TealHols")
    assert said.code == 3
    assert "postgresql://user@host:5432/name or mssql://user@host/name" in said.err
    assert "hush-4711" not in said.err


def test_a_file_that_is_not_there_is_said(words: Words, tmp_path: Path) -> None:
    said = words("apply", tmp_path / "none.yaml")
    assert said.code == 3
    assert "none.yaml can't be read" in said.err


def test_diff_ends_with_1_where_something_differs_and_changes_nothing(
    words: Words, system: Path, tmp_path: Path
) -> None:
    assert words("diff", set_up_file(tmp_path)).code == 0
    said = words("diff", changed(tmp_path, "text: Welcome", "text: Good morning"))
    assert said.code == 1
    assert "Good morning" in said.out
    assert len(words("history", "--json").json) == 1


def test_an_export_applied_again_changes_nothing(words: Words, system: Path, tmp_path: Path) -> None:
    file = tmp_path / "exported.yaml"
    said = words("export", "--output", file)
    assert (said.code, said.out) == (0, "")
    assert words("export").out == file.read_text(encoding="utf-8")
    (tmp_path / "people.csv").write_bytes((resources() / "example" / "people.csv").read_bytes())
    assert "Nothing to change" in words("apply", file).out


def test_history_tells_who_saved_what_and_rollback_goes_back(
    words: Words, system: Path, tmp_path: Path
) -> None:
    words("apply", changed(tmp_path, "text: Welcome", "text: Good morning"), "--note", "friendlier")
    latest, first = words("history", "--json").json
    assert (latest["number"], latest["note"], first["author"]) == (2, "friendlier", "ann")
    assert "friendlier" in words("history").out
    assert words("rollback", 1).out == "Revision 3 is revision 1 once more.\n"
    assert words("diff", set_up_file(tmp_path)).code == 0


def test_a_revision_that_never_was_is_said(words: Words, system: Path) -> None:
    said = words("rollback", 99)
    assert said.code == 3
    assert "no revision 99" in said.err

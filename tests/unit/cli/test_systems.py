"""The system that a command works on."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from tests.lived import applied
from tests.unit.cli.conftest import Words
from whereupon.cli.systems import author


def test_a_system_is_named_by_option_by_environment_or_by_the_current_folder(
    words: Words, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = applied(tmp_path / "TealHols")
    by_option = words("history", "--system", folder, "--json")
    monkeypatch.setenv("WHEREUPON_SYSTEM", str(folder))
    by_environment = words("history", "--json")
    monkeypatch.delenv("WHEREUPON_SYSTEM")
    monkeypatch.chdir(folder)
    assert by_option.out == by_environment.out == words("history", "--json").out != ""


def test_the_author_is_the_user_of_the_operating_system() -> None:
    assert author() == psutil.Process().username().rpartition("\\")[2]

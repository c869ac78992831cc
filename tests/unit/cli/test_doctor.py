"""doctor."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.cli.conftest import Words


def test_a_system_in_good_health_ends_with_0(words: Words, system: Path) -> None:
    said = words("doctor")
    assert "BROKEN" not in said.out
    assert said.code == 0
    assert "Stream SignIn" in said.out
    assert "Service: Stopped." in said.out


def test_what_is_broken_is_named_with_what_to_do(words: Words, system: Path) -> None:
    (system / "SD_TealHols.db").write_bytes(b"no database at all, but long enough to look at" * 100)
    said = words("doctor", "--quiet")
    assert said.code == 1
    assert said.out.startswith("BROKEN  Database streams: ")
    assert len(said.out.splitlines()) == 1


@pytest.mark.parametrize("word", ["place", "holds", "message", "hint", "advice"])
def test_scripts_get_an_object_for_each_finding(word: str, words: Words, system: Path) -> None:
    assert all(word in each for each in words("doctor", "--json").json)

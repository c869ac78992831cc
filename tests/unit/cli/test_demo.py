"""What the demo's command asks for; the show itself is seen in tests/process."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.cli.conftest import Words
from whereupon.demo import stage
from whereupon.demo.stage import Wishes


def test_the_words_become_wishes(words: Words, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    heard: list[Wishes] = []

    def show(wishes: Wishes) -> bool:
        heard.append(wishes)
        return True

    monkeypatch.setattr(stage, "show", show)
    assert words("demo", "--events", 5, "--keep", tmp_path, "--kafka", "localhost:9092", "--json").code == 0
    assert heard == [Wishes(5, tmp_path, "localhost:9092", True)]


def test_an_event_that_is_not_accounted_for_fails_the_demo(
    words: Words, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage, "show", lambda wishes: False)
    assert words("demo").code == 1


def test_no_event_is_no_demo(words: Words) -> None:
    assert words("demo", "--events", 0).code == 2


def test_a_folder_that_is_not_empty_is_left_alone(words: Words, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("Dear Ada", encoding="utf-8")
    said = words("demo", "--keep", tmp_path)
    assert said.code == 3
    assert "isn't an empty folder" in said.err
    assert not (tmp_path / "whereupon.toml").exists()

"""The program finds its own folders, its resources, and the systems it opened."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from whereupon.host import paths
from whereupon.host.paths import config_folder, known_systems, remember_system, resources
from whereupon.model.errors import SetupError


def test_the_programs_folder_is_the_users_own(home: Path) -> None:
    assert config_folder().is_dir()
    assert config_folder().is_relative_to(home)


def test_no_system_is_known_at_first(home: Path) -> None:
    assert known_systems() == []


def test_the_system_opened_last_comes_first_and_only_once(home: Path, tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for each in (one, two):
        each.mkdir()
        remember_system(each)
    remember_system(one)
    assert known_systems() == [one.resolve(), two.resolve()]
    one.rmdir()
    assert known_systems() == [two.resolve()]


def test_twenty_systems_are_kept(home: Path, tmp_path: Path) -> None:
    for number in range(22):
        (tmp_path / f"{number}").mkdir()
        remember_system(tmp_path / f"{number}")
    assert [each.name for each in known_systems()] == [f"{number}" for number in range(21, 1, -1)]


@pytest.mark.parametrize("content", ["{", '{"a": 1}', "[1, null]", "\x00"])
def test_a_spoiled_list_of_systems_is_an_empty_one(home: Path, content: str) -> None:
    (config_folder() / "systems.json").write_text(content, encoding="utf-8")
    assert known_systems() == []


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package folder in a source tree of the test's own."""
    folder = tmp_path / "src" / "whereupon"
    monkeypatch.setattr(paths, "__file__", str(folder / "host" / "paths.py"))
    return folder


def test_resources_lie_beside_the_sources(package: Path, tmp_path: Path) -> None:
    (tmp_path / "resources").mkdir()
    assert resources() == tmp_path / "resources"


def test_resources_lie_in_the_package_once_installed(package: Path, tmp_path: Path) -> None:
    (package / "resources").mkdir(parents=True)
    (tmp_path / "resources").mkdir()
    assert resources() == package / "resources"


def test_resources_lie_in_the_bundle_when_frozen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "resources").mkdir()
    monkeypatch.setattr(sys, "_MEIPASS", str(tmp_path), raising=False)
    assert resources() == tmp_path / "resources"


def test_an_installation_without_resources_says_what_to_do(package: Path) -> None:
    with pytest.raises(SetupError, match="Install Whereupon again"):
        resources()

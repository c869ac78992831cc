"""Databases made on their server; the servers themselves are in tests/outside."""

from __future__ import annotations

from pathlib import Path

import pytest

from whereupon.model.errors import SetupError, WhereuponError
from whereupon.storage.making import make, there_is


def test_a_file_is_there_or_comes_by_itself(tmp_path: Path) -> None:
    url = "sqlite:///A.db"
    assert not there_is(url, folder=tmp_path, password=None)
    make(url, folder=tmp_path, password=None)
    (tmp_path / "A.db").touch()
    assert there_is(url, folder=tmp_path, password=None)


def test_a_server_that_cannot_be_reached_is_said(tmp_path: Path) -> None:
    url = "postgresql://ann@127.0.0.1:1/db"
    with pytest.raises(WhereuponError):
        there_is(url, folder=tmp_path, password=None)
    with pytest.raises(WhereuponError):
        make(url, folder=tmp_path, password=None)


def test_a_sqlite_file_needs_a_folder_that_is_there_but_for_the_systems_own(tmp_path: Path) -> None:
    make("sqlite:///Name.db", folder=tmp_path / "comes later", password=None)
    with pytest.raises(SetupError, match="There is no folder") as raised:
        make(f"sqlite:///{(tmp_path / 'nowhere' / 'Name.db').as_posix()}", folder=tmp_path, password=None)
    assert "Make it" in raised.value.hint

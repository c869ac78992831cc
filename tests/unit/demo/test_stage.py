"""Where the demo is made; the whole show is seen in tests/process."""

from __future__ import annotations

from pathlib import Path

import pytest

from whereupon.demo.stage import Wishes, show
from whereupon.model.errors import SetupError


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("Dear Ada", encoding="utf-8")
    with pytest.raises(SetupError, match="isn't an empty folder"):
        show(Wishes(keep=tmp_path))
    assert [each.name for each in tmp_path.iterdir()] == ["letter.txt"]


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    with pytest.raises(SetupError, match="isn't an empty folder"):
        show(Wishes(keep=path))

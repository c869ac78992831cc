"""The worked example, whole or with a mistake in it.

example   the set-up file as plain data, to be changed by the test
tealhols  the set-up that it makes
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from whereupon.model.setup import Setup

EXAMPLE = Path(__file__).parents[3] / "resources" / "example" / "tealhols.yaml"


@pytest.fixture
def example() -> dict[str, Any]:
    """The file without what names databases and the file's own version."""
    read: dict[str, Any] = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))
    return {name: each for name, each in read.items() if name not in ("version", "databases", "web_service")}


@pytest.fixture
def tealhols(example: dict[str, Any]) -> Setup:
    """The worked example."""
    return Setup.model_validate(example)

"""`world` is the worked example as files, not applied yet; `registry` are all kinds of parts."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.storage.apply_world import World
from whereupon.kit.registry import Registry, discover


@pytest.fixture(scope="session")
def registry() -> Registry:
    return discover()


@pytest.fixture
def world(tmp_path: Path, registry: Registry) -> World:
    return World(tmp_path, registry)

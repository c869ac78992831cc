"""Parts of one run: opened when asked for, once, and closed together."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from tests.unit.jobs.table_world import TableWorld
from whereupon.jobs.parts import Parts
from whereupon.kit.roles import Filler
from whereupon.model.errors import SetupError


def test_a_store_is_opened_once_and_a_channel_has_the_stores_that_it_names(tmp_path: Path) -> None:
    world = TableWorld(tmp_path)
    with closing(Parts(world.shop, world.setup)) as parts:
        channel = parts.channel("Teal Green Pull Marketing")
        assert isinstance(channel, Filler)
        assert channel.context.parts == {"TealGreen": parts.store("TealGreen")}
    world.close()


def test_parts_that_are_not_there_are_named(tmp_path: Path) -> None:
    world = TableWorld(tmp_path)
    with closing(Parts(world.shop, world.setup)) as parts:
        with pytest.raises(SetupError, match="no store called Nothing"):
            parts.store("Nothing")
        with pytest.raises(SetupError, match="no channel called Nothing"):
            parts.channel("Nothing")
    world.close()

"""Rows on their way to a message: looked up, rendered, cut by weight."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.jobs.table_world import LETTER, TableWorld, crowd, set_up
from whereupon.jobs import rows

KNOWN = {
    **LETTER,
    "name": "Known",
    "limits": [],
    "message": {
        "content": [{"field": "email", "from": "TealGreen.email"}, {"field": "subject", "text": "Hi"}],
        "delivery": {"channel": "ESP"},
    },
}


def test_content_of_a_store_is_looked_up_for_each_page(tmp_path: Path) -> None:
    world = TableWorld(tmp_path, setup=set_up(KNOWN))
    world.import_people([*crowd(2), ("9", "", "Nobody", "0")])
    world.run("Fill TealGreen")
    result = world.run("Known")
    world.close()
    assert result.outcomes == {"sent": 2, "withheld: not in store": 1}


def test_a_batch_ends_where_its_messages_are_heavy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "BATCH_SIZE", 40)
    world = TableWorld(tmp_path)
    world.import_people(crowd(10))
    assert world.run("Newsletter").outcomes == {"sent": 10}
    batches = world.asked("SELECT COUNT(*) FROM batch")
    world.close()
    assert batches[0][0] >= 5

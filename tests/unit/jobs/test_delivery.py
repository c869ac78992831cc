"""Who delivers a run: the service that holds the folder's lock, or the run itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.jobs.table_world import TableWorld
from whereupon.control.launch import service_lock
from whereupon.host.locks import holder
from whereupon.jobs import delivery
from whereupon.jobs.delivery import Delivery
from whereupon.model.errors import Unavailable


def test_without_a_service_the_run_holds_the_folder_while_it_delivers(tmp_path: Path) -> None:
    world = TableWorld(tmp_path)
    lock = service_lock(tmp_path)
    with Delivery(world.shop, world.repository.running(), owner=1) as delivering:
        assert holder(lock.path) is not None
        delivering.ensure()
    assert holder(lock.path) is None
    world.close()


def test_beside_a_service_it_leaves_the_folder_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "PATIENCE", 0.0)
    world = TableWorld(tmp_path)
    lock = service_lock(tmp_path)
    lock.acquire()
    with Delivery(world.shop, world.repository.running(), owner=1) as delivering:
        delivering.ensure()
        lock.release()
        with pytest.raises(Unavailable, match="has stopped"):
            delivering.ensure()
    world.close()

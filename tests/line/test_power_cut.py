"""A power cut takes what no fsync has seen: what the journal calls sent stands on the disk, and so does the journal.

SQLite and the stash ask the disk by different ways, so they are seen by different ways: Python's own fsync calls are
kept with what the file held at that moment, SQLite is asked how it writes.
"""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

import pytest

from tests.servers.processes import wait_until
from tests.world import PLAIN, World, setup_of, sign_in
from whereupon.storage.loading import load
from whereupon.storage.stash import read

FULL = 2
"""SQLite's number for `synchronous = FULL`: every commit is an fsync."""


class Disk:
    """What a disk would hold of the stash after a power cut at this moment."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.files: dict[Path, bytes] = {}
        self._folder = folder
        self._sync = os.fsync
        patch.setattr(os, "fsync", self._synced)

    def lose_the_rest(self) -> None:
        """Let the folder hold what was synced and nothing else."""
        for path in self._folder.glob("*.*"):
            path.write_bytes(self.files.get(path, b""))

    def _synced(self, descriptor: int) -> None:
        self._sync(descriptor)
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        if path.parent == self._folder and path.is_file():
            self.files[path] = path.read_bytes()


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="asks Linux which file a descriptor is")
def test_what_is_called_sent_is_loaded_after_a_power_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path)
    disk = Disk(world.shop.system.stash, monkeypatch)
    world.start(setup_of(PLAIN))
    for number in range(40):
        world.send(sign_in(number))
    wait_until(lambda: world.outcomes() == ["sent"] * 40)
    disk.lose_the_rest()
    lines = [line.person for path in disk.files for line in read(path).lines]
    assert sorted(lines) == [str(1000 + number) for number in range(40)], (
        "LOST: called sent, gone with the power"
    )
    assert load(world.databases.system, world.shop.system.stash, folder_id="f", clock=world.clock).new == 40
    world.close()


def test_the_journal_is_on_the_disk_after_each_commit(tmp_path: Path) -> None:
    world = World(tmp_path)
    for place in (world.databases.streams, world.databases.system):
        with closing(place.session()) as session:
            assert session.one("PRAGMA synchronous") == (FULL,), "LOST: a commit that no disk has confirmed"
    world.close()

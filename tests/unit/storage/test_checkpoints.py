"""Checkpoints: the log goes into the file, and too long a log begins anew."""

from __future__ import annotations

import threading
from pathlib import Path

from whereupon.connect.databases import database
from whereupon.storage.checkpoints import Checkpoints


def test_the_log_goes_into_the_file_while_others_have_it_open(tmp_path: Path) -> None:
    file = database("sqlite:///SD.db", folder=tmp_path)
    writer = file.session()
    writer.run("CREATE TABLE t (x)")
    for _ in range(50):
        writer.run("INSERT INTO t VALUES (zeroblob(5000))")
    before = (tmp_path / "SD.db").stat().st_size
    checkpoints = Checkpoints(file, writers=None)
    checkpoints.turn()
    assert (tmp_path / "SD.db").stat().st_size > before + 200_000
    checkpoints.close()
    writer.close()


def test_too_long_a_log_begins_anew_while_nobody_writes(tmp_path: Path) -> None:
    file = database("sqlite:///SD.db", folder=tmp_path)
    writer, lock = file.session(), threading.Lock()
    writer.run("CREATE TABLE t (x)")
    checkpoints = Checkpoints(file, writers=lock, largest=100_000)
    sizes = []
    for _ in range(4):
        for _ in range(40):
            writer.run("INSERT INTO t VALUES (zeroblob(5000))")
        checkpoints.turn()
        sizes.append((tmp_path / "SD.db-wal").stat().st_size)
    assert not lock.locked()
    assert sizes[-1] <= sizes[0] * 1.5, "the log was written from its beginning again"
    checkpoints.close()
    writer.close()

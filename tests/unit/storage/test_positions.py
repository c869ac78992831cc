"""Where a stream goes on is forgotten when a person says so."""

from __future__ import annotations

import threading
from contextlib import closing
from pathlib import Path

from tests.batches import streams
from whereupon.storage.journal import Journal
from whereupon.storage.positions import forget


def test_all_that_is_known_of_one_streams_place_is_forgotten(tmp_path: Path) -> None:
    with closing(streams(tmp_path)) as found:
        with closing(Journal(found, owner=1, writers=threading.Lock())) as journal:
            journal.begin(1, "topic", {0: 5, 1: 6})
            journal.begin(1, "an older topic", {0: 9})
            journal.begin(2, "topic", {0: 7})
            assert forget(found, 1) == 3
            assert journal.positions(1) == {}
            assert journal.positions(2) == {"topic": {0: 7}}
        assert forget(found, 1) == 0

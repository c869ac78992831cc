"""Retention: what is old goes in small steps, what is open or to be judged stays."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from whereupon.connect.databases import Database, database
from whereupon.connect.session import Session
from whereupon.host.clock import FakeClock
from whereupon.storage.journal_tables import JOURNAL
from whereupon.storage.retention import BODIES, EVENTS, PAUSE, STEP, Keep, Retention
from whereupon.storage.turns import Turns

DAY = 86_400_000
NOW = 1_767_225_600_000


class Kept:
    """A journal with rows of a known age, and its retention."""

    def __init__(self, folder: Path) -> None:
        self.clock = FakeClock(NOW)
        self.database: Database = database("sqlite:///SD.db", folder=folder)
        JOURNAL.create_all(self.database.engine)
        self.session: Session = self.database.session()
        self.turns = Turns(self.database)
        self.archive = folder / "Archive"
        self.archive.mkdir()
        self.retention = Retention(self.turns, self.archive, clock=self.clock)

    def events(self, first: int, count: int, *, days: float, state: str = "sent", owner: int = 1) -> None:
        """Events of that age with an outcome each, in batches of 100."""
        with self.session.transaction():
            self._events(range(first, first + count), NOW - int(days * DAY), state, owner)

    def _events(self, numbers: range, at: int, state: str, owner: int) -> None:
        for number in numbers:
            self.session.run(
                "INSERT INTO event VALUES (?, 'p', ?, 1, 0, 0, ?, ?)", (number, f"e{number}", at, at)
            )
            self.session.run(
                "INSERT INTO outcome VALUES (?, 1, 1, 1, ?, ?, '', 1, ?, ?, ?)",
                (number, owner, state, at, at, at),
            )
            self.session.run("INSERT INTO attempt VALUES (?, 1, 1, ?, ?, '')", (number, at, at))
        for begin in numbers[::100]:
            last = min(begin + 99, numbers[-1])
            self.session.run(
                "INSERT INTO batch VALUES (?, ?, 1, ?, ?, ?)", (begin, last, at, owner, b"x" * 1000)
            )
        self.session.run("INSERT OR IGNORE INTO hour VALUES (?, ?, ?)", (at // 3_600_000, owner, numbers[0]))

    def dead(self, id: int, *, event: int | None, days: float, judged: str | None) -> None:
        """A dead letter."""
        at = NOW - int(days * DAY)
        self.session.run(
            "INSERT INTO dead VALUES (?, 'send', ?, 1, 1, '', '', NULL, ?, 1, 0, ?)", (id, event, at, judged)
        )

    def whole_pass(self, keep: Keep | None = None) -> int:
        """All steps of one pass; how many."""
        steps = 0
        while self.retention._due <= self.clock.now() or self.retention._pass is not None:
            self.retention.turn(keep or Keep())
            steps += 1
        return steps

    def count(self, table: str) -> int:
        """Rows of a table."""
        row = self.session.one(f"SELECT COUNT(*) FROM {table}")
        return int(row[0]) if row else 0

    def numbers(self, sql: str) -> list[Any]:
        """The first column."""
        return [row[0] for row in self.session.all(sql)]


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    """An empty journal."""
    found = Kept(tmp_path)
    yield found
    found.turns.close()
    found.session.close()
    found.database.close()


def test_bodies_go_after_a_week_and_events_after_ninety_days(kept: Kept) -> None:
    kept.events(1, 200, days=100)
    kept.events(201, 200, days=8)
    kept.events(401, 200, days=1)
    kept.whole_pass()
    assert kept.numbers("SELECT id FROM batch ORDER BY id") == [401, 501]
    for table in ("event", "outcome", "attempt"):
        assert kept.count(table) == 400, table
    assert kept.numbers("SELECT COUNT(*) FROM hour") == [2]


def test_de_duplication_and_limits_may_need_events_for_longer(kept: Kept) -> None:
    kept.events(1, 10, days=100)
    kept.events(11, 10, days=1)
    kept.whole_pass(Keep.at_least(120 * DAY))
    assert kept.count("event") == 20
    assert Keep.at_least(DAY).events == EVENTS
    assert Keep().bodies == BODIES


@pytest.mark.parametrize("state", ["queued", "sending", "waiting", "unknown"])
def test_what_is_open_or_unknown_stays_whole(kept: Kept, state: str) -> None:
    kept.events(1, 100, days=100)
    kept.events(101, 1, days=100, state=state)
    kept.events(201, 1, days=0)
    kept.whole_pass()
    assert kept.numbers("SELECT id FROM batch ORDER BY id") == [101, 201]
    for table, column in (("event", "id"), ("outcome", "event"), ("attempt", "event")):
        assert kept.numbers(f"SELECT {column} FROM {table} ORDER BY {column}") == [101, 201], table


def test_a_body_that_a_person_may_resend_stays(kept: Kept) -> None:
    kept.events(1, 200, days=10, state="failed")
    kept.dead(1, event=150, days=10, judged=None)
    kept.dead(2, event=50, days=10, judged="discarded")
    kept.whole_pass()
    assert kept.numbers("SELECT id FROM batch") == [101]


def test_bodies_go_from_the_oldest_on_until_the_rest_is_small_enough(kept: Kept) -> None:
    kept.events(1, 1000, days=1)
    kept.whole_pass(Keep(bytes=4500))
    assert kept.numbers("SELECT id FROM batch ORDER BY id") == [601, 701, 801, 901]


def test_steps_are_small(kept: Kept) -> None:
    kept.events(1, 1300, days=100)
    sizes: list[int] = []
    while not sizes or kept.retention._pass is not None:
        before = kept.count("event")
        kept.retention.turn(Keep())
        sizes.append(before - kept.count("event"))
    assert max(sizes) == STEP
    assert sum(sizes) == 1300


def test_a_service_that_numbers_slowly_holds_nobody_else_back(kept: Kept) -> None:
    kept.events(1, 10, days=100, owner=1)
    kept.events(11, 10, days=0, owner=1)
    kept.events(100_001, 10, days=100, owner=2)
    kept.events(100_011, 10, days=0, owner=2)
    kept.whole_pass()
    assert kept.numbers("SELECT id FROM event ORDER BY id") == [*range(11, 21), *range(100_011, 100_021)]


def test_judged_dead_letters_go_after_thirty_days_and_others_never(kept: Kept) -> None:
    kept.dead(1, event=None, days=31, judged="resent")
    kept.dead(2, event=None, days=29, judged="resent")
    kept.dead(3, event=None, days=400, judged=None)
    kept.whole_pass()
    assert kept.numbers("SELECT id FROM dead ORDER BY id") == [2, 3]


def test_old_days_of_the_tally_go_and_what_is_open_is_still_counted(kept: Kept) -> None:
    today = NOW // DAY
    rows = [(1, today - 100, "open", "", 1, 5), (1, today - 95, "open", "", 1, -3), (1, today, "open", "", 1, 1),
            (1, today - 100, "sent", "", 1, 7), (1, today, "sent", "", 1, 2)]  # fmt: skip
    for row in rows:
        kept.session.run("INSERT INTO tally VALUES (?, ?, ?, ?, ?, ?)", row)
    kept.whole_pass()
    assert kept.session.all("SELECT state, SUM(n) FROM tally GROUP BY state ORDER BY state") == [
        ("open", 3),
        ("sent", 2),
    ]
    assert kept.count("tally") == 3


def test_the_archive_is_kept_for_thirty_days(kept: Kept) -> None:
    old, young, other = (kept.archive / name for name in ("old.stash", "young.stash", "notes.txt"))
    for path, days in ((old, 31), (young, 29), (other, 99)):
        path.write_bytes(b"")
        os.utime(path, (NOW / 1000 - days * 86_400,) * 2)
    kept.whole_pass()
    assert sorted(each.name for each in kept.archive.iterdir()) == ["notes.txt", "young.stash"]


def test_a_pass_comes_once_an_hour(kept: Kept) -> None:
    kept.whole_pass()
    kept.events(1, 10, days=100)
    kept.retention.turn(Keep())
    assert kept.count("event") == 10
    kept.clock.advance(PAUSE / 1000)
    kept.whole_pass()
    assert kept.count("event") == 0

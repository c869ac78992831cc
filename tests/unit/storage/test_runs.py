"""Runs as the journal knows them: how far each is, and one at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from whereupon.connect.databases import Database, database
from whereupon.model.errors import Locked
from whereupon.storage.journal_tables import JOURNAL
from whereupon.storage.runs import SAID, Run, Runs


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Database]:
    """A Streams database."""
    found = database("sqlite:///SD.db", folder=tmp_path)
    JOURNAL.create_all(found.engine)
    yield found
    found.close()


@pytest.fixture
def runs(journal: Database) -> Iterator[Runs]:
    """Its runs."""
    with closing(Runs(journal)) as found:
        yield found


def test_a_run_is_unfinished_until_it_is_done(runs: Runs) -> None:
    assert runs.unfinished(7) is None
    run = runs.begin(7, 2, now=1000)
    assert runs.unfinished(7) == run == Run(1, 7, 2, 1000)
    assert runs.unfinished(8) is None
    for state in ("stopped", "failed"):
        ended = runs.end(run, state=state, now=2000)
        assert runs.unfinished(7) == ended == replace(run, state=state, ended=2000)
    runs.end(run, state="done", now=3000)
    assert runs.unfinished(7) is None
    assert runs.begin(7, 3, now=4000).id == 2


def test_a_place_is_kept_with_what_was_done_until_there(runs: Runs) -> None:
    run = runs.begin(7, 1, now=1000)
    further = runs.keep(run.after(40, rows=20, inserted=15, updated=4, rejected=(("ada", "no key"),)))
    further = runs.keep(further.after(60, rows=20, inserted=20))
    assert runs.unfinished(7) == further
    assert (further.place, further.done, further.inserted, further.updated, further.rejected) == (
        60,
        40,
        35,
        4,
        1,
    )
    assert further.said == (("ada", "no key"),)


def test_of_many_rejected_rows_some_are_named_and_all_counted(runs: Runs) -> None:
    many = tuple((str(n), "no") for n in range(SAID + 5))
    run = runs.keep(runs.begin(7, 1, now=0).after(1, rows=SAID + 5, rejected=many))
    assert (run.rejected, len(run.said)) == (SAID + 5, SAID)


def test_a_campaign_runs_once_at_a_time_and_others_beside_it(journal: Database, runs: Runs) -> None:
    runs.alone(7, "Newsletter")
    with closing(Runs(journal)) as second:
        with pytest.raises(Locked, match="Newsletter is running already"):
            second.alone(7, "Newsletter")
        second.alone(8, "Fill")
    runs.close()
    with closing(Runs(journal)) as third:
        third.alone(7, "Newsletter")


def test_what_is_open_is_counted_by_the_tally(journal: Database, runs: Runs) -> None:
    with closing(journal.session()) as session:
        for row in (
            (7, 1, "open", "", 1, 5),
            (7, 2, "open", "", 1, -3),
            (7, 2, "sent", "", 1, 3),
            (8, 2, "open", "", 1, 9),
        ):
            session.run("INSERT INTO tally VALUES (?, ?, ?, ?, ?, ?)", row)
    assert runs.open_messages(7) == 2
    assert runs.open_messages(9) == 0


def test_messages_are_counted_by_their_end(journal: Database, runs: Runs) -> None:
    run = replace(runs.begin(7, 1, now=0), first=10)
    with closing(journal.session()) as session:
        for event, state, reason in (
            (9, "sent", ""),
            (10, "sent", ""),
            (11, "withheld", "limit"),
            (12, "failed", "x"),
            (13, "failed", "y"),
        ):
            session.run(
                "INSERT INTO outcome VALUES (?, 7, 1, 1, 1, ?, ?, 0, 0, NULL, NULL)", (event, state, reason)
            )
    assert runs.outcomes(run) == {"sent": 1, "withheld: limit": 1, "failed": 2}

"""Fills: rows of a table become records of a store, resumed where they stood."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.unit.jobs.table_world import FILL, TableWorld, crowd, set_up
from whereupon.components.stores.database import DatabaseStore
from whereupon.host.clock import FakeClock
from whereupon.jobs import fill
from whereupon.jobs.fill import Fill
from whereupon.kit.roles import Filler
from whereupon.model.errors import Away, Refused, Unavailable
from whereupon.model.events import Filled, Record
from whereupon.storage.runs import Runs


@pytest.mark.req("RTT-09")
def test_a_run_fills_the_store_and_counts_what_was_new_changed_and_rejected(tmp_path: Path) -> None:
    world = TableWorld(tmp_path)
    world.import_people([("1001", "ada@example.org", "Ada", "1840.50"), ("1002", "bo@example.org", "Bo", "120"),
                         ("1003", "", "Chidi", "0")])  # fmt: skip
    first, second = world.run("Fill TealGreen"), world.run("Fill TealGreen")
    records = world.records()
    world.close()
    assert (first.rows, first.total, first.inserted, first.updated, first.rejected) == (2, 2, 2, 0, 0)
    assert (second.inserted, second.updated) == (0, 2)
    assert second.run == first.run + 1
    assert list(records) == ["1001", "1002"]
    assert '"offer":"TEAL20"' in records["1001"]
    assert '"offer":"TEAL5"' in records["1002"]


@pytest.mark.req("RTT-09")
def test_filling_a_store_is_no_communication(tmp_path: Path) -> None:
    world = TableWorld(tmp_path)
    world.import_people(crowd(3))
    world.run("Fill TealGreen")
    stash, activity = list(world.shop.system.stash.glob("*")), world.activity()
    counted = world.asked("SELECT COUNT(*) FROM outcome") + world.asked("SELECT COUNT(*) FROM tally")
    letters = world.run("Newsletter")
    world.close()
    assert stash == []
    assert activity == []
    assert counted == [(0,), (0,)]
    assert letters.outcomes == {"sent": 3}, "a limit of one message leaves room for it after a fill"


def test_a_row_that_cannot_be_used_is_rejected_with_its_reason(tmp_path: Path) -> None:
    content = [
        {"field": "event", "template": "$data.get('People').get(0).get('Shoe size')"},
        {"field": "offer", "text": "x"},
    ]
    delivered = {"channel": "Teal Green Pull Marketing"}
    silent = {**FILL, "name": "Silent", "message": {"content": content, "delivery": delivered}}
    world = TableWorld(tmp_path, setup=set_up(silent))
    world.import_people(crowd(2))
    result = world.run("Silent")
    world.close()
    assert (result.inserted, result.rejected) == (0, 2)
    assert result.said[0][0] == "1001"
    assert result.said[0][1].startswith("template: event")
    assert "1001: template" in str(result)


def test_progress_goes_to_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fill, "PAGE", 10)
    world = TableWorld(tmp_path)
    world.import_people(crowd(25))
    world.run("Fill TealGreen")
    world.close()
    assert world.progress == [(0, 25), (10, 25), (20, 25), (25, 25)]


def test_a_stopped_fill_goes_on_where_it_stood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fill, "PAGE", 10)
    world, stop = TableWorld(tmp_path), threading.Event()
    world.import_people(crowd(25))
    stopped = world.run(
        "Fill TealGreen", stop=stop, watch=lambda done, total: stop.set() if done >= 10 else None
    )
    finished = world.run("Fill TealGreen")
    fresh = world.run("Fill TealGreen")
    world.close()
    assert (stopped.state, stopped.rows, stopped.inserted) == ("stopped", 10, 10)
    assert (finished.run, finished.state, finished.inserted, finished.updated) == (stopped.run, "done", 25, 0)
    assert (fresh.run, fresh.updated) == (stopped.run + 1, 25)


def test_an_interrupted_fill_begins_anew_by_a_new_version_or_after_a_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fill, "PAGE", 10)
    clock, stop = FakeClock(), threading.Event()
    world = TableWorld(tmp_path, clock=clock)
    world.import_people(crowd(25))
    watch = lambda done, total: stop.set() if done >= 10 else None  # noqa: E731
    world.run("Fill TealGreen", stop=stop, watch=watch)
    changed = {**FILL, "schedule": "daily 04:00"}
    world.apply(set_up().model_copy(update={"campaigns": set_up(changed).campaigns[1:]}))
    stop.clear()
    second = world.run("Fill TealGreen", stop=stop, watch=watch)
    clock.advance(90_000)
    third = world.run("Fill TealGreen")
    world.close()
    assert (second.run, second.rows) == (2, 10)
    assert (third.run, third.rows, third.updated) == (3, 25, 10)


class Moody(Filler):
    """A store that raises what it was told, then takes all."""

    def __init__(self, *errors: Exception, refuses: str = "") -> None:
        self.errors = list(errors)
        self.refuses = refuses
        self.taken: list[str] = []

    def fill(self, records: Sequence[Record]) -> Filled:
        if self.errors:
            raise self.errors.pop(0)
        if any(each.key == self.refuses for each in records):
            raise Refused("That key is refused.")
        self.taken += [each.key for each in records]
        return Filled(inserted=len(records))


def filled(moody: Moody, folder: Path, keys: Sequence[str]) -> Filled:
    """One request of a fill through this store."""
    with_runs = Runs(TableWorld(folder).shop.databases.streams)
    made = Fill(moody, "urn", with_runs, clock=FakeClock(hurried=True), stop=threading.Event())
    return made._patiently([Record(key, {"urn": key}) for key in keys])


def test_a_busy_store_is_asked_again(tmp_path: Path) -> None:
    moody = Moody(Unavailable("Busy."), Unavailable("Busy.", retry_after=3))
    assert filled(moody, tmp_path, ["a", "b"]).inserted == 2


def test_a_store_that_stays_busy_ends_the_run(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="Busy"):
        filled(Moody(*[Unavailable("Busy.")] * 5), tmp_path, ["a"])


def test_a_store_that_is_away_ends_the_run_at_once(tmp_path: Path) -> None:
    moody = Moody(Away("Gone."), Away("Gone."))
    with pytest.raises(Away):
        filled(moody, tmp_path, ["a"])
    assert len(moody.errors) == 1


def test_a_refused_record_is_found_and_its_neighbours_go(tmp_path: Path) -> None:
    moody = Moody(refuses="c")
    result = filled(moody, tmp_path, ["a", "b", "c", "d", "e"])
    assert result.inserted == 4
    assert list(result.rejected) == [("c", "That key is refused.")]


def test_a_failed_run_is_taken_up_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fill, "PAGE", 10)
    world = TableWorld(tmp_path)
    world.import_people(crowd(25))
    whole, calls = DatabaseStore.fill, []

    def away_at_the_second(store: DatabaseStore, records: Sequence[Record]) -> Filled:
        calls.append(len(records))
        if len(calls) == 2:
            raise Away("The store is away.")
        return whole(store, records)

    monkeypatch.setattr(DatabaseStore, "fill", away_at_the_second)
    with pytest.raises(Away):
        world.run("Fill TealGreen")
    assert world.asked("SELECT state, done FROM run") == [("failed", 10)]
    result = world.run("Fill TealGreen")
    world.close()
    assert (result.state, result.inserted, calls) == ("done", 25, [10, 10, 10, 5])

"""Loading communications: each line once, however often and wherever the load was ended."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.batches import system
from tests.tsql import RecordingDatabase, problems
from whereupon.connect.databases import Database, database
from whereupon.host.clock import FakeClock
from whereupon.host.crash import EXIT_CODE, VARIABLE
from whereupon.host.locks import FolderLock
from whereupon.model.errors import Away, Locked, Unavailable
from whereupon.storage import loading
from whereupon.storage.loading import Loaded, load
from whereupon.storage.stash import Line, Stash, encoded

CLOCK = FakeClock()
BAD = b"12 00000000 no such line\n"


def sent(number: int) -> Line:
    return Line(
        f"key {number:05d}", "Welcome", 2, "SignIn", f"e{number}", "ada", "ESP", "ada@example.org", "p1", 5, number, 3
    )  # fmt: skip


def file_of(*pieces: Line | bytes) -> bytes:
    return b"".join(each if isinstance(each, bytes) else encoded(each) for each in pieces)


@pytest.fixture
def found(tmp_path: Path) -> Iterator[Database]:
    made = system(tmp_path)
    yield made
    made.close()


@pytest.fixture
def stash(tmp_path: Path) -> Path:
    folder = tmp_path / "Stash"
    folder.mkdir()
    return folder


@pytest.fixture
def loaded(found: Database, stash: Path) -> Callable[[], Loaded]:
    """Loads what is there."""
    return lambda: load(found, stash, folder_id="folder", clock=CLOCK)


def rows(found: Database, query: str) -> list[tuple[Any, ...]]:
    with closing(found.session()) as session:
        return session.all(query)


def keys(found: Database) -> list[str]:
    return [key for (key,) in rows(found, "SELECT key FROM communications ORDER BY key")]


def names(folder: Path) -> set[str]:
    return {each.name for each in folder.iterdir()} - {"load.lock"}


@pytest.mark.req("DAT-01")
def test_a_line_becomes_a_row_with_all_that_was_promised(
    found: Database, stash: Path, loaded: Callable[[], Loaded]
) -> None:
    (stash / "a.stash").write_bytes(file_of(sent(1)))
    assert loaded() == Loaded(new=1, archived=1)
    columns = (
        "key, campaign, version, stream, event_id, person, channel, address, provider_id, sent_at, loaded_at"
    )
    assert rows(found, f"SELECT {columns}, event, campaign_id FROM communications") == [
        ("key 00001", "Welcome", 2, "SignIn", "e1", "ada", "ESP", "ada@example.org", "p1", 5, CLOCK.now(), 1, 3)
    ]  # fmt: skip


def test_an_empty_folder_gives_nothing(loaded: Callable[[], Loaded]) -> None:
    assert loaded() == Loaded()
    assert str(loaded()) == "0 communications loaded"


def test_a_closed_file_is_archived_and_an_open_one_goes_on_where_it_stood(
    found: Database, stash: Path, loaded: Callable[[], Loaded]
) -> None:
    (stash / "a.stash").write_bytes(file_of(sent(1), sent(2)))
    (stash / "b.open").write_bytes(file_of(sent(3)))
    assert loaded() == Loaded(new=3, archived=1)
    assert names(stash) == {"Archive", "b.open"}
    assert names(stash / "Archive") == {"a.stash"}
    with (stash / "b.open").open("ab") as file:
        file.write(file_of(sent(4)))
    assert loaded() == Loaded(new=1)
    (stash / "b.open").rename(stash / "b.stash")
    assert loaded() == Loaded(archived=1)
    assert loaded() == Loaded()
    assert len(keys(found)) == 4
    assert rows(found, "SELECT folder, name, lines, bad FROM loaded ORDER BY name") == [
        ("folder", "a", 2, 0),
        ("folder", "b", 2, 0),
    ]


def test_a_line_that_was_loaded_from_another_file_is_counted_and_not_doubled(
    found: Database, stash: Path, loaded: Callable[[], Loaded]
) -> None:
    (stash / "a.stash").write_bytes(file_of(sent(1), sent(2), sent(2)))
    (stash / "b.stash").write_bytes(file_of(sent(2), sent(3)))
    done = loaded()
    assert done == Loaded(new=3, known=2, archived=2)
    assert str(done) == "3 communications loaded, 2 were there already"
    assert len(keys(found)) == 3


def test_bad_lines_are_set_aside_and_counted_and_loading_goes_on(
    found: Database, stash: Path, loaded: Callable[[], Loaded]
) -> None:
    (stash / "a.stash").write_bytes(file_of(sent(1), BAD, sent(2), b"\0" * 30))
    done = loaded()
    assert done == Loaded(new=2, bad=2, archived=1)
    assert str(done) == "2 communications loaded, 2 lines can't be read and were set aside"
    assert (stash / "a.bad").read_bytes() == BAD + b"\0" * 30 + b"\n"
    assert names(stash / "Archive") == {"a.stash"}
    assert keys(found) == ["key 00001", "key 00002"]
    assert rows(found, "SELECT lines, bad FROM loaded") == [(2, 2)]


@pytest.mark.parametrize("tail", [encoded(sent(2))[:-7], BAD, b"\0" * 50, b"1"])
def test_the_last_line_of_an_open_file_may_be_torn_and_is_left(
    found: Database, stash: Path, loaded: Callable[[], Loaded], tail: bytes
) -> None:
    path = stash / "a.open"
    path.write_bytes(file_of(sent(1), tail))
    assert loaded() == Loaded(new=1)
    assert loaded() == Loaded()
    # What a service that starts makes of it: the torn line is cut off, and the file closed.
    settling = Stash(stash, clock=CLOCK)
    ((left, reading),) = settling.unsettled()
    settling.settled(left, reading)
    assert loaded() == Loaded(archived=1)
    assert keys(found) == ["key 00001"]


def test_many_lines_go_in_several_transactions(
    found: Database, stash: Path, loaded: Callable[[], Loaded], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "MOST", 7)
    passed: list[str] = []
    monkeypatch.setattr(loading, "point", passed.append)
    (stash / "a.stash").write_bytes(file_of(*map(sent, range(20))))
    (stash / "b.stash").write_bytes(file_of(*map(sent, range(20, 34))))
    assert loaded() == Loaded(new=34, archived=2)
    assert passed.count("after-load-commit") == 3 + 2
    assert len(keys(found)) == 34


def test_a_file_that_is_closed_while_it_is_being_found_is_loaded_under_its_new_name(
    found: Database, stash: Path, loaded: Callable[[], Loaded], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = stash / "b.open"
    path.write_bytes(file_of(sent(2)))
    (stash / "a.stash").write_bytes(file_of(sent(1)))

    def close_meanwhile(place: str) -> None:
        if path.exists():
            path.rename(path.with_suffix(".stash"))

    monkeypatch.setattr(loading, "point", close_meanwhile)
    assert loaded() == Loaded(new=2, archived=2)
    assert keys(found) == ["key 00001", "key 00002"]


def test_two_folders_have_the_same_file_names_and_one_table(
    found: Database, tmp_path: Path, stash: Path
) -> None:
    other = tmp_path / "Other"
    other.mkdir()
    (stash / "a.stash").write_bytes(file_of(sent(1)))
    (other / "a.stash").write_bytes(file_of(sent(2), sent(3)))
    assert load(found, stash, folder_id="one", clock=CLOCK) == Loaded(new=1, archived=1)
    assert load(found, other, folder_id="two", clock=CLOCK) == Loaded(new=2, archived=1)
    assert len(keys(found)) == 3


def test_a_second_load_of_a_folder_is_told_that_one_runs(stash: Path, loaded: Callable[[], Loaded]) -> None:
    with FolderLock(stash / "load.lock", "Communications"), pytest.raises(Locked, match="being loaded"):
        loaded()
    assert loaded() == Loaded()


# ------------------------------------------------------------------------------------------------- ended midway
class Ended(BaseException):
    """The process was ended."""


@pytest.mark.parametrize("place", ["before-load-commit", "after-load-commit"])
@pytest.mark.parametrize("time", [1, 2, 3])
def test_a_load_that_was_ended_anywhere_is_begun_again_and_nothing_is_doubled_or_lost(
    found: Database, stash: Path, loaded: Callable[[], Loaded], monkeypatch: pytest.MonkeyPatch, place: str, time: int
) -> None:  # fmt: skip
    monkeypatch.setattr(loading, "MOST", 4)
    (stash / "a.stash").write_bytes(file_of(*map(sent, range(6)), BAD, *map(sent, range(6, 10))))
    (stash / "b.open").write_bytes(file_of(*map(sent, range(10, 13))))
    passes: list[str] = []

    def end(name: str) -> None:
        passes.append(name)
        if passes.count(place) == time and name == place:
            raise Ended

    with monkeypatch.context() as patch:
        patch.setattr(loading, "point", end)
        with pytest.raises(Ended):
            loaded()
    loaded()
    assert keys(found) == [f"key {number:05d}" for number in range(13)]
    assert rows(found, "SELECT name, lines, bad FROM loaded ORDER BY name") == [("a", 10, 1), ("b", 3, 0)]
    assert names(stash / "Archive") == {"a.stash"}
    assert set((stash / "a.bad").read_bytes().splitlines(keepends=True)) == {BAD}


def test_a_load_whose_file_could_not_be_put_away_does_so_next_time(
    stash: Path, loaded: Callable[[], Loaded], monkeypatch: pytest.MonkeyPatch
) -> None:
    (stash / "a.stash").write_bytes(file_of(sent(1)))

    def end(_: Path) -> None:
        raise Ended

    with monkeypatch.context() as patch:
        patch.setattr(loading, "_archive", end)
        with pytest.raises(Ended):
            loaded()
    assert loaded() == Loaded(archived=1)


LOAD = """
import sys
from pathlib import Path
from whereupon.connect.databases import database
from whereupon.host.clock import Clock
from whereupon.storage.loading import load
folder = Path(sys.argv[1])
load(database("sqlite:///System.db", folder=folder), folder / "Stash", folder_id="folder", clock=Clock())
"""


@pytest.mark.parametrize(("place", "there"), [("before-load-commit", 0), ("after-load-commit", 2)])
def test_a_power_cut_leaves_the_load_whole(
    found: Database, tmp_path: Path, stash: Path, loaded: Callable[[], Loaded], place: str, there: int
) -> None:
    (stash / "a.stash").write_bytes(file_of(sent(1), BAD, sent(2)))
    environment = {**os.environ, VARIABLE: f"{place}:1"}
    died = subprocess.run([sys.executable, "-c", LOAD, str(tmp_path)], env=environment, check=False)
    assert died.returncode == EXIT_CODE
    assert len(keys(found)) == there
    assert loaded() == Loaded(new=2 - there, bad=0 if there else 1, archived=1)
    assert len(keys(found)) == 2
    assert rows(found, "SELECT lines, bad FROM loaded") == [(2, 1)]


PIECES = st.lists(
    st.integers(0, 30).map(sent)
    | st.binary(min_size=1, max_size=30).map(lambda raw: raw.replace(b"\n", b"") + b"\n"),
    max_size=12,
)


@given(PIECES, st.data())
@settings(max_examples=25)
def test_counts_add_up_however_a_file_grew_between_loads(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[Line | bytes], data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("grown")
    path, whole = folder / "a.open", file_of(*pieces)
    cut = data.draw(st.integers(0, len(whole)))
    with closing(system(folder)) as made:
        path.write_bytes(whole[:cut])
        total = load(made, folder, folder_id="folder", clock=CLOCK)
        path.write_bytes(whole)
        path.rename(path.with_suffix(".stash"))
        total += load(made, folder, folder_id="folder", clock=CLOCK)
        good = [each for each in pieces if isinstance(each, Line)]
        assert total.new == len({each.key for each in good}) == len(keys(made))
        assert total.new + total.known == len(good)
        assert total.bad == len(pieces) - len(good)
        assert total.archived == 1
        assert rows(made, "SELECT bytes, lines, bad FROM loaded") in (
            [],
            [(len(whole), len(good), total.bad)],
        )


def test_a_database_that_is_away_leaves_everything_to_the_next_load(tmp_path: Path, stash: Path) -> None:
    (stash / "a.stash").write_bytes(file_of(sent(1)))
    broken = database("sqlite:///No such folder/System.db", folder=tmp_path)
    with pytest.raises(Exception, match="System"):
        load(broken, stash, folder_id="folder", clock=CLOCK)
    with closing(system(tmp_path)) as made:
        assert load(made, stash, folder_id="folder", clock=CLOCK) == Loaded(new=1, archived=1)


def test_sql_server_could_be_asked_the_same(stash: Path) -> None:
    (stash / "a.stash").write_bytes(file_of(sent(1), sent(2)))
    recording = RecordingDatabase()
    load(recording, stash, folder_id="folder", clock=CLOCK)
    [loading] = [each.sql for each in recording.statements if "INTO communications" in each.sql]
    assert "(?, ?, " in loading
    assert "[key]" in loading
    assert problems(recording.statements) == []


class Unlucky:
    """The database undoes so many transactions before it lets one pass."""

    def __init__(self, times: int, error: type[Unavailable] = Unavailable) -> None:
        self.tried, self._times, self._error = 0, times, error

    def __call__(self, name: str) -> None:
        if name == "before-load-commit":
            self.tried += 1
            if self.tried <= self._times:
                raise self._error("The database found a deadlock.")


@pytest.mark.req("DAT-01")
def test_what_the_database_undid_is_tried_again_five_times(
    found: Database, stash: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (stash / "a.stash").write_bytes(file_of(sent(1), sent(2)))
    clock = FakeClock(hurried=True)
    monkeypatch.setattr(loading, "point", Unlucky(5))
    assert load(found, stash, folder_id="folder", clock=clock) == Loaded(new=2, archived=1)


@pytest.mark.req("DAT-01")
@pytest.mark.parametrize(("error", "tries"), [(Unavailable, 6), (Away, 1)])
def test_a_database_that_undoes_everything_or_is_away_ends_the_load(
    found: Database, stash: Path, monkeypatch: pytest.MonkeyPatch, error: type[Unavailable], tries: int
) -> None:
    (stash / "a.stash").write_bytes(file_of(sent(1)))
    unlucky = Unlucky(100, error)
    monkeypatch.setattr(loading, "point", unlucky)
    with pytest.raises(error):
        load(found, stash, folder_id="folder", clock=FakeClock(hurried=True))
    assert (unlucky.tried, keys(found)) == (tries, [])

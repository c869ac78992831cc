"""Stash files: whole lines are believed, damaged ones never."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whereupon.host.clock import FakeClock
from whereupon.host.files import AppendFailed, AppendFile, SyncFailed
from whereupon.model.errors import Unavailable
from whereupon.model.events import Message, Receipt, Result
from whereupon.storage.stash import LONGEST, Line, Stash, decoded, encoded, line, read

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
NUMBERS = st.integers(0, 2**53)
LINES = st.builds(
    Line, key=TEXTS, campaign=TEXTS, version=NUMBERS, stream=TEXTS, event_id=TEXTS, person=TEXTS, channel=TEXTS,
    address=TEXTS, provider_id=TEXTS, sent_at=NUMBERS, event=NUMBERS, campaign_id=NUMBERS,
)  # fmt: skip
FILES = st.lists(LINES, min_size=1, max_size=6)


def sent(number: int) -> Line:
    return Line(
        f"key {number}", "Welcome", 1, "SignIn", f"e{number}", "ada", "ESP", "ada@example.org", "", 5, number, 3
    )  # fmt: skip


def reading(folder: Path, data: bytes) -> tuple[list[Line], bytes, list[bytes]]:
    path = folder / "a.open"
    path.write_bytes(data)
    found = read(path)
    assert data[found.good :] == found.torn
    return found.lines, found.torn, found.damaged


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def stash(tmp_path: Path, clock: FakeClock) -> Iterator[Stash]:
    made = Stash(tmp_path / "Stash", clock=clock)
    yield made
    made.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("stash")


def names(stash: Stash) -> list[str]:
    return sorted(each.name for each in stash.folder.iterdir())


# ------------------------------------------------------------------------------------------------- lines
def test_a_receipt_becomes_a_line() -> None:
    message = Message("k", 7, 3, "Welcome", "ada", {"email": "x"}, "ada@example.org", 2, "SignIn", "e7")
    receipt = Receipt(message, Result.ACCEPTED, provider_id="p1", started=4, ended=5)
    assert line(receipt, channel="ESP") == Line(
        "k", "Welcome", 2, "SignIn", "e7", "ada", "ESP", "ada@example.org", "p1", 5, 7, 3
    )


@given(LINES)
@settings(max_examples=60)
def test_a_line_is_one_line_and_comes_back(communication: Line) -> None:
    raw = encoded(communication)
    assert raw.count(b"\n") == 1
    assert decoded(raw.removesuffix(b"\n")) == communication


@pytest.mark.parametrize(
    "raw", [b"", b" ", b"2", b"2 00000000", b"x 00000000 {}", b"2 nohex {}", b"2 a3a6c1a6 {}", b"\0" * 40, b"\xff"]
)  # fmt: skip
def test_what_is_no_line_is_none(raw: bytes) -> None:
    assert decoded(raw) is None


# ------------------------------------------------------------------------------------------------- damage
@given(FILES)
@settings(max_examples=40)
def test_a_whole_file_is_read_whole(folder: Path, lines: list[Line]) -> None:
    assert reading(folder, b"".join(map(encoded, lines))) == (lines, b"", [])


@given(FILES, st.data())
@settings(max_examples=80)
def test_of_a_file_cut_anywhere_the_whole_lines_stand_and_the_rest_is_torn(
    folder: Path, lines: list[Line], data: st.DataObject
) -> None:
    pieces = list(map(encoded, lines))
    whole = b"".join(pieces)
    cut = data.draw(st.integers(0, len(whole)))
    found, torn, damaged = reading(folder, whole[:cut])
    ends = [sum(map(len, pieces[: place + 1])) for place in range(len(pieces))]
    assert found == lines[: sum(end <= cut for end in ends)]
    assert damaged == []
    assert torn == whole[max([0, *(end for end in ends if end <= cut)]) : cut]


@given(FILES, st.data())
@settings(max_examples=120)
def test_a_flipped_bit_costs_at_most_the_lines_it_touches_and_none_is_invented(
    folder: Path, lines: list[Line], data: st.DataObject
) -> None:
    pieces = list(map(encoded, lines))
    whole = bytearray(b"".join(pieces))
    place = data.draw(st.integers(0, len(whole) - 1))
    whole[place] ^= 1 << data.draw(st.integers(0, 7))
    found, torn, damaged = reading(folder, bytes(whole))
    hit = next(n for n in range(len(pieces)) if place < sum(map(len, pieces[: n + 1])))
    # A flipped line break joins two lines; every other bit is one line's.
    last = hit + 2 if place == sum(map(len, pieces[: hit + 1])) - 1 else hit + 1
    assert found in (lines, lines[:hit] + lines[last:])
    assert bool(damaged or torn) == (found != lines)


@given(FILES, st.integers(1, 200), st.data())
@settings(max_examples=60)
def test_a_part_of_zeros_is_no_line(folder: Path, lines: list[Line], size: int, data: st.DataObject) -> None:
    whole = b"".join(map(encoded, lines))
    begin = data.draw(st.integers(0, len(whole)))
    end = min(len(whole), begin + size)
    # A disk that had no time to write gives zeros, in the middle or behind the last line.
    found, torn, _ = reading(folder, whole[:begin] + b"\0" * size + whole[end:])
    assert [each for each in found if each not in lines] == []
    if begin == len(whole):
        assert found == lines
        assert torn == b"\0" * size


def test_a_damaged_line_in_the_middle_is_set_apart_and_reading_goes_on(tmp_path: Path) -> None:
    bad = encoded(sent(2)).replace(b"ada", b"bob")
    assert reading(tmp_path, encoded(sent(1)) + bad + encoded(sent(3))) == (
        [sent(1), sent(3)],
        b"",
        [bad.removesuffix(b"\n")],
    )


def test_a_damaged_last_line_is_torn_with_its_line_break_or_without(tmp_path: Path) -> None:
    bad = encoded(sent(2)).replace(b"ada", b"bob")
    assert reading(tmp_path, encoded(sent(1)) + bad) == ([sent(1)], bad, [])
    assert reading(tmp_path, encoded(sent(1)) + bad[:-1]) == ([sent(1)], bad[:-1], [])


def test_an_empty_file_holds_nothing(tmp_path: Path) -> None:
    assert reading(tmp_path, b"") == ([], b"", [])


# ------------------------------------------------------------------------------------------------- files
def test_lines_are_appended_to_one_open_file_until_it_is_closed(stash: Stash, clock: FakeClock) -> None:
    stash.append([])
    assert names(stash) == []
    stash.append([sent(1), sent(2)])
    stash.append([sent(3)])
    (name,) = names(stash)
    assert name == f"{clock.now():013d}-000.open"
    assert read(stash.folder / name).lines == [sent(1), sent(2), sent(3)]
    stash.close()
    stash.close()
    assert names(stash) == [name.replace(".open", ".stash")]


def test_files_of_the_same_millisecond_have_names_of_their_own(stash: Stash, clock: FakeClock) -> None:
    for number in range(3):
        stash.append([sent(number)])
        stash.close()
    assert names(stash) == [f"{clock.now():013d}-{number:03d}.stash" for number in range(3)]


def test_the_name_of_a_file_that_was_put_away_is_not_used_again(stash: Stash) -> None:
    stash.append([sent(1)])
    stash.close()
    (name,) = names(stash)
    (stash.folder / "Archive").mkdir()
    (stash.folder / name).rename(stash.folder / "Archive" / name)
    stash.append([sent(2)])
    stash.close()
    assert name not in names(stash)


def test_a_new_file_is_begun_every_hour_once_the_journal_knows_the_old_one(
    stash: Stash, clock: FakeClock
) -> None:
    stash.turn()
    stash.append([sent(1)])
    clock.advance(LONGEST - 1)
    stash.turn()
    stash.append([sent(2)])
    assert len(names(stash)) == 1
    clock.advance(1)
    stash.append([sent(3)])
    assert len(names(stash)) == 1
    stash.turn()
    stash.append([sent(4)])
    closed, opened = names(stash)
    assert closed.endswith(".stash")
    assert read(stash.folder / closed).lines == [sent(1), sent(2), sent(3)]
    assert read(stash.folder / opened).lines == [sent(4)]


def test_a_clock_that_steps_does_not_begin_a_new_file(stash: Stash, clock: FakeClock) -> None:
    stash.append([sent(1)])
    clock.set(clock.now() + 10 * 3_600_000)
    stash.turn()
    assert names(stash)[0].endswith(".open")


def test_a_new_file_is_begun_when_the_old_one_is_large(stash: Stash, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("whereupon.storage.stash.LARGEST", 2 * len(encoded(sent(1))))
    stash.append([sent(1)])
    stash.turn()
    assert names(stash)[0].endswith(".open")
    stash.append([sent(2)])
    stash.turn()
    assert names(stash)[0].endswith(".stash")


def test_what_an_earlier_run_left_open_is_found_settled_and_closed(tmp_path: Path, clock: FakeClock) -> None:
    earlier = Stash(tmp_path, clock=clock)
    earlier.append([sent(1), sent(2)])
    (left,) = tmp_path.iterdir()
    left.write_bytes(left.read_bytes() + encoded(sent(3))[:-9])
    now = Stash(tmp_path, clock=clock)
    now.append([sent(4)])
    ((path, found),) = now.unsettled()
    assert path == left
    assert found.lines == [sent(1), sent(2)]
    now.settled(path, found)
    assert list(now.unsettled()) == []
    assert read(path.with_suffix(".stash")).lines == [sent(1), sent(2)]
    assert read(path.with_suffix(".stash")).torn == b""
    assert path.with_suffix(".torn").read_bytes() == encoded(sent(3))[:-9]
    now.close()


def test_a_whole_file_is_settled_without_anything_kept_aside(tmp_path: Path, clock: FakeClock) -> None:
    Stash(tmp_path, clock=clock).append([sent(1)])
    now = Stash(tmp_path, clock=clock)
    ((path, found),) = now.unsettled()
    now.settled(path, found)
    assert names(now) == [path.with_suffix(".stash").name]


def test_what_is_written_stands_in_the_file_before_the_disk_is_asked(stash: Stash) -> None:
    stash.write([sent(1)])
    (name,) = names(stash)
    assert read(stash.folder / name).lines == [sent(1)]


def test_a_file_is_closed_when_the_journal_knows_its_last_line_and_new_ones_go_into_the_next(
    stash: Stash, clock: FakeClock
) -> None:
    old = stash.write([sent(1), sent(2)])
    clock.advance(LONGEST)
    stash.turn()
    new = stash.write([sent(3)])
    assert new is not old
    assert [name[-5:] for name in names(stash)] == [".open", ".open"]
    assert list(stash.unsettled()) == []
    stash.secure(old)
    stash.known(old, 2)
    stash.turn()
    assert sorted(name.rpartition(".")[2] for name in names(stash)) == ["open", "stash"]


def test_a_file_with_lines_that_the_journal_does_not_know_is_left_to_the_next_start(stash: Stash) -> None:
    stash.write([sent(1)])
    stash.close()
    assert names(stash)[0].endswith(".open")


# ------------------------------------------------------------------------------------------------- a bad disk
def test_after_a_failed_append_the_file_goes_on_behind_its_last_whole_line(
    stash: Stash, monkeypatch: pytest.MonkeyPatch
) -> None:
    stash.append([sent(1)])

    def half(file: AppendFile, data: bytes) -> None:
        os.write(file._descriptor, data[: len(data) // 2])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(AppendFile, "_write", half)
        with pytest.raises(AppendFailed, match="No space"):
            stash.append([sent(2)])
    stash.append([sent(3)])
    (name,) = names(stash)
    found = read(stash.folder / name)
    assert (found.lines, found.torn, found.damaged) == ([sent(1), sent(3)], b"", [])


def test_after_a_failed_fsync_a_new_file_is_begun(stash: Stash, monkeypatch: pytest.MonkeyPatch) -> None:
    stash.append([sent(1)])

    def fail(_: AppendFile) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(AppendFile, "_sync", fail)
        with pytest.raises(SyncFailed):
            stash.append([sent(2)])
    stash.append([sent(2)])
    left, current = names(stash)
    assert read(stash.folder / current).lines == [sent(2)]
    assert [path.name for path, _ in stash.unsettled()] == [left]


def test_a_page_that_the_disk_lost_is_not_written_any_more(
    stash: Stash, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: AppendFile) -> None:
        raise OSError(5, "Input/output error")

    lost = stash.write([sent(1)])
    stash._put_away()
    with monkeypatch.context() as patch:
        patch.setattr(AppendFile, "_sync", fail)
        with pytest.raises(SyncFailed):
            stash.secure(lost)
    assert lost.lost
    assert stash.write([sent(1)]) is not lost
    assert [path for path, _ in stash.unsettled()] == [lost.file.path]


def test_a_folder_that_cannot_be_renamed_in_is_said_in_our_words(
    stash: Stash, monkeypatch: pytest.MonkeyPatch
) -> None:
    stash.append([sent(1)])

    def refuse(_: Path, __: Path) -> Path:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", refuse)
        with pytest.raises(Unavailable, match="can't be renamed"):
            stash.close()
    ((path, found),) = stash.unsettled()
    assert found.lines == [sent(1)]
    stash.settled(path, found)


def lines_of(paths: Sequence[Path]) -> list[Line]:
    return [each for path in paths for each in read(path).lines]


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=8))
@settings(max_examples=30)
def test_every_line_stands_in_exactly_one_file_however_files_were_turned(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, bool]]
) -> None:
    clock = FakeClock()
    stash = Stash(tmp_path_factory.mktemp("turns"), clock=clock)
    written: list[Line] = []
    for count, turned in steps:
        lines = [sent(len(written) + each) for each in range(count)]
        stash.append(lines)
        written += lines
        if turned:
            clock.advance(LONGEST)
            stash.turn()
    stash.close()
    assert lines_of(sorted(stash.folder.iterdir())) == written

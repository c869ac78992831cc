"""Files are whole or not there, whatever the disk does."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from whereupon.host import files
from whereupon.host.clock import FakeClock
from whereupon.host.files import (
    AppendFailed,
    AppendFile,
    SyncFailed,
    free_bytes,
    private_folder,
    rename,
    sync_folder,
    write_atomically,
)
from whereupon.model.errors import Unavailable

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has access lists, not modes")


class SickDisk(AppendFile):
    """A file on a disk that takes `room` more bytes, and fails to sync or cut when told so."""

    room = 1 << 30
    sick = False

    def _write(self, data: bytes) -> None:
        fits = data[: self.room]
        self.room -= len(fits)
        super()._write(fits)
        if len(fits) < len(data):
            raise OSError(errno.ENOSPC, "No space left on device")

    def _sync(self) -> None:
        if self.sick:
            raise OSError(errno.EIO, "Input/output error")
        super()._sync()

    def _cut(self) -> None:
        if self.sick and self._torn:
            raise OSError(errno.EIO, "Input/output error")
        super()._cut()


def held_by_a_scanner(code: int) -> OSError:
    error = PermissionError(errno.EACCES, "The process cannot access the file")
    error.winerror = code  # type: ignore[attr-defined]
    return error


def test_a_file_is_replaced_as_a_whole_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    write_atomically(path, b"old")
    write_atomically(path, "né")
    assert path.read_text(encoding="utf-8") == "né"
    assert os.listdir(tmp_path) == ["state.json"]


@posix
def test_a_private_file_is_its_owners_alone(tmp_path: Path) -> None:
    write_atomically(tmp_path / "token", b"1", private=True)
    assert (tmp_path / "token").stat().st_mode & 0o777 == 0o600


def test_a_write_that_fails_leaves_the_old_content_and_no_temporary_file(tmp_path: Path) -> None:
    path = tmp_path / "folder"
    (path / "below").mkdir(parents=True)
    with pytest.raises(Unavailable, match="folder can't be written"):
        write_atomically(path, b"new")
    assert os.listdir(tmp_path) == ["folder"]


def test_a_disk_that_does_not_confirm_leaves_no_temporary_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("whereupon.host.machine.machine.sync", fails)
    with pytest.raises(Unavailable, match="Input/output error"):
        write_atomically(tmp_path / "state.json", b"new")
    assert os.listdir(tmp_path) == []


def test_a_write_into_a_folder_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"No such file or directory.*free space"):
        write_atomically(tmp_path / "gone" / "state.json", b"new")


@pytest.mark.parametrize(("code", "tries"), [(32, 3), (5, 3)])
def test_a_file_that_a_scanner_holds_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, tries: int
) -> None:
    asked: list[int] = []
    replace = os.replace

    def held_twice(source: Path, target: Path) -> None:
        asked.append(1)
        if len(asked) < tries:
            raise held_by_a_scanner(code)
        replace(source, target)

    monkeypatch.setattr(os, "replace", held_twice)
    write_atomically(tmp_path / "state.json", b"new", clock=FakeClock(hurried=True))
    assert (len(asked), (tmp_path / "state.json").read_bytes()) == (tries, b"new")


def test_a_file_that_is_held_for_ever_is_given_up_after_30_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = FakeClock(hurried=True)
    began = clock.monotonic()

    def held(source: Path, target: Path) -> None:
        raise held_by_a_scanner(32)

    monkeypatch.setattr(os, "replace", held)
    with pytest.raises(Unavailable, match="cannot access"):
        write_atomically(tmp_path / "state.json", b"new", clock=clock)
    assert 30 <= clock.monotonic() - began < 31
    assert os.listdir(tmp_path) == []


@posix
def test_a_private_folder_is_made_with_its_parents_and_closed_to_others(tmp_path: Path) -> None:
    made = private_folder(tmp_path / "a" / "b")
    assert made.stat().st_mode & 0o777 == 0o700
    made.chmod(0o755)
    assert private_folder(made).stat().st_mode & 0o777 == 0o700


def test_a_folder_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(Unavailable, match="can't be made private"):
        private_folder(tmp_path / "file" / "below")


def test_free_bytes_and_syncing_a_folder_ask_the_disk(tmp_path: Path) -> None:
    sync_folder(tmp_path)
    assert free_bytes(tmp_path) > 0


def test_records_are_appended_and_the_file_goes_on_after_a_restart(tmp_path: Path) -> None:
    with AppendFile(tmp_path / "stash") as file:
        file.append(b"one\n")
        file.sync()
        assert file.good_size == 4
    with AppendFile(tmp_path / "stash") as file:
        assert file.good_size == 4
        file.append(b"two\n")
    assert (tmp_path / "stash").read_bytes() == b"one\ntwo\n"


def test_closing_twice_is_fine(tmp_path: Path) -> None:
    file = AppendFile(tmp_path / "stash")
    file.close()
    file.close()


def test_a_file_that_cannot_be_opened_says_so(tmp_path: Path) -> None:
    with pytest.raises(AppendFailed, match="can't be opened"):
        AppendFile(tmp_path / "gone" / "stash")


def test_a_full_disk_cuts_the_file_to_its_last_whole_record_and_room_lets_it_go_on(tmp_path: Path) -> None:
    with SickDisk(tmp_path / "stash") as file:
        file.append(b"whole\n")
        file.room = 3
        with pytest.raises(AppendFailed, match="No space left"):
            file.append(b"torn\n")
        assert (file.good_size, (tmp_path / "stash").read_bytes()) == (6, b"whole\n")
        file.room = 100
        file.append(b"again\n")
    assert (tmp_path / "stash").read_bytes() == b"whole\nagain\n"


def test_a_tail_that_could_not_be_cut_is_cut_before_the_next_record(tmp_path: Path) -> None:
    with SickDisk(tmp_path / "stash") as file:
        file.append(b"whole\n")
        file.room, file.sick = 3, True
        with pytest.raises(AppendFailed):
            file.append(b"torn\n")
        assert (tmp_path / "stash").read_bytes() == b"whole\ntor"
        file.room = 100
        with pytest.raises(AppendFailed):
            file.append(b"again\n")
        file.sick = False
        file.append(b"again\n")
    assert (tmp_path / "stash").read_bytes() == b"whole\nagain\n"


def test_after_a_failed_sync_a_file_is_never_synced_or_appended_to_again(tmp_path: Path) -> None:
    with SickDisk(tmp_path / "stash") as file:
        file.append(b"perhaps\n")
        file.sick = True
        with pytest.raises(SyncFailed, match="Input/output error"):
            file.sync()
        file.sick = False
        with pytest.raises(SyncFailed, match="new file has to be begun"):
            file.sync()
        with pytest.raises(SyncFailed, match="new file has to be begun"):
            file.append(b"more\n")
    assert (tmp_path / "stash").read_bytes() == b"perhaps\n"


@posix
def test_a_real_limit_of_the_file_size_leaves_whole_records(tmp_path: Path) -> None:
    program = """
import resource, signal, sys
from pathlib import Path
from whereupon.host.files import AppendFailed, AppendFile
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
_, most = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (25, most))
file = AppendFile(Path(sys.argv[1]))
try:
    while True:
        file.append(b"0123456789")
except AppendFailed as error:
    print(file.good_size, error)
resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "stash")], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("20 ")
    assert "File too large" in done.stdout
    assert (tmp_path / "stash").stat().st_size == 20


# ------------------------------------------------------------------------------------------------- names, points
def test_a_file_takes_the_place_of_another_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "new").write_bytes(b"new")
    (tmp_path / "old").write_bytes(b"old")
    rename(tmp_path / "new", tmp_path / "old")
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [("old", b"new")]


def test_a_test_can_let_the_process_die_around_each_write_sync_and_rename_by_the_kind_of_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passed: list[str] = []
    monkeypatch.setattr(files, "point", passed.append)
    write_atomically(tmp_path / "state.json", b"new")
    with AppendFile(tmp_path / "some.open") as file:
        file.append(b"one")
        file.sync()
    rename(tmp_path / "some.open", tmp_path / "some.stash")
    assert passed == [
        "before-sync.json", "before-rename.json", "after-rename.json", "after-rename-sync.json",
        "before-append.open", "before-sync.open", "after-sync.open",
        "before-rename.stash", "after-rename.stash", "after-rename-sync.stash",
    ]  # fmt: skip

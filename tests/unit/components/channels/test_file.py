"""The file channel: lines that last, keys that are known again, files that are put away."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from whereupon.components.channels import file as file_module
from whereupon.components.channels.file import FileChannel, FileConfig, Keys, cut_torn_line
from whereupon.host.clock import FakeClock
from whereupon.host.files import AppendFailed, AppendFile, SyncFailed
from whereupon.kit.roles import Context, Nothing
from whereupon.model.events import Message, Receipt, Result

NOON = 1_767_268_800_000
"""1 January 2026, 12:00 UTC."""
HOUR = 3600
Open = Callable[..., FileChannel]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOON)


@pytest.fixture
def opened(tmp_path: Path, clock: FakeClock) -> Iterator[Open]:
    made: list[FileChannel] = []

    def make(name: str = "Outbox", **settings: object) -> FileChannel:
        context = Context(name, "TealHols", tmp_path, "id", clock)
        made.append(FileChannel(Nothing(), FileConfig.model_validate(settings), context))
        return made[-1]

    yield make
    for each in made:
        each.close()
        each.close()


def message(key: str, **fields: str) -> Message:
    return Message(key, 1, 1, "Welcome", "42", fields)


def sent(channel: FileChannel, *keys: str) -> list[Receipt]:
    assert channel.offer([message(key) for key in keys]) == len(keys)
    return list(channel.collect(0))


def results(receipts: Sequence[Receipt]) -> list[Result]:
    return [each.result for each in receipts]


def lines(path: Path) -> list[Any]:
    return [json.loads(each) for each in path.read_text(encoding="utf-8").splitlines()]


def written(folder: Path) -> list[str]:
    """The keys in all files, oldest file first."""
    files = sorted(folder.glob("*.jsonl"), key=lambda each: (each.name.count("."), each.name), reverse=True)
    full, last = sorted(files[: len(files) - 1]), files[len(files) - 1 :]
    return [line["key"] for file in [*full, *last] for line in lines(file)]


def test_each_message_is_a_line_with_its_key_campaign_person_fields_and_time(
    opened: Open, tmp_path: Path
) -> None:
    channel = opened("ESP")
    channel.offer([message("k1", email="ada@example.org", body="Grüße\nan \U0001f600"), message("k2")])
    assert results(channel.collect(0)) == [Result.ACCEPTED] * 2
    assert lines(tmp_path / "Outbox" / "ESP.jsonl") == [
        {
            "key": "k1",
            "at": "2026-01-01T12:00:00.000Z",
            "campaign": "Welcome",
            "person": "42",
            "fields": {"email": "ada@example.org", "body": "Grüße\nan \U0001f600"},
        },
        {"key": "k2", "at": "2026-01-01T12:00:00.000Z", "campaign": "Welcome", "person": "42", "fields": {}},
    ]


def test_the_path_is_relative_to_the_system_s_folder(opened: Open, tmp_path: Path) -> None:
    sent(opened(path="to/there.txt"), "a")
    assert lines(tmp_path / "to" / "there.txt")[0]["key"] == "a"
    sent(opened(path=str(tmp_path / "absolute.jsonl")), "b")
    assert lines(tmp_path / "absolute.jsonl")[0]["key"] == "b"


def test_a_name_that_no_file_can_have_is_written_otherwise(opened: Open, tmp_path: Path) -> None:
    sent(opened("Mail: a/b?"), "a")
    assert (tmp_path / "Outbox" / "Mail_ a_b_.jsonl").exists()


def test_lines_are_on_the_disk_by_one_append_and_one_fsync_before_they_count_as_sent(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    append, sync = AppendFile.append, AppendFile.sync

    def appended(file: AppendFile, data: bytes) -> None:
        done.append("append")
        append(file, data)

    def synced(file: AppendFile) -> None:
        done.append("sync")
        sync(file)

    monkeypatch.setattr(AppendFile, "append", appended)
    monkeypatch.setattr(AppendFile, "sync", synced)
    assert results(sent(opened(), "a", "b", "c")) == [Result.ACCEPTED] * 3
    assert done == ["append", "sync"]


def test_a_repeat_is_accepted_and_not_written_again(opened: Open, tmp_path: Path) -> None:
    channel = opened()
    assert results(sent(channel, "a", "b", "a")) == [Result.ACCEPTED] * 3
    assert results(sent(channel, "b")) == [Result.ACCEPTED]
    assert written(tmp_path / "Outbox") == ["a", "b"]


@pytest.mark.req("RTT-14")
def test_what_was_written_in_the_last_24_hours_is_known_after_a_restart(
    opened: Open, tmp_path: Path, clock: FakeClock
) -> None:
    channel = opened()
    sent(channel, "old")
    clock.advance(2 * HOUR)
    sent(channel, "young")
    channel.close()
    clock.advance(23 * HOUR)
    assert results(sent(opened(), "young", "old", "new")) == [Result.ACCEPTED] * 3
    assert written(tmp_path / "Outbox") == ["old", "young", "old", "new"]


def test_a_torn_last_line_is_cut_off_and_its_message_is_written_when_it_comes_again(
    opened: Open, tmp_path: Path
) -> None:
    channel = opened()
    sent(channel, "a", "b")
    channel.close()
    path = tmp_path / "Outbox" / "Outbox.jsonl"
    path.write_bytes(path.read_bytes()[:-20])
    assert results(sent(opened(), "a", "b")) == [Result.ACCEPTED] * 2
    assert written(tmp_path / "Outbox") == ["a", "b"]


@pytest.mark.parametrize(
    ("content", "left"),
    [(b"", b""), (b"{}\n", b"{}\n"), (b"{}\n{", b"{}\n"), (b"{", b""), (b"{}\n" + b"x" * 200_000, b"{}\n")],
)
def test_only_what_stands_behind_the_last_line_break_is_cut_off(
    tmp_path: Path, content: bytes, left: bytes
) -> None:
    path = tmp_path / "lines"
    path.write_bytes(content)
    cut_torn_line(path)
    assert path.read_bytes() == left


def test_lines_that_somebody_spoilt_are_passed_over(opened: Open, tmp_path: Path) -> None:
    channel = opened()
    sent(channel, "a")
    channel.close()
    path = tmp_path / "Outbox" / "Outbox.jsonl"
    path.write_bytes(b"\xff\xfe nonsense\n" + path.read_bytes() + b'{"note": "no key"}\n\x00\x00\n')
    before = path.read_bytes()
    sent(opened(), "a")
    assert path.read_bytes() == before


def test_a_new_day_begins_a_new_file_and_its_keys_are_still_known(
    opened: Open, tmp_path: Path, clock: FakeClock
) -> None:
    channel = opened()
    sent(channel, "a")
    clock.advance(13 * HOUR)
    sent(channel, "b")
    names = sorted(each.name for each in (tmp_path / "Outbox").iterdir())
    assert names == ["Outbox.20260102T010000000Z.jsonl", "Outbox.jsonl"]
    channel.close()
    sent(opened(), "a", "b")
    assert written(tmp_path / "Outbox") == ["a", "b"]


def test_a_file_of_yesterday_is_put_away_at_the_next_start_too(
    opened: Open, tmp_path: Path, clock: FakeClock
) -> None:
    first = opened()
    sent(first, "a")
    first.close()
    clock.advance(13 * HOUR)
    sent(opened(), "b")
    assert [each["key"] for each in lines(tmp_path / "Outbox" / "Outbox.jsonl")] == ["b"]


def test_a_full_file_is_put_away(opened: Open, tmp_path: Path, clock: FakeClock) -> None:
    channel = opened(rotate_at=1)
    for key in "abc":
        channel.offer([message(key, body="x" * 600_000)])
        channel.collect(0)
        clock.advance(1)
    assert len(list((tmp_path / "Outbox").iterdir())) == 2
    assert written(tmp_path / "Outbox") == ["a", "b", "c"]


def test_where_a_full_file_can_not_be_renamed_it_grows_on(
    opened: Open, tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel = opened()
    sent(channel, "a")
    clock.advance(13 * HOUR)

    def held(_path: Path, _target: Path) -> Path:
        raise PermissionError("a reader has it open")

    monkeypatch.setattr(Path, "rename", held)
    assert results(sent(channel, "b")) == [Result.ACCEPTED]
    assert written(tmp_path / "Outbox") == ["a", "b"]


def test_a_file_that_is_put_away_takes_no_other_s_name(
    opened: Open, tmp_path: Path, clock: FakeClock
) -> None:
    channel = opened()
    sent(channel, "a")
    clock.advance(13 * HOUR)
    other = tmp_path / "Outbox" / "Outbox.20260102T010000000Z.jsonl"
    other.write_text("another's\n", encoding="utf-8")
    assert results(sent(channel, "b")) == [Result.ACCEPTED]
    assert other.read_text(encoding="utf-8") == "another's\n"


def test_a_full_disk_leaves_nothing_half_written_and_blames_no_message(
    opened: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel = opened()
    sent(channel, "a")
    with monkeypatch.context() as patch:
        patch.setattr(AppendFile, "append", _fails(AppendFailed("The disk is full.", hint="Make room.")))
        receipts = sent(channel, "b")
    assert (results(receipts), receipts[0].answer) == ([Result.AWAY], "The disk is full. Make room.")
    assert results(sent(channel, "b")) == [Result.ACCEPTED]
    assert written(tmp_path / "Outbox") == ["a", "b"]


def test_a_disk_that_does_not_confirm_gets_a_new_file_and_nothing_twice(
    opened: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel = opened()
    sent(channel, "a")
    with monkeypatch.context() as patch:
        patch.setattr(AppendFile, "sync", _fails(SyncFailed("The disk failed.")))
        assert results(sent(channel, "b")) == [Result.AWAY]
    assert results(sent(channel, "b")) == [Result.ACCEPTED]
    assert len(list((tmp_path / "Outbox").iterdir())) == 2
    assert written(tmp_path / "Outbox") == ["a", "b"]


def test_a_place_that_can_not_be_written_is_away(opened: Open, tmp_path: Path) -> None:
    (tmp_path / "Outbox").write_text("a file, no folder", encoding="utf-8")
    (receipt,) = sent(opened(), "a")
    assert receipt.result is Result.AWAY
    assert "can't be used" in receipt.answer


def _fails(error: Exception) -> Callable[..., None]:
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


def test_it_takes_what_is_written_at_once_and_gives_back_what_was_not(opened: Open, tmp_path: Path) -> None:
    channel = opened()
    many = [message(str(number)) for number in range(file_module.BATCH + 1)]
    assert channel.connections == file_module.BATCH
    assert (channel.offer(many), channel.offer(many[:1])) == (file_module.BATCH, 0)
    assert results(channel.withdraw()) == [Result.NOT_OFFERED] * file_module.BATCH
    assert list(channel.collect(60)) == []
    assert not (tmp_path / "Outbox").exists()


def test_the_largest_message_is_as_set(opened: Open) -> None:
    assert opened(largest=5_000_000).largest == 5_000_000


def test_its_test_looks_at_folder_and_disk_and_leaves_nothing_behind(opened: Open, tmp_path: Path) -> None:
    assert [(stage.name, stage.ok) for stage in opened().check()] == [("Folder", True), ("Disk", True)]
    assert list(tmp_path.iterdir()) == []


def test_its_test_says_when_the_folder_can_not_be_written(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.TemporaryFile", _fails(PermissionError(13, "Permission denied")))
    (stage,) = opened().check()
    assert (stage.ok, bool(stage.hint)) == (False, True)
    assert "Permission denied" in stage.message


def test_its_test_says_when_the_disk_is_full(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_module, "free_bytes", lambda _path: 5_000_000)
    assert [stage.ok for stage in opened().check()] == [True, False]


def test_keys_are_forgotten_after_a_day_at_the_earliest_and_two_days_at_the_latest() -> None:
    keys = Keys()
    keys.add("a", NOON)
    for hours in (24, 48):
        keys.add(f"at {hours}", NOON + hours * HOUR * 1000 - 1)
        assert "a" in keys
        keys.add(f"after {hours}", NOON + hours * HOUR * 1000)
    assert "a" not in keys
    assert "at 48" in keys


def test_keys_never_grow_without_end() -> None:
    keys = Keys(generation=10)
    for number in range(100):
        keys.add(str(number), NOON)
    assert [number for number in range(100) if str(number) in keys] == list(range(80, 100))


def test_at_most_a_generation_of_keys_is_read_back(
    opened: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_module, "GENERATION", 2)
    channel = opened()
    sent(channel, "a", "b", "c")
    channel.close()
    sent(opened(), "a", "b", "c")
    assert written(tmp_path / "Outbox") == ["a", "b", "c", "a"]

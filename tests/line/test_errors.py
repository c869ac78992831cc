"""Errors, by what follows from them (line.md): each row of the table, on a whole line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.line.faults import T1, T2, Faults
from tests.servers.processes import wait_until
from tests.world import BACK, PLAIN, World, setup_of, sign_in
from whereupon.components.channels.memory import MemoryChannel
from whereupon.engine.presence import IN_A_ROW
from whereupon.engine.verdicts import RESENDS
from whereupon.host.clock import Clock, FakeClock
from whereupon.host.files import AppendFile
from whereupon.model.errors import Away, Refused, SetupError, Unavailable
from whereupon.model.events import Message, Result
from whereupon.storage.loading import load
from whereupon.storage.stash import read

Make = Callable[..., World]
KEYLESS = {"channels": [{"name": "ESP", "type": "memory", "settings": {"deduplicates": False},
                         "fields": ["email", "forename", "subject"]}]}  # fmt: skip
HOUR = 3_600.0


@pytest.fixture
def world(tmp_path: Path, logs: Any) -> Iterator[Make]:
    """Makes a started world; all are closed at the end."""
    made: list[World] = []

    def make(*campaigns: Any, clock: Clock | None = None, records: Any = None, **more: Any) -> World:
        folder = tmp_path / str(len(made))
        folder.mkdir()
        one = World(folder, clock=clock)
        made.append(one)
        one.start(setup_of(*(campaigns or (PLAIN,)), **more), records=records)
        return one

    for words in ("channel is away", "stream paused"):
        logs.allow(words)
    yield make
    for each in made:
        each.close()


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch) -> Faults:
    """A journal that can fail."""
    return Faults(monkeypatch)


def to(number: int) -> str:
    """The address of the event of this number."""
    return f"{1000 + number}@example.org"


def sent(world: World) -> list[str]:
    """Who got a message, in order."""
    return [each.address for each in world.channel.sent]


def letters(world: World) -> list[str]:
    """The reasons of all dead letters."""
    return [each["reason"] for each in world.activity() if each["outcome"] == "dead letter"]


def waiting(world: World, count: int = 1) -> None:
    """Wait until so many messages wait for another try."""
    wait_until(lambda: world.outcomes().count("waiting") == count, what="a message that waits")


def gone(world: World, count: int) -> None:
    """Wait until the other side is away and so many messages queue for it."""
    lane = world.engine.lanes()[0][1]
    wait_until(lambda: lane is not None and lane.absence is not None, what="an absence")
    wait_until(lambda: world.outcomes() == ["queued"] * count, what="a queue")


def pass_time(world: World, seconds: float) -> None:
    """Let time pass for a world with a fake clock."""
    assert isinstance(world.clock, FakeClock)
    world.clock.advance(seconds)


# ------------------------------------------------------------------------------------------------- what a channel says
def test_a_refused_message_has_failed_and_is_not_sent_again(world: Make) -> None:
    one = world()
    one.channel.refuse(to(1))
    one.send(sign_in(1), sign_in(2))
    assert one.settle(2) == ["failed", "sent"]
    assert [each.address for each in one.channel.tried] == [to(1), to(2)]
    assert letters(one) == []


def test_an_unavailable_side_is_tried_again_after_a_pause(world: Make) -> None:
    one = world(clock=FakeClock())
    one.channel.answer(Result.UNAVAILABLE)
    one.send(sign_in(1))
    waiting(one)
    pass_time(one, 1.01)
    assert one.settle(1) == ["sent"]
    assert [each["tries"] for each in one.activity()] == [2]


def test_after_the_fifth_resend_a_message_has_failed_and_is_a_dead_letter(world: Make) -> None:
    one = world(clock=FakeClock())
    one.channel.answer(Result.UNAVAILABLE, to=to(1), times=99)
    one.send(sign_in(1))
    for number in range(RESENDS):
        wait_until(lambda number=number: len(one.channel.tried) == number + 1)  # type: ignore[misc]
        waiting(one)
        pass_time(one, HOUR)
    assert one.settle(2) == ["failed", "dead letter"]
    assert len(one.channel.tried) == RESENDS + 1


def test_retry_after_is_obeyed(world: Make) -> None:
    one = world(clock=FakeClock())
    one.channel.answer(Result.UNAVAILABLE, retry_after=30.0)
    one.send(sign_in(1))
    waiting(one)
    pass_time(one, 29.5)
    one.send(sign_in(2))
    wait_until(lambda: to(2) in sent(one))
    assert sent(one) == [to(2)]
    pass_time(one, 2.0)
    assert one.settle(2) == ["sent", "sent"]


def test_while_the_other_side_is_away_messages_queue_and_no_try_counts(world: Make) -> None:
    one = world(clock=FakeClock())
    one.channel.answer(Result.AWAY, times=3)
    one.send(*[sign_in(number) for number in (1, 2, 3)])
    gone(one, 3)
    pass_time(one, 1.01)
    assert one.settle(3) == ["sent"] * 3
    assert sent(one) == [to(1), to(2), to(3)]
    assert {each["tries"] for each in one.activity()} == {1}


def test_other_lanes_go_on_while_one_stands_still(world: Make) -> None:
    channels = [{"name": name, "type": "memory", "fields": ["email", "subject"]} for name in ("ESP", "Mail")]
    message: Any = PLAIN["message"]
    mail = {**PLAIN, "name": "By mail", "message": {**message, "delivery": {"channel": "Mail"}}}
    one = world(PLAIN, mail, clock=FakeClock(), channels=channels)
    one.channel.answer(Result.AWAY, times=99)
    one.send(sign_in(1))
    wait_until(lambda: sorted(one.outcomes()) == ["queued", "sent"])


def test_the_probe_is_the_oldest_open_message(world: Make) -> None:
    one = world(clock=FakeClock())
    one.channel.answer(Result.AWAY, times=2)
    one.send(sign_in(1))
    gone(one, 1)
    one.send(sign_in(2), sign_in(3))
    wait_until(lambda: len(one.outcomes()) == 3)
    pass_time(one, 1.01)
    wait_until(lambda: len(one.channel.tried) == 2)
    assert one.channel.tried[-1].address == to(1)
    pass_time(one, 2.01)
    assert one.settle(3) == ["sent"] * 3


def test_twenty_unavailable_in_a_row_stop_the_lane(world: Make) -> None:
    one = world(clock=FakeClock())
    one.channel.answer(Result.UNAVAILABLE, times=99)
    one.send(*[sign_in(number) for number in range(1, 31)])
    lane = one.engine.lanes()[0][1]
    wait_until(lambda: lane is not None and lane.absence is not None)
    wait_until(lambda: not {"sending"} & set(one.outcomes()) and len(one.outcomes()) == 30)
    assert one.outcomes().count("waiting") == IN_A_ROW - 1
    assert one.outcomes().count("queued") == 30 - (IN_A_ROW - 1)


def test_a_message_that_three_probes_refused_while_others_went_counts_a_try(world: Make) -> None:
    one = world(clock=FakeClock())
    one.channel.answer(Result.AWAY, to=to(1), times=3)
    for number in (1, 2, 3):
        one.send(sign_in(number))
        wait_until(lambda: one.engine.lanes()[0][1].absence is not None)  # type: ignore[union-attr]
        pass_time(one, 61.0)
        wait_until(lambda number=number: len(one.channel.tried) >= number)  # type: ignore[misc]
    wait_until(lambda: "sending" not in one.outcomes())
    for _ in range(5):
        pass_time(one, 61.0)
        wait_until(lambda: "sending" not in one.outcomes())
    assert one.settle(3) == ["sent"] * 3


def test_a_poisoned_message_steps_aside_so_that_others_can_probe(world: Make) -> None:
    one = world(clock=FakeClock())
    one.channel.answer(Result.AWAY, to=to(1), times=float("inf"))
    one.send(sign_in(1))
    gone(one, 1)
    one.send(sign_in(2))
    gone(one, 2)

    def goes() -> bool:
        if "sending" not in one.outcomes():
            pass_time(one, 5.0)
        return sent(one) == [to(2)]

    wait_until(goes, what="the other person's message")


def test_a_lost_answer_is_sent_again_with_its_key_where_that_is_known(world: Make) -> None:
    one = world(clock=FakeClock())
    one.channel.answer(Result.ANSWER_LOST, arrives=True)
    one.send(sign_in(1))
    waiting(one)
    pass_time(one, 1.01)
    assert one.settle(1) == ["sent"]
    first, again = one.channel.tried
    assert first == again
    assert sent(one) == [to(1)]


def test_a_lost_answer_is_unknown_where_the_receiver_knows_no_key(world: Make) -> None:
    one = world(**KEYLESS)
    one.channel.answer(Result.ANSWER_LOST, arrives=True)
    one.send(sign_in(1), sign_in(2))
    assert sorted(one.settle(3)) == ["dead letter", "sent", "unknown"]
    assert len(one.channel.tried) == 2


def test_a_message_that_needs_a_person_holds_its_campaign_and_is_a_dead_letter(world: Make) -> None:
    one = world(PLAIN, BACK, records={"1001": {"firstname": "Ada"}})
    one.channel.answer(Result.SETUP, to=to(9))
    one.send(sign_in(9))
    assert sorted(one.settle(3)) == ["dead letter", "failed", "withheld: not in store"]
    campaign = one.running.ids["campaign", "Hello"] if one.running else 0
    assert one.engine.operating.unsaved == {campaign: "as asked: setup"}
    one.send(sign_in(1))
    assert sorted(one.settle(6)[-4:]) == ["dead letter", "dead letter", "failed", "sent"]


def test_a_channel_that_cannot_be_opened_waits_and_its_messages_stay(world: Make, logs: Any) -> None:
    logs.expect("a part can't be opened")
    secret = {"channels": [{"name": "ESP", "type": "memory", "settings": {"concurrency": "{secret:none}"},
                            "fields": ["email", "subject"]}]}  # fmt: skip
    one = world(**secret)
    ((name, lane, problem),) = one.engine.lanes()
    assert (name, lane) == ("ESP", None)
    assert problem
    one.send(sign_in(1))
    wait_until(lambda: one.outcomes() == ["queued"])
    mend(one)
    assert one.settle(1) == ["sent"]


def mend(one: World) -> None:
    """The secret is there now: the settings that it stands in are sound."""
    assert one.running is not None
    setup = one.running.setup
    channels = tuple(each.model_copy(update={"settings": {}}) for each in setup.channels)
    one.running = replace(one.running, revision=2, setup=setup.model_copy(update={"channels": channels}))
    one.engine.take(one.running)


def test_an_exception_before_the_body_went_fails_the_message_and_no_other(
    world: Make, logs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    logs.expect("a message can't be offered")
    one = world()
    offer = MemoryChannel.offer

    def stumble(channel: MemoryChannel, messages: list[Message]) -> int:
        if any(each.address == to(2) for each in messages):
            raise ZeroDivisionError
        return offer(channel, messages)

    monkeypatch.setattr(MemoryChannel, "offer", stumble)
    one.send(*[sign_in(number) for number in (1, 2, 3)])
    assert one.settle(3) == ["sent", "failed", "sent"]
    assert one.engine.dead_threads() == []


@pytest.mark.parametrize(("more", "outcome"), [({}, "sent"), (KEYLESS, "unknown")])
def test_an_exception_after_the_body_went_is_a_lost_answer(
    world: Make, logs: Any, monkeypatch: pytest.MonkeyPatch, more: Any, outcome: str
) -> None:
    logs.expect("a channel failed while messages were under way")
    one = world(**more)
    answered = MemoryChannel._answered

    def stumble(channel: MemoryChannel, message: Message) -> Any:
        monkeypatch.setattr(MemoryChannel, "_answered", answered)
        answered(channel, message)
        raise ZeroDivisionError

    monkeypatch.setattr(MemoryChannel, "_answered", stumble)
    one.send(sign_in(1))
    wait_until(lambda: one.outcomes()[:1] == [outcome])
    assert sent(one) == [to(1)]
    assert one.engine.dead_threads() == []


# ------------------------------------------------------------------------------------------------------------ stores
@pytest.mark.parametrize("error", [Unavailable("slow"), Away("gone"), SetupError("no such table")])
def test_a_store_that_fails_pauses_the_whole_stream_and_says_so(world: Make, error: Exception) -> None:
    one = world(BACK, PLAIN, records={"1001": {"firstname": "Ada"}})
    one.store.fail(error)
    one.send(sign_in(1))
    wait_until(lambda: one.engine.lines()[0][1].paused == str(error))  # type: ignore[union-attr]
    assert one.outcomes() == []
    assert one.settle(2) == ["sent", "sent"]
    assert one.engine.lines()[0][1].paused == ""  # type: ignore[union-attr]


def test_a_store_that_falls_over_pauses_the_stream_too(world: Make, logs: Any) -> None:
    logs.expect("a batch can't be decided")
    one = world(BACK, records={"1001": {"firstname": "Ada"}})
    one.store.fail(ZeroDivisionError("odd"))
    one.send(sign_in(1))
    assert one.settle(1) == ["sent"]


def test_one_key_that_the_store_refuses_is_a_dead_letter_and_its_neighbours_go(
    world: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = {str(1000 + number): {"firstname": "Ada"} for number in range(1, 9)}
    one = world(BACK, records=people)
    find = type(one.store).find

    def picky(store: Any, keys: list[str]) -> Any:
        if "1004" in keys:
            raise Refused("an odd key")
        return find(store, keys)

    monkeypatch.setattr(type(one.store), "find", picky)
    one.send(*[sign_in(number) for number in range(1, 9)])
    assert sorted(one.settle(9)) == ["dead letter", "failed", *["sent"] * 7]
    assert letters(one) == ["TealGreen: an odd key"]


# ----------------------------------------------------------------------------------------------------------- journal
def test_a_journal_that_is_away_pauses_the_stream_and_nothing_is_lost(world: Make, faults: Faults) -> None:
    one = world()
    faults.commit(T1, Unavailable("the journal is busy"), times=2)
    one.send(sign_in(1))
    wait_until(lambda: one.engine.lines()[0][1].paused == "the journal is busy")  # type: ignore[union-attr]
    assert one.settle(1) == ["sent"]
    assert faults.commits == 2
    lane = one.engine.lanes()[0][1]
    assert lane is not None
    assert lane.held == 0


@pytest.mark.parametrize("stands", [True, False])
def test_a_decision_whose_answer_was_lost_is_settled_by_asking(
    world: Make, faults: Faults, stands: bool
) -> None:
    one = world()
    one.send(sign_in(1))
    one.settle(1)
    faults.commit(T1, Away("the connection is gone"), stands=stands)
    one.send(sign_in(2), sign_in(3), b"{")
    assert one.settle(4) == ["sent", "sent", "sent", "dead letter"]
    assert sent(one) == [to(1), to(2), to(3)]
    one.send(sign_in(4), b"[")
    assert one.settle(6) == ["sent"] * 4 + ["dead letter"] * 2


def test_a_decision_that_can_only_be_settled_later_goes_its_way_then(
    world: Make, faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = world()
    committed = type(one.engine.journal)._committed
    asked = 0

    def away(journal: Any, *given: Any) -> bool:
        nonlocal asked
        asked += 1
        if asked < 3:
            raise Away("the journal is away")
        return committed(journal, *given)

    monkeypatch.setattr(type(one.engine.journal), "_committed", away)
    one.send(sign_in(1))
    one.settle(1)
    faults.commit(T1, Away("the connection is gone"), stands=True)
    one.send(sign_in(2))
    assert one.settle(2) == ["sent", "sent"]
    one.send(sign_in(3))
    assert one.settle(3) == ["sent"] * 3
    assert sent(one) == [to(1), to(2), to(3)]
    lane = one.engine.lanes()[0][1]
    assert lane is not None
    wait_until(lambda: lane.held == 0)


def test_an_event_that_the_journal_refuses_is_a_dead_letter_and_its_neighbours_go(
    world: Make, faults: Faults
) -> None:
    one = world()
    faults.refuse("1005")
    one.send(*[sign_in(number) for number in range(1, 10)])
    assert sorted(one.settle(9)) == ["dead letter", *["sent"] * 8]
    assert letters(one) == ["journal: The journal refuses the data."]
    assert sent(one) == [to(number) for number in range(1, 10) if number != 5]


@pytest.mark.parametrize("stands", [True, False])
def test_an_ending_whose_answer_was_lost_is_noted_once(
    world: Make, faults: Faults, logs: Any, stands: bool
) -> None:
    logs.expect("receipts can't be noted")
    one = world(**KEYLESS)
    one.channel.answer(Result.ANSWER_LOST)
    faults.commit(T2, Away("the connection is gone"), stands=stands, skip=1)
    one.send(sign_in(1))
    wait_until(lambda: faults.commits == 1)
    assert one.settle(2) == ["unknown", "dead letter"]
    one.send(sign_in(2))
    assert one.settle(3) == ["unknown", "sent", "dead letter"]
    assert tallied(one) == {"unknown": 1, "sent": 1}


def tallied(world: World) -> dict[str, int]:
    """The figures of the tally by state."""
    with closing(world.databases.streams.session()) as session:
        rows = session.all("SELECT state, SUM(n) FROM tally GROUP BY state HAVING SUM(n) <> 0")
    return dict(rows)


def test_while_the_journal_can_note_nothing_receipts_are_kept_and_all_stands_still(
    world: Make, faults: Faults, logs: Any
) -> None:
    logs.expect("receipts can't be noted")
    one = world()
    faults.commit(T2, Unavailable("the disk is full"), times=999)
    one.send(sign_in(1))
    wait_until(lambda: one.engine.finisher.stuck == "the disk is full")
    one.send(sign_in(2))
    wait_until(lambda: one.engine.lines()[0][1].paused == "the disk is full")  # type: ignore[union-attr]
    faults.over()
    assert one.settle(2) == ["sent", "sent"]
    assert sent(one) == [to(1), to(2)]
    assert one.engine.finisher.stuck == ""


# ------------------------------------------------------------------------------------------------------------- stash
def test_a_full_disk_keeps_receipts_until_the_stash_takes_them(
    world: Make, logs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    logs.expect("receipts can't be noted")
    one = world()
    write, full = AppendFile._write, True

    def short(file: AppendFile, data: bytes) -> None:
        if full:
            write(file, data[:10])
            raise OSError(28, "No space left on device")
        write(file, data)

    monkeypatch.setattr(AppendFile, "_write", short)
    one.send(sign_in(1))
    wait_until(lambda: "No space left" in one.engine.finisher.stuck)
    assert one.outcomes() == ["sending"]
    full = False
    assert one.settle(1) == ["sent"]
    (path,) = one.shop.system.stash.glob("*.open")
    assert [each.person for each in read(path).lines] == ["1001"]


def test_after_a_failed_fsync_a_new_file_is_begun_and_the_line_loads_once(
    world: Make, logs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    logs.expect("receipts can't be noted")
    one = world()
    sync, calls = AppendFile._sync, 0

    def fail_once(file: AppendFile) -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise OSError(5, "Input/output error")
        sync(file)

    monkeypatch.setattr(AppendFile, "_sync", fail_once)
    one.send(sign_in(1))
    assert one.settle(1) == ["sent"]
    assert len(list(one.shop.system.stash.glob("*.open"))) == 2
    loaded = load(one.databases.system, one.shop.system.stash, folder_id="f", clock=one.clock)
    assert (loaded.new, loaded.known) == (1, 1)


# --------------------------------------------------------------------------------------------------------- the burst
def test_the_last_event_of_a_burst_is_sent_without_further_traffic(world: Make) -> None:
    one = world()
    one.send(*[sign_in(number) for number in range(700)])
    assert one.settle(700) == ["sent"] * 700


def test_the_last_event_of_a_burst_is_sent_where_only_a_few_go_at_once(world: Make) -> None:
    few = {"channels": [{"name": "ESP", "type": "memory", "settings": {"deduplicates": False, "concurrency": 3},
                         "fields": ["email", "subject"]}]}  # fmt: skip
    one = world(**few)
    one.send(*[sign_in(number) for number in range(100)])
    assert one.settle(100) == ["sent"] * 100
    assert sent(one) == [to(number) for number in range(100)]

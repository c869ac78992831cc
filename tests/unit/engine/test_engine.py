"""The engine: parts open, change and close with the set-up, and nothing that is open is ever forgotten."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.line.faults import T2, Faults
from tests.servers.processes import wait_until
from tests.world import BACK, PLAIN, World, running_of, setup_of, sign_in
from whereupon.components.channels.memory import MemoryChannel
from whereupon.engine import engine as module
from whereupon.engine.lane import Lane
from whereupon.model.errors import Away, SetupError, Unavailable
from whereupon.model.running import Running

FIELDS = ["email", "forename", "subject"]
FEW = {"name": "ESP", "type": "memory", "settings": {"concurrency": 2}, "fields": FIELDS}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A world that is closed at the end."""
    one = World(tmp_path)
    yield one
    one.close()


def start(world: World, *campaigns: Any, **more: Any) -> None:
    world.start(setup_of(*(campaigns or (PLAIN,)), **more), records={"1001": {"firstname": "Ada"}})


def revised(world: World, **changes: Any) -> Running:
    """The set-up in force with parts changed, as its next revision."""
    assert world.running is not None
    setup = world.running.setup.model_copy(update=changes)
    world.running = replace(running_of(setup), revision=world.running.revision + 1)
    return world.running


def channel(world: World, settings: Mapping[str, Any]) -> Any:
    """The channels with other settings."""
    assert world.running is not None
    return tuple(
        each.model_copy(update={"settings": dict(settings)}) for each in world.running.setup.channels
    )


def lane(world: World) -> Lane:
    """The only lane."""
    found = world.engine.lanes()[0][1]
    assert found is not None
    return found


def test_parts_that_are_the_same_are_left_alone(world: World) -> None:
    start(world)
    before = (world.channel, world.stream, world.store)
    world.engine.take(revised(world))
    assert (world.channel, world.stream, world.store) == before
    world.send(sign_in(1))
    assert world.settle(1) == ["sent"]


def test_a_channel_whose_settings_changed_is_opened_anew_and_its_queue_goes_there(world: World) -> None:
    start(world, channels=[FEW])
    old = world.channel
    old.hold()
    world.send(*[sign_in(number) for number in range(10)])
    wait_until(lambda: len(old.tried) == 2 and len(world.outcomes()) == 10)
    world.engine.take(revised(world, channels=channel(world, {"concurrency": 5})))
    assert world.channel is not old
    assert world.settle(10) == ["sent"] * 10
    assert (len(old.sent), len(world.channel.sent)) == (0, 10)


def test_a_campaign_that_is_republished_sends_queued_messages_as_they_were_decided_and_once(
    world: World,
) -> None:
    start(world, channels=[FEW])
    world.channel.hold()
    world.send(*[sign_in(number) for number in range(6)])
    wait_until(lambda: len(world.outcomes()) == 6)
    message: Any = PLAIN["message"]
    new = {**PLAIN, "message": {**message, "content": [{"field": "email", "from": "SignIn.email"},
                                                       {"field": "subject", "text": "Good day"}]}}  # fmt: skip
    campaigns = setup_of(new).campaigns
    world.engine.take(revised(world, campaigns=campaigns))
    world.send(sign_in(9))
    wait_until(lambda: len(world.outcomes()) == 7)
    world.channel.release()
    assert world.settle(7) == ["sent"] * 7
    assert [each.fields["subject"] for each in world.channel.sent] == [*["Hello"] * 6, "Good day"]


def test_a_new_campaign_is_asked_with_the_next_batch(world: World) -> None:
    start(world)
    world.send(sign_in(1))
    world.settle(1)
    world.engine.take(revised(world, campaigns=setup_of(PLAIN, BACK).campaigns))
    world.send(sign_in(1, id="again"))
    assert world.settle(3) == ["sent"] * 3
    assert {each["campaign"] for each in world.activity()} == {"Hello", "Welcome back"}


def test_a_stream_that_is_gone_is_read_no_more(world: World) -> None:
    start(world)
    stream = world.stream
    assert world.running is not None
    world.engine.take(
        revised(world, streams=world.running.setup.streams.model_copy(update={"streams": ()}), campaigns=())
    )
    assert world.engine.lines() == []
    stream.put(b"{}")
    assert world.engine.dead_threads() == []


def test_a_channel_that_is_gone_keeps_its_messages_for_its_return(world: World, logs: Any) -> None:
    start(world)
    world.channel.hold()
    world.send(sign_in(1))
    wait_until(lambda: len(world.channel.tried) == 1)
    before = world.running
    assert before is not None
    world.engine.take(replace(before, revision=2, setup=before.setup.model_copy(update={"channels": ()})))
    wait_until(lambda: world.outcomes() == ["queued"])
    world.engine.take(before)
    assert world.settle(1) == ["sent"]


@pytest.mark.parametrize("error", [SetupError("a secret is missing"), Away("nobody answers")])
def test_a_part_that_cannot_be_opened_is_tried_again(
    world: World, logs: Any, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    logs.expect("a part can't be opened")
    make = MemoryChannel.__init__

    def fail(part: MemoryChannel, *given: Any) -> None:
        raise error

    monkeypatch.setattr(MemoryChannel, "__init__", fail)
    start(world)
    assert world.engine.lanes() == [("ESP", None, str(error))]
    world.engine.retry()
    assert world.engine.lanes() == [("ESP", None, str(error))]
    monkeypatch.setattr(MemoryChannel, "__init__", make)
    world.engine.retry()
    world.send(sign_in(1))
    assert world.settle(1) == ["sent"]
    world.engine.retry()


def test_a_channel_is_given_back_where_its_open_messages_cannot_be_read(
    world: World, logs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    logs.expect("a part can't be opened")
    closed: list[str] = []
    monkeypatch.setattr(MemoryChannel, "close", lambda part: closed.append(part.context.name))
    monkeypatch.setattr(module, "reopen", _away)
    start(world)
    assert world.engine.lanes() == [("ESP", None, "the journal is away")]
    assert closed == ["ESP"]


def _away(*given: Any, **more: Any) -> Any:
    raise Away("the journal is away")


def test_a_store_that_is_not_open_is_said_to_whoever_asks(world: World) -> None:
    start(world)
    with pytest.raises(SetupError, match="There is no store called Nowhere"):
        world.engine.store("Nowhere")


def test_a_start_reads_from_the_oldest_open_message_on(world: World) -> None:
    start(world)
    world.send(*[sign_in(number) for number in range(5)])
    world.settle(5)
    world.engine.note_open()
    assert opened_from(world) == 6
    world.channel.hold()
    world.send(sign_in(6), sign_in(7))
    wait_until(lambda: len(world.channel.tried) == 7)
    world.engine.note_open()
    assert opened_from(world) == 6
    world.channel.release()
    world.settle(7)
    world.engine.note_open()
    assert opened_from(world) == 8


def opened_from(world: World) -> int:
    """The number that the lane's row says."""
    with world.engine._turns.session() as session:
        row = session.one("SELECT open_from FROM lane")
    return int(row[0]) if row else 0


def test_a_message_whose_end_is_not_noted_yet_is_not_forgotten_by_a_start(
    world: World, logs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its lane has let go of it, but the journal holds it as sending."""
    logs.expect("receipts can't be noted")
    logs.allow("stream paused")
    faults = Faults(monkeypatch)
    start(world)
    wait_until(lambda: world.engine.finisher.open_messages(lane(world).manners.channel) == 0)
    faults.commit(T2, Unavailable("the disk is full"), times=10**6)
    world.send(sign_in(1))
    wait_until(lambda: world.engine.finisher.stuck != "" and lane(world).held == 0)
    world.engine.note_open()
    assert opened_from(world) == 1
    faults.over()
    assert world.settle(1) == ["sent"]


def test_what_a_lost_service_left_open_leaves_through_our_lanes(world: World, logs: Any) -> None:
    logs.expect("messages of a lost service taken over")
    start(world)
    world.channel.hold()
    world.send(sign_in(1), sign_in(2))
    wait_until(lambda: len(world.channel.tried) == 2)
    with world.engine._turns.transaction() as session:
        session.run("UPDATE outcome SET owner = 2, state = 'queued'")
    world.channel.release()
    wait_until(lambda: lane(world).held == 0)
    world.engine.take_over(2)
    assert world.settle(2) == ["sent", "sent"]


def test_a_stop_ends_in_time_and_leaves_nothing_under_way(world: World) -> None:
    start(world)
    world.channel.hold()
    world.send(*[sign_in(number) for number in range(20)])
    wait_until(lambda: len(world.channel.tried) == 20)
    began = world.clock.monotonic()
    world.engine.stop()
    assert world.clock.monotonic() - began < 10.0
    assert world.outcomes() == ["queued"] * 20
    world.restart()
    assert world.settle(20) == ["sent"] * 20


def test_a_channel_that_never_answers_cannot_hold_up_a_stop(
    world: World, monkeypatch: pytest.MonkeyPatch, logs: Any
) -> None:
    start(world)
    monkeypatch.setattr(MemoryChannel, "withdraw", lambda part: ())
    world.channel.hold()
    world.send(sign_in(1))
    wait_until(lambda: len(world.channel.tried) == 1)
    began = world.clock.monotonic()
    world.engine.stop()
    assert world.clock.monotonic() - began < 10.0
    assert world.outcomes() == ["waiting"]
    world.restart()
    assert world.settle(1) == ["sent"]


def test_a_stopped_engine_can_be_stopped_again(world: World) -> None:
    start(world)
    world.engine.stop()
    world.engine.stop()


def test_threads_that_ended_though_they_should_not_are_named(world: World) -> None:
    start(world)
    assert world.engine.dead_threads() == []
    lane(world).stop(1.0)
    assert world.engine.dead_threads() == ["ESP"]
    world.engine.finisher.stop(1.0)
    assert world.engine.dead_threads() == ["ESP", "finish"]


def test_each_event_is_decided_by_exactly_one_version_while_versions_change(world: World) -> None:
    start(world)
    for number in range(120):
        world.send(sign_in(number))
        if number % 20 == 10:
            assert world.running is not None
            published = tuple(replace(each, version=each.version + 1) for each in world.running.campaigns)
            world.running = replace(world.running, revision=world.running.revision + 1, campaigns=published)
            world.engine.take(world.running)
    assert world.settle(120) == ["sent"] * 120
    versions = [each["version"] for each in world.activity()]
    assert versions == sorted(versions)
    assert set(versions) <= set(range(1, 8))
    assert len(world.channel.sent) == 120

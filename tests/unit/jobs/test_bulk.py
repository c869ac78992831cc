"""Table runs through a communicating channel: decided through the journal, delivered by whoever delivers."""

from __future__ import annotations

import json
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.servers.processes import wait_until
from tests.unit.jobs.table_world import LETTER, TableWorld, crowd, set_up
from whereupon.components.channels.memory import MemoryChannel, MemoryConfig
from whereupon.control.launch import service_lock
from whereupon.engine.chores import chores
from whereupon.engine.engine import Engine
from whereupon.engine.keeper import Keeper
from whereupon.engine.lane import Lane
from whereupon.host.clock import Clock
from whereupon.jobs import bulk, delivery
from whereupon.kit.roles import Context, Nothing
from whereupon.model.errors import Unavailable
from whereupon.model.events import Message, Receipt
from whereupon.storage.bodies import Bodies
from whereupon.storage.operations import Operations
from whereupon.storage.stash import read

UNLIMITED = {**LETTER, "name": "Again and again", "limits": []}


def sent(world: TableWorld) -> Counter[str]:
    """How often each person was written to."""
    path = world.folder / "sent.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return Counter(_person(json.loads(each)) for each in lines)


def _person(line: dict[str, Any]) -> str:
    return str(line["fields"]["email"])


class Service:
    """What delivers in the background, as the service of this folder does."""

    def __init__(self, world: TableWorld) -> None:
        self.lock = service_lock(world.folder)
        self.lock.acquire()
        self.operations = Operations(world.shop.databases.streams)
        owner = self.operations.enrol(world.shop.system.id, "here")
        self.engine = Engine(world.shop, owner=owner)
        self.engine.start()
        self.engine.take(world.repository.running())
        self.keeper = Keeper("keeper", chores(self.engine, self.operations), clock=world.shop.clock)
        self.keeper.start()

    def close(self) -> None:
        """End as a service does."""
        self.keeper.stop(2.0)
        self.engine.stop()
        self.operations.close()
        self.lock.release()


@pytest.mark.req("RTT-14")
def test_each_person_is_written_to_once_and_it_is_a_communication(tmp_path: Path) -> None:
    world = TableWorld(tmp_path)
    world.import_people(crowd(700))
    result = world.run("Newsletter")
    lines = [each for path in world.shop.system.stash.glob("*.stash") for each in read(path).lines]
    recorded = world.activity()
    world.close()
    assert (result.state, result.rows, result.total, result.outcomes) == ("done", 700, 700, {"sent": 700})
    assert set(sent(world).values()) == {1}
    assert len(sent(world)) == 700
    assert len(lines) == 700
    assert {each.stream for each in lines} == {"Newsletter"}
    assert {each["outcome"] for each in recorded} == {"sent"}
    assert world.progress[-1] == (700, 700)


def test_limits_hold_for_table_runs_as_for_streams(tmp_path: Path) -> None:
    world = TableWorld(tmp_path, setup=set_up(UNLIMITED))
    world.import_people(crowd(5))
    world.run("Again and again")
    limited, free = world.run("Newsletter"), world.run("Again and again")
    world.close()
    assert limited.outcomes == {"withheld: limit": 5}
    assert free.outcomes == {"sent": 5}


def test_a_stopped_run_goes_on_and_leaves_nobody_out_and_nobody_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "PAGE", 20)
    monkeypatch.setattr(bulk, "MOST_OPEN", 1)
    world, stop = TableWorld(tmp_path, setup=set_up(UNLIMITED)), threading.Event()
    world.import_people(crowd(100))
    stopped = world.run(
        "Again and again", stop=stop, watch=lambda done, total: stop.set() if done >= 40 else None
    )
    unanswered = world.asked("SELECT COUNT(*) FROM request WHERE answered IS NULL")
    finished = world.run("Again and again")
    answers = world.asked("SELECT name, answer FROM request")
    world.close()
    assert stopped.state == "stopped"
    assert unanswered == [(1,)]
    assert (finished.run, finished.state, finished.outcomes) == (stopped.run, "done", {"sent": 100})
    assert answers == [("bulk", "100 rows decided")]
    assert set(sent(world).values()) == {1}


def test_a_row_without_a_usable_key_is_a_dead_letter_and_the_others_go(tmp_path: Path) -> None:
    world = TableWorld(tmp_path)
    world.import_people(crowd(2))
    session = world.shop.databases.system.session()
    session.run("UPDATE people_1 SET wu_person = '' WHERE wu_contact = 1")
    session.close()
    result, letters = world.run("Newsletter"), world.asked("SELECT stage, reason, campaign FROM dead")
    world.close()
    assert (result.outcomes, result.rejected) == ({"sent": 1}, 1)
    assert result.said == (("", "the key is empty, longer than 200 characters or holds U+0000"),)
    assert letters == [("decode", "the key is empty, longer than 200 characters or holds U+0000", None)]


def test_a_service_delivers_what_the_run_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "PAGE", 50)
    world = TableWorld(tmp_path, setup=set_up(UNLIMITED))
    world.import_people(crowd(300))
    service = Service(world)
    result = world.run("Again and again")
    from_service = service.engine.pulse.counts()
    wait_until(lambda: service.engine.finisher.runs_from(2) is None)
    service.close()
    world.close()
    assert result.outcomes == {"sent": 300}
    assert from_service["sent"] == 300
    assert set(sent(world).values()) == {1}


def test_rows_are_added_only_while_few_are_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "PAGE", 10)
    monkeypatch.setattr(bulk, "MOST_OPEN", 20)
    world, stop = TableWorld(tmp_path, setup=set_up(UNLIMITED)), threading.Event()
    world.import_people(crowd(100))
    lock = service_lock(world.folder)
    lock.acquire()  # a service that takes nothing
    seen: list[int] = []

    def watch(done: int, total: int | None) -> None:
        seen.append(done)
        if len(seen) > 6:
            stop.set()

    result = world.run("Again and again", stop=stop, watch=watch)
    lock.release()
    waiting = world.asked("SELECT COUNT(*) FROM outcome WHERE state = 'queued'")
    done = world.run("Again and again")
    world.close()
    assert (result.rows, waiting) == (20, [(20,)])
    assert done.outcomes == {"sent": 100}


def test_a_run_whose_service_has_gone_for_a_minute_ends_and_can_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "PATIENCE", 0.3)
    world = TableWorld(tmp_path, setup=set_up(UNLIMITED))
    world.import_people(crowd(10))
    lock = service_lock(world.folder)
    lock.acquire()

    def watch(done: int, total: int | None) -> None:
        lock.release()

    with pytest.raises(Unavailable, match="has stopped"):
        world.run("Again and again", watch=watch)
    assert world.asked("SELECT state FROM run") == [("failed",)]
    assert world.run("Again and again").outcomes == {"sent": 10}
    world.close()


def test_messages_of_a_run_do_not_expire_like_events(tmp_path: Path) -> None:
    world = TableWorld(tmp_path, setup=set_up(UNLIMITED), clock=Clock())
    world.import_people(crowd(1))
    world.run("Again and again")
    bodies = Bodies(world.shop.databases.streams)
    ((event,),) = world.asked("SELECT id FROM event")
    record = bodies.record(event)
    bodies.close()
    world.close()
    assert record is not None
    trace = record.events[0].traces[0]
    assert trace.expires - record.decided > 80 * 86_400_000
    assert json.loads(record.events[0].raw)["Forename"] == "P0"


def test_a_streams_message_does_not_wait_behind_a_run(tmp_path: Path) -> None:
    channel = MemoryChannel(
        Nothing(), MemoryConfig(concurrency=8), Context("ESP", "s", tmp_path, "f", Clock())
    )
    done: list[Receipt] = []
    lane = Lane(1, "ESP", channel, clock=Clock(), done=lambda number, receipts: done.extend(receipts))
    letters = [Message(f"b{n}", n, 2, "Newsletter", f"p{n}", {}) for n in range(600)]
    assert lane.claim_later(letters) == 512
    lane.take(letters[:512], later=True)
    assert lane.room_later() == 0
    assert lane.room() > 3_000
    channel.hold()
    lane.start()
    wait_until(lambda: len(channel.tried) == 6)
    urgent = [Message("s1", 1001, 1, "Welcome back", "ada", {})]
    assert lane.claim(urgent) == 1
    lane.take(urgent)
    wait_until(lambda: len(channel.tried) == 7, what="a connection that was kept free of bulk")
    assert channel.tried[-1].key == "s1"
    channel.release()
    wait_until(lambda: len(done) == 513)
    assert lane.room_later() == 512
    lane.stop(5.0)

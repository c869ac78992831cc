"""The service in this process: it holds its folder, follows the configuration, tells how it is, and ends."""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.lived import applied, set_up_file, sign_in
from tests.servers.processes import wait_until
from whereupon.components.channels.memory import MemoryChannel
from whereupon.components.streams.local import append
from whereupon.control.launch import service_lock
from whereupon.control.wire import WireClient
from whereupon.engine.engine import Engine
from whereupon.engine.lane import Lane
from whereupon.host.clock import Clock
from whereupon.host.redaction import Redactor
from whereupon.kit.registry import discover
from whereupon.model.errors import Away, Locked, SetupError
from whereupon.service.runner import Service, run, workshop
from whereupon.storage import folder as folders
from whereupon.storage.activity import Activity, Place
from whereupon.storage.apply import apply
from whereupon.storage.operations import Lease, Operations

pytestmark = pytest.mark.usefixtures("home")
Make = Callable[[Path], Service]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A system to which the worked example was applied."""
    return applied(tmp_path / "TealHols")


@pytest.fixture
def process() -> Iterator[None]:
    """A service sets its process up for itself; the other tests want theirs back."""
    interval, threshold = sys.getswitchinterval(), gc.get_threshold()
    yield
    sys.setswitchinterval(interval)
    gc.set_threshold(*threshold)


@pytest.fixture
def service() -> Iterator[Make]:
    """`service(folder)`: not started yet, closed with the test."""
    made: list[Service] = []

    def make(folder: Path) -> Service:
        made.append(Service(workshop(folders.opened(folder), Redactor())))
        return made[-1]

    yield make
    for each in made:
        each.close()


def changed(folder: Path, *changes: tuple[str, str]) -> None:
    """Apply the worked example with changes."""
    folder.mkdir(exist_ok=True)
    file = set_up_file(folder)
    text = file.read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    file.write_text(text, encoding="utf-8")
    apply(file, folder, author="ann", registry=discover(), vault_kind="environment")


def lane(service: Service, name: str) -> Lane:
    return next(part for each, part, _ in service.engine.lanes() if each == name and part)


def outcomes(service: Service) -> list[str]:
    with closing(Activity(service.shop.databases.streams, {})) as recorded:
        return [each["outcome"] for each in recorded.rows(Place())]


def lease(service: Service) -> Lease:
    with closing(Operations(service.shop.databases.streams)) as operations:
        [found] = operations.leases()
    return found


class Asked(threading.Thread):
    """Somebody else, who asks a running service and then stops it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(daemon=True)
        self.folder = folder
        self.status: dict[str, Any] = {}
        self.refusal: Exception | None = None

    def run(self) -> None:
        wire = WireClient(self.folder)
        try:
            self.status = wire.status()
            run(self.folder, echo=False)
        except Exception as error:
            self.refusal = error
        finally:
            wire.command("stop")


@pytest.mark.usefixtures("process")
def test_it_answers_until_it_is_asked_to_stop_and_a_second_one_is_told_that_it_runs(folder: Path) -> None:
    other = Asked(folder)
    assert run(folder, echo=False, ready=other.start) == 0
    other.join(10)
    assert isinstance(other.refusal, Locked)
    assert "already runs" in other.refusal.message
    assert other.status["campaigns"] == 3
    assert {each["name"] for each in other.status["streams"]} == {"SignIn", "Register"}
    with service_lock(folder):
        assert (folder / "Logs").is_dir()


@pytest.mark.usefixtures("process")
def test_what_ends_it_unexpectedly_stands_in_its_log(folder: Path, logs: Any) -> None:
    logs.expect("ended by an unexpected error")

    def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(folder, echo=False, ready=fail)
    written = "".join(each.read_text(encoding="utf-8") for each in (folder / "Logs").glob("*.log"))
    assert "ZeroDivisionError" in written
    with service_lock(folder):
        pass


def test_a_folder_without_a_system_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SetupError):
        run(tmp_path, echo=False)


def test_a_new_revision_is_taken_up_within_two_seconds(service: Make, folder: Path) -> None:
    made = service(folder)
    made.start(threading.Event())
    assert made.engine.running is not None
    assert made.engine.running.revision == 1
    unchanged = lane(made, "ESP")
    changed(folder, ("Welcome back, $!forename", "Good to see you, $!forename"))
    wait_until(lambda: made.engine.running and made.engine.running.revision == 2)
    plan = made.engine.plan("SignIn")
    assert [(each.name, each.version) for each in plan.campaigns] == [("Welcome back", 2)]
    assert lane(made, "ESP") is unchanged


def test_its_status_stands_on_its_lease_and_the_lease_is_given_back(service: Make, folder: Path) -> None:
    made = service(folder)
    made.start(threading.Event())
    assert made.status()["owner"] == made.owner
    assert made.status()["revision"] == 1
    wait_until(lambda: lease(made).running and lease(made).status.get("campaigns") == 3)
    made.close()
    assert (lease(made).running, lease(made).status["revision"]) == (False, 1)


def test_it_is_the_same_owner_after_a_restart(service: Make, folder: Path) -> None:
    first = service(folder)
    first.close()
    assert service(folder).owner == first.owner


def test_being_asked_to_stop_is_no_failure(service: Make, folder: Path) -> None:
    made, stop = service(folder), threading.Event()
    made.start(stop)
    assert made.wire.commands["stop"]({}) == {"stopping": True}
    assert made.wait(stop) == 0


def test_a_lost_lane_ends_the_service_as_failed(service: Make, folder: Path, logs: Any) -> None:
    logs.expect("threads ended")
    made = service(folder)
    made.start(threading.Event())
    lane(made, "ESP").stop(2)
    assert made.wait(threading.Event()) == 1


def test_a_service_that_nobody_can_ask_any_more_ends_as_failed(
    service: Make, folder: Path, logs: Any
) -> None:
    logs.expect("threads ended")
    made = service(folder)
    made.start(threading.Event())
    with made.wire:
        pass
    assert made.wait(threading.Event()) == 1


@pytest.mark.parametrize("keeper", ["timetable", "keeper"])
def test_a_lost_keeper_ends_the_service_as_failed(
    keeper: str, service: Make, folder: Path, logs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    logs.expect("threads ended")
    said: list[type[BaseException]] = []
    monkeypatch.setattr(threading, "excepthook", lambda lost: said.append(lost.exc_type))
    made = service(folder)

    def fail() -> None:
        raise ZeroDivisionError

    if keeper == "timetable":
        monkeypatch.setattr(made.timetable, "turn", fail)
    else:
        monkeypatch.setattr(made.engine, "retry", fail)
    made.start(threading.Event())
    assert made.wait(threading.Event()) == 1
    assert said == [ZeroDivisionError]


class Watching:
    """A set-up that notes which threads count as lost while it is taken up."""

    def __init__(self, engine: Engine) -> None:
        self.lost: list[list[str]] = []
        self._engine, self._running = engine, engine.running

    def __getattr__(self, name: str) -> Any:
        self.lost.append(self._engine.dead_threads())
        return getattr(self._running, name)


def test_threads_that_come_and_go_with_a_new_set_up_are_not_lost(service: Make, folder: Path) -> None:
    made = service(folder)
    made.start(threading.Event())
    lane(made, "ESP").stop(2)
    watching = Watching(made.engine)
    made.engine.take(watching)  # type: ignore[arg-type]
    assert watching.lost
    assert not any(watching.lost)
    wait_until(lambda: made.engine.dead_threads() == ["ESP"])


def test_a_channel_that_does_not_answer_keeps_no_service_from_ending_in_ten_seconds(
    service: Make, tmp_path: Path
) -> None:
    folder = tmp_path / "Slow"
    changed(folder, ("- name: Mail\n  type: file", "- name: Mail\n  type: memory"))
    made = service(folder)
    made.start(threading.Event())
    channel = lane(made, "Mail").channel
    assert isinstance(channel, MemoryChannel)
    channel.hold()
    append(folder, "registrations", [sign_in(f"e{each}", f"{each}") for each in range(20)])
    wait_until(lambda: len(channel.tried) == 20)
    began = Clock().monotonic()
    made.close()
    assert Clock().monotonic() - began < 10
    assert outcomes(made) == ["queued"] * 20
    assert channel.sent == []


def test_it_ends_where_its_lease_cannot_be_given_back(
    service: Make, folder: Path, logs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    logs.expect("the lease can't be given back")
    made = service(folder)
    made.start(threading.Event())

    def away(*_: object, **__: object) -> int:
        raise Away("The database is away.")

    monkeypatch.setattr(made.operations, "renew", away)
    made.close()
    monkeypatch.undo()
    assert made.engine.lanes() == []

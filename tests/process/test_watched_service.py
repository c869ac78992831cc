"""A real watcher holds a real process: it restarts what is killed, gives up in the end, and stops with it.

The service is a small stand-in that takes the folder's lock and answers on its wire as the real one does; the
watcher's pauses pass twenty times as fast.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.servers.processes import slowness, wait_until
from whereupon.control.launch import restart, start, state, stop
from whereupon.control.state import ServiceState, read_state
from whereupon.control.watcher import watcher_lock
from whereupon.control.wire import WireClient
from whereupon.host.clock import Clock
from whereupon.host.locks import holder
from whereupon.host.processes import alive
from whereupon.model.errors import Locked, Unavailable

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(sys.platform == "win32", reason="it speaks by signals of Linux and macOS"),
]

SERVICE = """
import os, sys, threading
from pathlib import Path
from whereupon.control.launch import service_lock
from whereupon.control.wire import WireServer
from whereupon.host.processes import on_stop
folder, stopping = Path(sys.argv[1]), threading.Event()
if (folder / "broken").exists():
    sys.exit("The journal can't be read: password=hunter2")
with service_lock(folder), on_stop(stopping.set):
    with WireServer(folder, status=lambda: {"pid": os.getpid()}):
        print("I am here.", file=sys.stderr, flush=True)
        stopping.wait(120)
"""

WATCHER = """
import sys, threading
from pathlib import Path
from whereupon.control.watcher import watch
from whereupon.host.clock import Clock
class Fast(Clock):
    def wait(self, event: threading.Event, seconds: float) -> bool:
        return super().wait(event, seconds / 20)
sys.exit(watch(Path(sys.argv[1]), [sys.executable, "-c", sys.argv[2], sys.argv[1]], clock=Fast()))
"""


class Watched:
    """A system's folder with the verbs of the command line."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.command = [sys.executable, "-c", WATCHER, str(folder), SERVICE]

    def start(self) -> ServiceState:
        """Start it."""
        return start(self.folder, command=self.command)

    @property
    def pid(self) -> int:
        """The service's process."""
        return int(WireClient(self.folder).status()["pid"])

    @property
    def watcher(self) -> int:
        """The watcher's process."""
        found = holder(watcher_lock(self.folder).path)
        assert found is not None
        return found.pid

    def kill(self) -> int:
        """Kill the service and wait until another one answers."""
        killed = self.pid
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda: state(self.folder).state == "running" and state(self.folder).pid != killed)
        return killed


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    made = Watched(tmp_path)
    yield made
    stop(tmp_path)


def test_a_service_is_started_found_by_anybody_and_stopped_with_its_watcher(watched: Watched) -> None:
    now = watched.start()
    assert (now.state, now.pid, now.restarts) == ("running", watched.pid, 0)
    assert state(watched.folder) == now
    watcher, service = watched.watcher, watched.pid
    assert os.getsid(watcher) == watcher
    assert psutil.Process(service).ppid() == watcher
    assert stop(watched.folder).state == "stopped"
    wait_until(lambda: not alive(watcher) and not alive(service))
    assert state(watched.folder).state == "stopped"


def test_a_second_start_and_a_second_service_are_told_who_holds_the_folder(watched: Watched) -> None:
    watched.start()
    began = Clock().monotonic()
    with pytest.raises(Locked, match=f"already runs here.*process {watched.pid}"):
        watched.start()
    assert Clock().monotonic() - began < 5 * slowness()
    assert state(watched.folder).state == "running"


def test_a_killed_service_is_started_again_and_its_restarts_are_counted(watched: Watched) -> None:
    watched.start()
    watcher = watched.watcher
    killed = watched.kill()
    assert not alive(killed)
    assert (watched.watcher, state(watched.folder).restarts) == (watcher, 1)


def test_a_service_that_crashes_again_and_again_is_lost_with_its_last_words(watched: Watched) -> None:
    watched.start()
    watcher = watched.watcher
    (watched.folder / "broken").touch()
    os.kill(watched.pid, signal.SIGKILL)
    wait_until(lambda: not alive(watcher))
    lost = state(watched.folder)
    assert lost.state == "lost"
    assert "4 times in a row" in lost.last_words
    assert lost.last_words.endswith("The journal can't be read: password=•••")
    assert "hunter2" not in "".join(
        each.read_text(encoding="utf-8") for each in (watched.folder / "Logs").iterdir()
    )
    (watched.folder / "broken").unlink()
    assert watched.start().state == "running"


def test_a_service_that_never_comes_up_is_told_with_its_last_words(watched: Watched) -> None:
    (watched.folder / "broken").touch()
    with pytest.raises(Unavailable, match=r"went down(.|\n)*The journal can't be read: password=•••"):
        watched.start()


def test_a_restart_keeps_the_watcher_and_brings_another_service(watched: Watched) -> None:
    watched.start()
    watcher, before = watched.watcher, watched.pid
    now = restart(watched.folder)
    assert (now.state, now.restarts) == ("running", 0)
    assert now.pid not in (None, before)
    assert watched.watcher == watcher


def test_a_restart_without_a_watcher_brings_one(watched: Watched) -> None:
    watched.start()
    os.kill(watched.watcher, signal.SIGKILL)
    wait_until(lambda: holder(watcher_lock(watched.folder).path) is None)
    before = watched.pid
    now = restart(watched.folder, command=watched.command)
    assert now.pid not in (None, before)
    assert watched.watcher > 0


def test_a_service_outlives_a_killed_watcher_and_can_still_be_stopped(watched: Watched) -> None:
    watched.start()
    service = watched.pid
    os.kill(watched.watcher, signal.SIGKILL)
    wait_until(lambda: holder(watcher_lock(watched.folder).path) is None)
    assert (state(watched.folder).state, state(watched.folder).pid) == ("running", service)
    assert stop(watched.folder).state == "stopped"
    wait_until(lambda: not alive(service))


def test_a_service_that_hangs_is_said_not_to_respond(watched: Watched) -> None:
    watched.start()
    service = watched.pid
    wait_until(lambda: read_state(watched.folder).state == "running")
    os.kill(service, signal.SIGSTOP)
    began = Clock().monotonic()
    assert state(watched.folder).state == "not responding"
    assert Clock().monotonic() - began < 5 * slowness()
    os.kill(service, signal.SIGCONT)
    wait_until(lambda: state(watched.folder).state == "running")


def test_a_watcher_that_is_asked_to_end_takes_its_service_along(watched: Watched) -> None:
    watched.start()
    watcher, service = watched.watcher, watched.pid
    os.kill(watcher, signal.SIGTERM)
    wait_until(lambda: not alive(watcher) and not alive(service))
    assert state(watched.folder).state == "stopped"


def test_four_starts_at_once_leave_one_service(watched: Watched) -> None:
    told: list[str] = []

    def starts() -> None:
        try:
            told.append(watched.start().state)
        except Locked:
            told.append("locked")

    threads = [threading.Thread(target=starts) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)
    assert sorted(told) == ["locked", "locked", "locked", "running"]
    assert state(watched.folder).state == "running"

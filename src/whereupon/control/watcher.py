"""The watcher: a small process that holds the service, keeps its last words, and restarts it after a crash."""

from __future__ import annotations

import contextlib
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Protocol, cast

from whereupon.control.state import ServiceState, State, as_words, write_state
from whereupon.control.wire import WireClient, WireServer, Words
from whereupon.host.clock import Clock
from whereupon.host.locks import FolderLock
from whereupon.host.logs import logger, start_logging
from whereupon.host.processes import on_stop, spawn, terminate
from whereupon.host.redaction import Redactor
from whereupon.model.errors import Away, WhereuponError

WATCHER = "watcher"
# Seconds before the first, second and third restart in a row.
PAUSES = (0.5, 2.0, 5.0)
GOOD_RUN = 60.0
# Seconds a service has to end by itself; reliability.md row 3 asks for a drain within them.
GRACE = 10.0
# Set-up, usage, locked: a service that ended with one of these ends so again.
HOPELESS = frozenset({2, 3, 5})
_LINES, _LINE = 20, 2000

_log = logger("watcher")


def watcher_lock(folder: Path) -> FolderLock:
    """The lock that makes the watcher the only one of its folder."""
    return FolderLock(folder / "watcher.lock", f"The watcher of {folder.resolve().name} already runs")


def pause_before_restart(crashes: int) -> float | None:
    """Seconds to wait after so many crashes in a row, or None: then the service is lost."""
    return PAUSES[crashes - 1] if crashes <= len(PAUSES) else None


class Child(Protocol):
    """A service process that was started; `ended` is set by it when it is over."""

    pid: int

    def exit_code(self) -> int | None:
        """How it ended; None while it runs."""

    def last_words(self) -> str:
        """The end of what it said on standard error, without secrets."""

    def stop(self) -> None:
        """End it, kindly first; returns when it is over."""


class ServiceProcess:
    """A real child; its standard error is read all the time, so that it never waits for us."""

    def __init__(self, command: Sequence[str], wake: threading.Event) -> None:
        self._process: subprocess.Popen[bytes] = spawn(command, keep_words=True)
        self._said: deque[str] = deque(maxlen=_LINES)
        self._wake = wake
        self._redactor = Redactor()
        self._ended = threading.Event()
        self.pid = self._process.pid
        self._reader = threading.Thread(target=self._listen, name="last words", daemon=True)
        self._waiter = threading.Thread(target=self._wait, name="end of the service", daemon=True)
        self._reader.start()
        self._waiter.start()

    def exit_code(self) -> int | None:
        """How it ended; None while it runs."""
        return self._process.returncode if self._ended.is_set() else None

    def last_words(self) -> str:
        """The last 20 lines of its standard error, without secrets."""
        return self._redactor.text("\n".join(self._said))

    def stop(self) -> None:
        """End it: asked first, and killed after 10 s."""
        if not terminate(self.pid, GRACE):
            _log.warning("The service didn't end within its time and was killed.", seconds=GRACE)
        self._ended.wait(GRACE)

    def _listen(self) -> None:
        with cast(IO[bytes], self._process.stderr) as words:
            for line in iter(lambda: words.readline(_LINE), b""):
                self._said.append(line.decode("utf-8", "replace").rstrip())

    def _wait(self) -> None:
        self._process.wait()
        # A process that the service left behind may hold its end of the pipe open.
        self._reader.join(1.0)
        self._ended.set()
        self._wake.set()


class Watcher:
    """Holds one child after the other; `start` makes one, `ready` tells whether it answers, `tell` hears each state."""

    def __init__(
        self,
        start: Callable[[], Child],
        *,
        ready: Callable[[], bool],
        tell: Callable[[ServiceState], None],
        clock: Clock,
        wake: threading.Event,
    ) -> None:
        self._start = start
        self._ready = ready
        self._tell = tell
        self._clock = clock
        self._wake = wake
        self._stopping = threading.Event()
        self._restarting = threading.Event()
        self.state = ServiceState()

    def stop(self) -> None:
        """End the child and then the watching. Returns at once, from any thread or signal."""
        self._stopping.set()
        self._wake.set()

    def restart(self) -> None:
        """End the child and start another. Returns at once."""
        self._restarting.set()
        self._wake.set()

    def run(self) -> int:
        """Watch until told to stop, or until the service ended by itself (0) or is lost (1)."""
        crashes = 0
        while not self._stopping.is_set():
            self._restarting.clear()
            began = self._clock.monotonic()
            try:
                code, words = self._one_life(crashes)
            except WhereuponError as error:
                return self._lost("The service can't be started.", str(error))
            if self._restarting.is_set() and not self._stopping.is_set():
                crashes = 0
                continue
            if self._stopping.is_set() or code == 0:
                break
            good = self._clock.monotonic() - began >= GOOD_RUN
            crashes = 1 if good else crashes + 1
            if not self._goes_on(code, crashes, words):
                return 1
        self._become("stopped")
        return 0

    def _one_life(self, crashes: int) -> tuple[int, str]:
        self._wake.clear()
        child = self._start()
        self._become("starting", pid=child.pid, restarts=crashes)
        while (code := child.exit_code()) is None and not self._asked():
            self._clock.wait(self._wake, self._watch_once())
            self._wake.clear()
        if code is None:
            self._become("stopping", pid=child.pid)
            child.stop()
            code = child.exit_code()
        return code if code is not None else -9, child.last_words()

    def _asked(self) -> bool:
        return self._stopping.is_set() or self._restarting.is_set()

    def _watch_once(self) -> float:
        """See whether the child answers by now; seconds until the next look."""
        if self.state.state == "starting" and self._ready():
            self._become("running", pid=self.state.pid, restarts=self.state.restarts)
        return 0.1 if self.state.state == "starting" else 1.0

    def _goes_on(self, code: int, crashes: int, words: str) -> bool:
        pause = None if code in HOPELESS else pause_before_restart(crashes)
        if pause is None:
            times = f"{crashes} times in a row" if crashes > 1 else "at once"
            self._lost(f"The service went down {times}, at last with exit code {code}.", words)
            return False
        _log.warning(
            "The service went down and is started again.", exit_code=code, crashes=crashes, pause=pause
        )
        self._become("crashed", restarts=crashes - 1, last_words=words)
        self._wake.clear()
        if not self._asked():
            self._clock.wait(self._wake, pause)
        return True

    def _lost(self, reason: str, words: str) -> int:
        _log.error("The service is lost.", reason=reason)
        self._become("lost", restarts=self.state.restarts, last_words=f"{reason}\n{words}".strip())
        return 1

    def _become(
        self, state: State, *, pid: int | None = None, restarts: int = 0, last_words: str = ""
    ) -> None:
        since = datetime.fromtimestamp(self._clock.now() / 1000, UTC)
        self.state = ServiceState(state, pid, since, restarts, last_words)
        self._tell(self.state)


def watch(folder: Path, command: Sequence[str], *, clock: Clock | None = None) -> int:
    """Be the watcher of a system's folder: run `command` and watch it. 0 after a stop, 1 when the service is lost.

    Raises Locked if the folder has a watcher already.
    """
    with contextlib.ExitStack() as held:
        held.enter_context(watcher_lock(folder))
        held.enter_context(start_logging(folder, name=WATCHER))
        wake = threading.Event()
        watcher = Watcher(
            lambda: ServiceProcess(command, wake),
            ready=lambda: answers(folder),
            tell=lambda state: write_state(folder, state),
            clock=clock or Clock(),
            wake=wake,
        )
        server = WireServer(
            folder,
            name=WATCHER,
            status=lambda: as_words(watcher.state),
            commands={
                "stop": lambda words: _heard(watcher.stop),
                "restart": lambda words: _heard(watcher.restart),
            },
        )
        server.start()
        held.callback(server.stop)
        held.enter_context(on_stop(watcher.stop))
        return watcher.run()


def answers(folder: Path) -> bool:
    """True if the service of this folder answers on its wire."""
    try:
        WireClient(folder).status()
    except Away:
        return False
    except WhereuponError:
        # It doesn't say what we asked for, but it speaks.
        return True
    return True


def _heard(action: Callable[[], None]) -> Words:
    action()
    return {}

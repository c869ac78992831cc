"""Child processes and ports of the test servers: free ports, waiting with a deadline, ending our own and no other."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[2]
# Rounds of an empty loop that took 0.1 s where the bars of time were set.
_WORK = 7_000_000
# What the suite was started with, before conftest puts it into a throw-away home. Nobody measures a server's coverage.
STARTED_WITH: Mapping[str, str] = {
    name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")
}


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listening(port: int) -> bool:
    """True if somebody takes connections on that port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_until(holds: Callable[[], object], *, within: float = 30.0, what: str = "") -> None:
    """Ask `holds` every 10 ms until it is true; after `within` seconds fail with `what`."""
    deadline = time.monotonic() + within
    pause = threading.Event()
    while not holds():
        if time.monotonic() > deadline:
            raise AssertionError(f"{what or 'What was waited for'} didn't come within {within:g} s.")
        pause.wait(0.01)


def slowness() -> float:
    """How many times slower than the machine that the bars were set on, then idle, this one is; at least 1.

    A slow machine shows in the time of a little plain work, a busy one in how many processes wanted each of its
    processors in the last minute.
    """
    began = time.perf_counter()
    for _ in range(_WORK):
        pass
    slow, busy = (time.perf_counter() - began) / 0.1, psutil.getloadavg()[0] / (os.cpu_count() or 1)
    return max(1.0, slow, busy)


class Child:
    """One child process with its words in a file; it and its own children can be ended, surely or kindly.

    `feed` is written to its standard input, which is then closed; `tied` leaves it open until `stop`, or our end.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        log: Path,
        environment: Mapping[str, str] | None = None,
        user: str | None = None,
        feed: bytes | None = None,
        tied: bool = False,
    ) -> None:
        self.log = log
        as_user = {"user": user, "group": user, "extra_groups": []} if user else {}
        with log.open("ab") as words:
            self.process = subprocess.Popen(
                [str(each) for each in command],
                stdin=subprocess.PIPE if tied or feed is not None else subprocess.DEVNULL,
                stdout=words,
                stderr=subprocess.STDOUT,
                cwd=log.parent,
                env=environment,
                start_new_session=sys.platform != "win32",
                **as_user,  # type: ignore[call-overload]
            )
        if feed is not None:
            self.process.stdin.write(feed)
            self.process.stdin.close()

    @property
    def alive(self) -> bool:
        """True while the process runs."""
        return self.process.poll() is None

    def wait_for(self, holds: Callable[[], object], *, within: float, what: str) -> None:
        """Wait until `holds`; fails at once, with the process's last words, if the process ends before."""

        def settled() -> bool:
            if not self.alive:
                raise AssertionError(f"{what} ended with {self.process.returncode}:\n{self.last_words()}")
            return bool(holds())

        try:
            wait_until(settled, within=within, what=what)
        except AssertionError:
            self.kill()
            raise

    def last_words(self, size: int = 4000) -> str:
        """The end of what it printed."""
        return self.log.read_text(encoding="utf-8", errors="replace")[-size:]

    def stop(self, *, within: float = 10.0, by: int = signal.SIGTERM) -> None:
        """Ask it to end; end it if it hasn't within `within` seconds. Twice is fine."""
        if self.process.stdin is not None:
            self.process.stdin.close()
        if self.alive:
            self.process.send_signal(by)
            try:
                self.process.wait(within)
            except subprocess.TimeoutExpired:
                self.kill()
        self.process.wait(within)

    def kill(self) -> None:
        """End it and its children as a power cut would, and wait until they are gone."""
        if self.process.stdin is not None:
            self.process.stdin.close()
        family: list[psutil.Process] = []
        with contextlib.suppress(psutil.NoSuchProcess):
            family = psutil.Process(self.process.pid).children(recursive=True)
        if self.alive:
            self.process.kill()
        self.process.wait(10)
        for each in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
        psutil.wait_procs(family, timeout=10)

    def suspend(self) -> None:
        """Stop it in its tracks (SIGSTOP), as a sleeping computer does."""
        psutil.Process(self.process.pid).suspend()

    def resume(self) -> None:
        """Let it go on."""
        psutil.Process(self.process.pid).resume()

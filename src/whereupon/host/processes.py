"""Other processes: starting, asking to stop, knowing them again; and being asked to stop oneself."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType

import psutil

from whereupon.host.clock import Clock
from whereupon.host.machine import machine
from whereupon.model.errors import SetupError

# How far two readings of a process's start may differ, in seconds.
_SAME_START = 2.0


def this_command() -> list[str]:
    """How this program is started once more: frozen, or by the interpreter that runs it now."""
    return [sys.executable] if getattr(sys, "frozen", False) else [sys.executable, "-m", "whereupon"]


def user_name() -> str:
    """The operating-system user, without a domain; the author of what is changed here."""
    return psutil.Process().username().rpartition("\\")[2]


def spawn(
    args: Sequence[str],
    *,
    detached: bool = False,
    env: Mapping[str, str] | None = None,
    log_file: Path | None = None,
    keep_words: bool = False,
) -> subprocess.Popen[bytes]:
    """Start a process without input. `env` comes on top of our own environment.

    `detached`: it outlives us and our terminal. What it says goes to `log_file` (appended), or nowhere; with
    `keep_words` its standard error is a pipe that the caller has to read. Raises SetupError if it can't be started.
    """
    with contextlib.ExitStack() as opened:
        words = opened.enter_context(log_file.open("ab")) if log_file else subprocess.DEVNULL
        try:
            process = subprocess.Popen(
                list(args),
                stdin=subprocess.DEVNULL,
                stdout=words,
                stderr=subprocess.PIPE if keep_words else words,
                env={**os.environ, **(env or {})},
                **machine.starting(detached=detached),
            )
        except OSError as error:
            raise SetupError(
                f"{args[0]} can't be started: {error.strerror or error}.",
                hint="Check that it exists and may be executed; otherwise install Whereupon again.",
            ) from error
    if detached:
        # Nobody asks for its end, yet on POSIX an ended child stays in the list of processes until it is waited for.
        threading.Thread(target=process.wait, name=f"end of {process.pid}", daemon=True).start()
    return process


def started(pid: int) -> float | None:
    """When this process was started, in seconds since 1970; None if there is no such process (or it has ended)."""
    with contextlib.suppress(psutil.Error, ValueError, OverflowError):
        process = psutil.Process(pid)
        if process.status() != psutil.STATUS_ZOMBIE:
            return process.create_time()
    return None


def alive(pid: int, started_at: float | None = None) -> bool:
    """True while that process runs; with `started_at`, only if it is still the same one and not a later namesake."""
    at = started(pid)
    return at is not None and (started_at is None or abs(at - started_at) < _SAME_START)


def terminate(pid: int, grace: float, *, clock: Clock | None = None) -> bool:
    """Ask a process to end, and end it after `grace` seconds; true if it ended by itself. The caller still reaps it."""
    watch = clock or Clock()
    born = started(pid)
    if born is None:
        return True
    with contextlib.suppress(OSError):
        machine.ask_to_stop(pid)
    deadline = watch.monotonic() + grace
    never = threading.Event()
    while alive(pid, born):
        if watch.monotonic() >= deadline:
            with contextlib.suppress(psutil.Error):
                psutil.Process(pid).kill()
            return False
        watch.wait(never, 0.02)
    return True


@contextlib.contextmanager
def on_stop(callback: Callable[[], None]) -> Iterator[None]:
    """Within, a request to end (SIGTERM, Ctrl+C, a closed terminal; CTRL_BREAK on Windows) calls `callback`.

    It is called in a thread of its own: a handler that touched a lock or an Event could meet its own thread inside it,
    and wait for ever. The former handlers come back at the end. Python gives signals to the main thread alone:
    elsewhere this does nothing, and whoever owns the main thread has to see to it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    requests: queue.SimpleQueue[bool] = queue.SimpleQueue()

    def listen() -> None:
        while requests.get():
            callback()

    def asked(number: int, frame: FrameType | None) -> None:
        requests.put(True)

    listener = threading.Thread(target=listen, name="requests to end", daemon=True)
    listener.start()
    former = {each: signal.signal(each, asked) for each in machine.stop_signals()}
    try:
        yield
    finally:
        for each, handler in former.items():
            signal.signal(each, handler if handler is not None else signal.SIG_DFL)
        requests.put(False)
        listener.join()

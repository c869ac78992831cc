"""Starting, stopping and finding the service of a system's folder, by its watcher."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from whereupon.control.state import ServiceState, read_state, state_file
from whereupon.control.watcher import GRACE, WATCHER, answers, watcher_lock
from whereupon.control.wire import WireClient
from whereupon.host.clock import Clock
from whereupon.host.files import private_folder
from whereupon.host.locks import FolderLock, Holder, holder
from whereupon.host.processes import spawn, terminate, this_command
from whereupon.model.errors import Away, Locked, SetupError, Unavailable

__all__ = ["ServiceState", "restart", "service_lock", "start", "state", "stop"]

# Seconds until a start, and a stop with its drain, has to have gone well.
PATIENCE = 30.0


def service_lock(folder: Path) -> FolderLock:
    """The lock that a service holds while it runs: one service a folder."""
    return FolderLock(
        folder / "service.lock",
        f"The service of {folder.resolve().name} already runs",
        hint="Stop it with `whereupon service stop`, or ask it for its state with `whereupon service status`.",
    )


def state(folder: Path) -> ServiceState:
    """How the service is, asked of the locks and the wire: it holds too when watcher and service were killed."""
    written = read_state(folder)
    running = holder(service_lock(folder).path)
    watched = holder(watcher_lock(folder).path) is not None
    if running is not None:
        return _state_of(running, written, folder)
    if watched:
        return written
    if written.up:
        return ServiceState(
            "stopped", since=written.since, last_words="It and its watcher ended without a word."
        )
    return written


def start(folder: Path, *, command: Sequence[str] | None = None, clock: Clock | None = None) -> ServiceState:
    """Start watcher and service, both outliving us, and return when the service answers.

    `command` starts the watcher. Raises Locked if a service or watcher is there already, Unavailable with the last
    words if the service doesn't come up.
    """
    name = folder.resolve().name
    # Two who start at once would both find nothing there, and the second watcher outlast the first one's stop.
    with FolderLock(folder / "start.lock", f"The service of {name} is being started", hint="Wait for it."):
        now = state(folder)
        if now.up:
            raise Locked(f"The service of {name} already runs here. {now}", hint="There is nothing to do.")
        return _start(folder, command, clock or Clock())


def _start(folder: Path, command: Sequence[str] | None, clock: Clock) -> ServiceState:
    logs = private_folder(folder / "Logs")
    said = logs / "watcher.out"
    for old in (said, state_file(folder)):
        old.unlink(missing_ok=True)
    watch = command or [*this_command(), "service", "watch", "--system", str(folder.resolve())]
    watcher = spawn(watch, detached=True, log_file=said)
    settled = _until(
        lambda: state(folder).state in ("running", "lost") or watcher.returncode is not None, clock
    )
    now = state(folder)
    if now.state == "running":
        return now
    words = now.last_words or said.read_text(encoding="utf-8", errors="replace")[-2000:].strip()
    reason = "went down" if settled else f"doesn't answer after {PATIENCE:g} s"
    raise Unavailable(f"The service of {folder.resolve().name} {reason}. {words}", hint=f"See {logs}.")


def stop(folder: Path, *, clock: Clock | None = None) -> ServiceState:
    """Stop service and watcher and return when both have ended; does nothing if none runs. Raises Unavailable."""
    watch = clock or Clock()
    service, watcher = service_lock(folder).path, watcher_lock(folder).path
    if not _told_to(folder, "stop", WATCHER) and not _told_to(folder, "stop", "service"):
        for each in (holder(watcher), holder(service)):
            if each is not None:
                _end(each, watch)
    if not _until(lambda: holder(service) is None and holder(watcher) is None, watch):
        raise Unavailable(f"The service doesn't stop. {state(folder)}", hint=f"See {folder / 'Logs'}.")
    return replace(state(folder), state="stopped")


def restart(
    folder: Path, *, command: Sequence[str] | None = None, clock: Clock | None = None
) -> ServiceState:
    """Stop the service, if it runs, start another, and return when that answers. Raises Unavailable."""
    watch, before = clock or Clock(), state(folder)
    if before.state != "running" or not _told_to(folder, "restart", WATCHER):
        stop(folder, clock=clock)
        return start(folder, command=command, clock=clock)
    _until(lambda: _another(state(folder), before), watch)
    now = state(folder)
    if now.state == "running" and now.pid != before.pid:
        return now
    raise Unavailable(f"The service didn't come back. {now}", hint=f"See {folder / 'Logs'}.")


def _another(now: ServiceState, before: ServiceState) -> bool:
    return now.state == "lost" or (now.state == "running" and now.pid != before.pid)


def _state_of(running: Holder, written: ServiceState, folder: Path) -> ServiceState:
    if not running.pid:
        # It has just taken the lock, and signs it in a moment.
        return written if written.state == "starting" else ServiceState("starting")
    known = written if written.pid == running.pid else ServiceState("running", since=running.since)
    known = replace(known, pid=running.pid)
    if known.state == "stopping":
        return known
    if not running.here or answers(folder):
        return replace(
            known, state="running", since=known.since if known.state == "running" else running.since
        )
    return known if known.state == "starting" else replace(known, state="not responding")


def _told_to(folder: Path, command: str, name: str) -> bool:
    """True if watcher or service was there and heard it."""
    try:
        WireClient(folder, name=name).command(command)
    except (Away, SetupError):
        return False
    return True


def _end(process: Holder, clock: Clock) -> None:
    """End a service that nobody watches, or a watcher that doesn't listen."""
    if process.pid and not process.here:
        raise Locked(f"It runs on another computer ({process}).", hint="Stop it there.")
    if process.pid:
        terminate(process.pid, GRACE + 2, clock=clock)


def _until(holds: Callable[[], bool], clock: Clock) -> bool:
    deadline, never = clock.monotonic() + PATIENCE, threading.Event()
    while not holds():
        if clock.monotonic() >= deadline:
            return False
        clock.wait(never, 0.05)
    return True

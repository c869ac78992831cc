"""The commands about the service: run it here, or start, stop, restart and ask the one that is watched."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from whereupon.cli.boundary import Desk
from whereupon.cli.showing import note, say, say_json
from whereupon.cli.systems import HERE, Json, System

if TYPE_CHECKING:
    from whereupon.control.launch import ServiceState

commands = typer.Typer(
    name="service", help="Run the service, start it, stop it, ask it.", no_args_is_help=True
)


class Level(StrEnum):
    """How much is logged."""

    debug = "debug"
    info = "info"
    warning = "warning"
    error = "error"


@commands.command("run")
def run(
    system: System = HERE,
    level: Annotated[Level, typer.Option("--log-level", help="How much is logged.")] = Level.info,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Log to the file in Logs alone.")] = False,
) -> None:
    """Run the service here until Ctrl+C or a request to end; it ends within 10 seconds, and loses nothing."""
    from whereupon.control.launch import service_lock

    # Whoever starts a second one is told at once, before anything that a service needs is loaded.
    lock = service_lock(system)
    if lock.path.exists():
        lock.acquire()
        lock.release()
    _folder(system)
    from whereupon.service.runner import run as run_service

    def ready() -> None:
        note("The service runs. Ctrl+C ends it.")

    raise typer.Exit(run_service(system, level=level.value.upper(), echo=not quiet, ready=ready))


@commands.command("start")
def start(system: System = HERE, as_json: Json = False) -> None:
    """Start the service; it runs on when this terminal is closed, and is started again after a crash."""
    from whereupon.control import launch

    _tell(launch.start(_folder(system)), as_json=as_json)


@commands.command("stop")
def stop(system: System = HERE, as_json: Json = False) -> None:
    """Stop the service, and return when it has ended."""
    from whereupon.control import launch

    _tell(launch.stop(_folder(system)), as_json=as_json)


@commands.command("restart")
def restart(system: System = HERE, as_json: Json = False) -> None:
    """Stop the service, start it again, and return when it works."""
    from whereupon.control import launch

    _tell(launch.restart(_folder(system)), as_json=as_json)


@commands.command("status")
def status(system: System = HERE, as_json: Json = False) -> None:
    """Tell how the service is: counts, events not read yet, how long each step takes, and why nothing happens."""
    from whereupon.control import launch
    from whereupon.control.wire import WireClient
    from whereupon.model.errors import Away

    folder = _folder(system)
    state = launch.state(folder)
    details: Mapping[str, Any] = {}
    if state.state == "running":
        try:
            details = WireClient(folder).status()
        except Away as error:
            note(str(error))
    _tell(state, details, as_json=as_json)


@commands.command("watch", hidden=True)
def watch(context: typer.Context, system: System = HERE) -> None:
    """Be the watcher: hold the service, keep its last words, start it again after a crash."""
    from whereupon.control.watcher import watch as watch_service
    from whereupon.host.processes import this_command

    desk: Desk = context.obj
    folder = _folder(system)
    debug = ["--debug"] if desk.debug else []
    raise typer.Exit(
        watch_service(folder, [*this_command(), *debug, "service", "run", "--system", str(folder)])
    )


def _folder(system: Path) -> Path:
    """The system's folder; raises SetupError if there is no system in it."""
    from whereupon.storage.folder import opened

    return opened(system).path


def _tell(state: ServiceState, details: Mapping[str, Any] | None = None, *, as_json: bool) -> None:
    if as_json:
        from whereupon.control.state import as_words

        say_json({**as_words(state), **(details or {})})
        return
    say(str(state))
    for each in lines(details or {}):
        say(each)


def lines(details: Mapping[str, Any]) -> list[str]:
    """A service's own picture of how it goes, line by line."""
    if not details:
        return []
    said = [f"Revision {details['revision']}, {details['campaigns']} campaigns published."]
    said += [_stream(each) for each in details["streams"]]
    for each in details["channels"]:
        said += [_channel(each), *(f"  Warning: {warning}" for warning in each["warnings"])]
    counts = ", ".join(f"{name} {number:,}" for name, number in details["counts"].items())
    said += [f"Since the start: {counts}."] if counts else []
    said += [
        f"{step}: p50 {each['p50']:g} ms, p99 {each['p99']:g} ms ({each['n']:,})"
        for step, each in details["latencies"].items()
    ]
    return [*said, details["nothing"]] if details["nothing"] else said


def _stream(stream: Mapping[str, Any]) -> str:
    lag = "" if stream["lag"] is None else f", {stream['lag']:,} events not read yet"
    return f"Stream {stream['name']}: {stream['state'] or 'reading'}{lag}"


def _channel(channel: Mapping[str, Any]) -> str:
    waiting = "" if channel["open"] is None else f", {channel['open']:,} messages open"
    return f"Channel {channel['name']}: {channel['state'] or 'sending'}{waiting}"

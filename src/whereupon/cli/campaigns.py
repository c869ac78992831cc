"""The commands about campaigns: run a table campaign, pause, resume, rehearse."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from whereupon.cli.boundary import FAILED
from whereupon.cli.showing import counted, note, say, say_json, say_table
from whereupon.cli.systems import HERE, Json, System, author, opened

if TYPE_CHECKING:
    from whereupon.engine.rehearsal import Rehearsal

Campaign = Annotated[str, typer.Argument(metavar="CAMPAIGN", help="The campaign's name.")]
Progress = Callable[[int, int | None], None]


def run(
    context: typer.Context,
    campaign: Campaign,
    system: System = HERE,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")] = False,
    as_json: Json = False,
) -> None:
    """Run a campaign on a table of people now: it fills a store, or sends a message to each.

    Ctrl+C stops it, and it ends with 1; run it again, and it goes on where it was.
    """
    from whereupon.host.processes import on_stop
    from whereupon.jobs.table_run import run_campaign

    stop = threading.Event()
    with (
        opened(context, system) as there,
        on_stop(stop.set),
        _bar(campaign, shown=not quiet and not as_json) as progress,
    ):
        result = run_campaign(there.shop, there.repository, campaign, progress=progress, stop=stop)
    if as_json:
        say_json(result)
    elif not quiet:
        say(str(result))
    if result.state != "done":
        raise typer.Exit(FAILED)


@contextmanager
def _bar(title: str, *, shown: bool) -> Iterator[Progress]:
    from rich.console import Console

    console = Console(stderr=True)
    if not shown or not console.is_terminal:
        yield lambda done, total: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def pause(
    context: typer.Context,
    campaign: Campaign,
    system: System = HERE,
    reason: Annotated[str, typer.Option("--reason", help="Why, for the others.")] = "",
) -> None:
    """Pause a campaign: from now on its messages are withheld, those under way too, until `resume`."""
    from whereupon.storage.operations import Hold, Operations

    with opened(context, system) as there:
        number = _number(there.repository.ids(), campaign)
        operations = Operations(there.shop.databases.streams)
        try:
            operations.hold(Hold("campaign", number, "paused", reason, author(), there.shop.clock.now()))
        finally:
            operations.close()
    note(f"{campaign} is paused. A running service takes that up within 2 seconds.")


def resume(context: typer.Context, campaign: Campaign, system: System = HERE) -> None:
    """Let a campaign go on that was paused, or that the service holds because of an error."""
    from whereupon.storage.operations import Operations

    with opened(context, system) as there:
        number = _number(there.repository.ids(), campaign)
        operations = Operations(there.shop.databases.streams)
        try:
            operations.release("campaign", number)
        finally:
            operations.close()
    note(f"{campaign} goes on.")


def _number(ids: dict[tuple[str, str], int], campaign: str) -> int:
    from whereupon.model.findings import no_such

    number = ids.get(("campaign", campaign))
    if number is None:
        raise no_such("campaign", campaign, sorted(name for role, name in ids if role == "campaign"))
    return number


def rehearse(
    context: typer.Context,
    campaign: Campaign,
    last: Annotated[int, typer.Option("--last", min=1, max=100_000, help="How many past events.")] = 100,
    system: System = HERE,
    as_json: Json = False,
) -> None:
    """Show what a campaign, as it is drafted now, would have made of the stream's last events. Nothing is sent."""
    from whereupon.engine.rehearsal import rehearse as rehearsed

    with opened(context, system) as there:
        made = rehearsed(there.shop, there.repository, campaign, last=last)
    if as_json:
        say_json(made)
    else:
        _show(made)


def _show(made: Rehearsal) -> None:
    rows = ((each.event, each.person, each.outcome, each.reason, _short(each.fields)) for each in made.lines)
    say_table(("Event", "Person", "Would be", "Reason", "Message"), rows)
    for each in made.notes:
        note(each)
    say(
        f"{counted(made.events, 'event')}: {made.would_send:,} would be sent, {made.unmet:,} not in the audience."
    )
    for reason, number in sorted(made.withheld.items()):
        say(f"  withheld, {reason}: {number:,}")


def _short(fields: dict[str, str]) -> str:
    said = "; ".join(f"{name}: {value}" for name, value in fields.items())
    return said if len(said) <= 200 else f"{said[:199]}…"

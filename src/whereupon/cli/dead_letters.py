"""The commands about dead letters: events that can't be used, and messages that failed or perhaps arrived."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from whereupon.cli.showing import counted, moment, note, say_json, say_table
from whereupon.cli.systems import HERE, Json, System, author, opened

if TYPE_CHECKING:
    from whereupon.storage.dead_letters import DeadLetters

commands = typer.Typer(
    name="dead-letters", help="Judge events and messages that went wrong.", no_args_is_help=True
)
Numbers = Annotated[list[int] | None, typer.Argument(metavar="[ID]...", help="Numbers that `list` shows.")]
All = Annotated[bool, typer.Option("--all", help="All that nobody has judged.")]


@commands.command("list")
def list_letters(
    context: typer.Context,
    system: System = HERE,
    judged: Annotated[bool, typer.Option("--judged", help="Those that were judged, too.")] = False,
    as_json: Json = False,
) -> None:
    """List dead letters with their reason. *Unknown* ones are messages that perhaps arrived."""
    with _letters(context, system) as letters:
        found = letters.listed(judged=judged)
    if as_json:
        for each in found:
            say_json(each)
        return
    rows = (
        (each.id, moment(each.at), each.stage, each.state or "–", each.place, each.reason, each.said)
        for each in found
    )
    say_table(("ID", "When", "Stage", "State", "Where", "Reason", "Judged"), rows)


@commands.command("resend")
def resend(context: typer.Context, ids: Numbers = None, every: All = False, system: System = HERE) -> None:
    """Decide and send again. Limits, age and pause are asked anew; the running service does it within seconds.

    For an *unknown* message this is *send it again*: its receiver may get it twice.
    """
    with _letters(context, system) as letters:
        count = letters.resend(_chosen(letters, ids, every))
    note(f"{counted(count, 'dead letter')} marked. A running service takes them up.")


@commands.command("discard")
def discard(
    context: typer.Context,
    ids: Numbers = None,
    every: All = False,
    it_went: Annotated[
        bool, typer.Option("--it-went", help="For *unknown* messages: they did arrive, and count as sent.")
    ] = False,
    system: System = HERE,
) -> None:
    """Judge dead letters: nothing more is to be done about them."""
    with _letters(context, system) as letters:
        chosen = _chosen(letters, ids, every)
        count = (
            letters.it_went(chosen, author=author()) if it_went else letters.discard(chosen, author=author())
        )
    note(f"{counted(count, 'dead letter')} judged.")


@contextmanager
def _letters(context: typer.Context, system: Path) -> Iterator[DeadLetters]:
    from whereupon.storage.dead_letters import DeadLetters

    with opened(context, system) as there:
        shop = there.shop
        with closing(DeadLetters(shop.databases.streams, clock=shop.clock)) as letters:
            yield letters


def _chosen(letters: DeadLetters, ids: list[int] | None, every: bool) -> list[int]:
    if bool(ids) == every:
        raise typer.BadParameter("Name dead letters by their numbers, or say --all.")
    return [each.id for each in letters.listed()] if every else ids or []

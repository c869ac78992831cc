"""The command line as a whole: every command under its name, and one way in."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Annotated

import typer
from typer.main import get_command

from whereupon import __version__
from whereupon.cli import (
    activity,
    campaigns,
    dead_letters,
    demo,
    doctor,
    events,
    render,
    secrets,
    service,
    setup,
)  # fmt: skip
from whereupon.cli.boundary import Desk, settled

app = typer.Typer(
    name="whereupon",
    help="An event becomes a message that knows its person: from a stream, by a store, to a channel.",
    epilog="Begin with: whereupon demo. It needs no server.",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
app.command("demo", short_help="See it all at work, without any server.")(demo.demo)
app.command("apply", short_help="Make a system what a set-up file says.")(setup.apply)
app.command("diff", short_help="Show what `apply` would change.")(setup.diff)
app.command("export", short_help="Write the configuration as a set-up file.")(setup.export)
app.command("history", short_help="List every change of the configuration.")(setup.history)
app.command("rollback", short_help="Go back to an earlier configuration.")(setup.rollback)
app.command("doctor", short_help="Test everything that a system names.")(doctor.doctor)
app.add_typer(service.commands, name="service")
app.command("run", short_help="Run a campaign on a table of people.")(campaigns.run)
app.command("pause", short_help="Withhold the messages of a campaign.")(campaigns.pause)
app.command("resume", short_help="Let a campaign go on.")(campaigns.resume)
app.command("rehearse", short_help="Try a campaign on past events; nothing is sent.")(campaigns.rehearse)
app.add_typer(events.commands, name="events")
app.command("go-on", short_help="Decide where a stream goes on.")(events.go_on)
app.command("activity", short_help="Show what is recorded, event by event.")(activity.activity)
app.command("explain", short_help="Tell why a message went, or did not.")(activity.explain)
app.command("load-communications", short_help="Load what was sent into the communications table.")(
    activity.load_communications
)
app.add_typer(dead_letters.commands, name="dead-letters")
app.add_typer(secrets.commands, name="secrets")
app.command("render", short_help="Fill in a Velocity template.")(render.render)


def run(words: Sequence[str]) -> int:
    """Do what the words say; the exit code."""
    desk = Desk()
    # Without a handler of its own, Python would print what parts log beside what a command says.
    logging.getLogger().addHandler(logging.NullHandler())
    command = get_command(app)
    return settled(lambda: command.main(args=list(words), prog_name="whereupon", obj=desk), desk)


def _tell_version(asked: bool) -> None:
    if asked:
        typer.echo(f"whereupon {__version__}")
        raise typer.Exit


@app.callback()
def whereupon(
    context: typer.Context,
    debug: Annotated[
        bool, typer.Option("--debug", help="Tell the unexpected whole, with its traceback and the log.")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Tell the version.")
    ] = False,
) -> None:
    """An event becomes a message that knows its person: from a stream, by a store, to a channel.

    Commands on a system take --system DIR, else $WHEREUPON_SYSTEM, else the current folder. They end with 0 when all
    is well, 1 when something differs or failed, 2 for words that can't be understood, 3 when a person has to change a
    setting or names what isn't there, 4 when something can't be reached, and 5 when somebody else holds what is needed.
    """
    desk: Desk = context.obj
    desk.debug = debug
    if debug:
        logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s")

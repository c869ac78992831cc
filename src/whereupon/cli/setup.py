"""The commands about a system's configuration: apply, diff, export, history, rollback."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from whereupon.cli.boundary import FAILED
from whereupon.cli.showing import moment, note, say, say_json, say_table
from whereupon.cli.systems import HERE, Json, System, author, opened

if TYPE_CHECKING:
    from whereupon.storage.apply import Applied

File = Annotated[Path, typer.Argument(metavar="FILE", help="A set-up file, like tealhols.yaml.")]
Prune = Annotated[bool, typer.Option("--prune", help="Delete what the system has and the file hasn't.")]
Reload = Annotated[bool, typer.Option("--reload", help="Import data files again that have changed.")]


class VaultKind(StrEnum):
    """Where a new system keeps its secrets."""

    keyring = "keyring"
    environment = "environment"
    file = "file"


def apply(
    file: File,
    system: System = HERE,
    prune: Prune = False,
    reload: Reload = False,
    remark: Annotated[str, typer.Option("--note", help="A remark for the history.")] = "",
    vault: Annotated[
        VaultKind, typer.Option("--vault", help="Where a system that is made anew keeps its secrets.")
    ] = VaultKind.keyring,
    as_json: Json = False,
) -> None:
    """Make the system what FILE says: create what is missing, change what differs, publish what says so.

    Parts are matched by name, and nothing is deleted without --prune. Only the three databases are connected to; a
    secret that isn't set yet is a warning. A mistake refuses the whole file: nothing is applied then. The folder is
    made where there is none.
    """
    from whereupon.kit.registry import discover
    from whereupon.storage.apply import apply as applied

    done = applied(
        file, system, author=author(), registry=discover(), prune=prune, reload=reload, note=remark,
        vault_kind=vault.value,
    )  # fmt: skip
    if as_json:
        say_json(done)
        return
    _tell(done)
    say(f"Revision {done.revision}." if done.changes else f"Nothing to change. Revision {done.revision}.")


def diff(
    file: File, system: System = HERE, prune: Prune = False, reload: Reload = False, as_json: Json = False
) -> None:
    """Show what `apply` would change, and change nothing. Ends with 1 if there is any difference."""
    from whereupon.kit.registry import discover
    from whereupon.storage.apply import compared

    found = compared(file, system, registry=discover(), prune=prune, reload=reload)
    if as_json:
        say_json(found)
    else:
        _tell(found)
        if not found.changes:
            say("No difference.")
    if found.changes:
        raise typer.Exit(FAILED)


def _tell(done: Applied) -> None:
    for each in done.repairs:
        note(f"Repaired: {each}")
    for each in done.changes:
        say(each)
    for each in done.warnings:
        note(f"Warning: {each}")


def export(
    context: typer.Context,
    system: System = HERE,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write it there, not to the screen.")
    ] = None,
) -> None:
    """Write the system's configuration as a set-up file. It holds no secrets, and applied again it changes nothing."""
    from whereupon.host.files import write_atomically
    from whereupon.storage.files import written

    with opened(context, system) as there:
        text = written(there.repository.setup(), there.shop.system.urls)
    if output is None:
        typer.echo(text, nl=False)
    else:
        write_atomically(output, text)
        note(f"Written to {output}.")


def history(context: typer.Context, system: System = HERE, as_json: Json = False) -> None:
    """List every save, the last first: number, time, author, and what changed."""
    with opened(context, system) as there:
        revisions = there.repository.history()
    if as_json:
        for each in revisions:
            say_json(each)
        return
    rows = (
        (each.number, moment(each.at), each.author, "\n".join([*([each.note] if each.note else []), *each.changes]))
        for each in revisions
    )  # fmt: skip
    say_table(("Revision", "Saved", "By", "What changed"), rows)


def rollback(
    context: typer.Context,
    revision: Annotated[int, typer.Argument(metavar="REVISION", help="A number that `history` lists.")],
    system: System = HERE,
    as_json: Json = False,
) -> None:
    """Go back to an earlier revision, with what was published then. A save too, that can be undone the same way."""
    with opened(context, system) as there:
        number = there.repository.rollback(revision, author=author())
    if as_json:
        say_json({"revision": number})
    else:
        say(f"Revision {number} is revision {revision} once more.")

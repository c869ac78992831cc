"""The commands about secrets: they are set, listed by name and deleted, and never shown."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from whereupon.cli.showing import note, say, say_json
from whereupon.cli.systems import HERE, Json, System

if TYPE_CHECKING:
    from whereupon.storage.vault import Vault

commands = typer.Typer(name="secrets", help="Set, list and delete secrets.", no_args_is_help=True)
Name = Annotated[
    str, typer.Argument(metavar="NAME", help="As the set-up names it in ${secret:NAME}, e.g. esp/token.")
]


@commands.command("set")
def set_secret(name: Name, system: System = HERE) -> None:
    """Keep a secret: its value is asked for, or read from standard input; in place of an earlier one."""
    from whereupon.storage.secret_names import named

    vault = _vault(system)
    vault.write(named(name), _value(name))
    note(f"The secret {name} is set.")


@commands.command("list")
def list_secrets(system: System = HERE, as_json: Json = False) -> None:
    """List the names of all secrets."""
    names = _vault(system).names()
    if as_json:
        say_json(names)
        return
    for each in names:
        say(each)


@commands.command("delete")
def delete_secret(name: Name, system: System = HERE) -> None:
    """Forget a secret. What needs it waits from its next start on."""
    vault = _vault(system)
    if vault.read(name) is None:
        note(f"There is no secret {name}.")
        return
    vault.delete(name)
    note(f"The secret {name} is deleted.")


def _vault(folder: Path) -> Vault:
    from whereupon.storage.folder import opened

    return opened(folder).vault()


def _value(name: str) -> str:
    if sys.stdin.isatty():
        value = str(typer.prompt(f"Value of {name}", hide_input=True))
    else:
        value = sys.stdin.read().removesuffix("\n").removesuffix("\r")
    if not value:
        raise typer.BadParameter("The value is empty. Type it at the prompt, or send it to standard input.")
    return value

"""The system that a command works on: found by its folder, opened, and closed again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from whereupon.cli.boundary import Desk

if TYPE_CHECKING:
    from whereupon.engine.assembly import Workshop
    from whereupon.storage.repository import Repository

HERE = Path()
System = Annotated[
    Path,
    typer.Option(
        "--system", "-s", metavar="DIR", envvar="WHEREUPON_SYSTEM", show_default="the current folder",
        help="The system's folder.",
    ),
]  # fmt: skip
Json = Annotated[bool, typer.Option("--json", help="Say it as JSON, for scripts.")]


@dataclass(frozen=True, slots=True)
class Opened:
    """A system that a command works on: what its parts are made with, and its configuration."""

    shop: Workshop
    repository: Repository


@contextmanager
def opened(context: typer.Context, folder: Path) -> Iterator[Opened]:
    """The system in a folder; raises SetupError if there is none. Its databases are closed at the end."""
    from whereupon.service.runner import workshop
    from whereupon.storage import folder as folders
    from whereupon.storage.repository import Repository

    desk: Desk = context.obj
    shop = workshop(folders.opened(folder), desk.redactor)
    repository = Repository(shop.databases.system, shop.registry, shop.vault, clock=shop.clock)
    try:
        yield Opened(shop, repository)
    finally:
        repository.close()
        for database in (shop.databases.system, shop.databases.pull_marketing, shop.databases.streams):
            database.close()


def author() -> str:
    """Who changes something by the command line: the user of the operating system."""
    from whereupon.host.processes import user_name

    return user_name()

"""The command that shows the whole thing at work, without any server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from whereupon.cli.boundary import FAILED
from whereupon.cli.systems import Json


def demo(
    events: Annotated[
        int, typer.Option("--events", min=1, max=1_000_000, help="How many events are sent.")
    ] = 300,
    keep: Annotated[
        Path | None,
        typer.Option("--keep", metavar="DIR", help="Make the system there, and leave it for you."),
    ] = None,
    kafka: Annotated[
        str,
        typer.Option(
            "--kafka", metavar="HOST:PORT", help="Take the events from your Kafka, without TLS or login."
        ),
    ] = "",
    as_json: Json = False,
) -> None:
    """Watch sign-ins and registrations turn into personal messages. Needs no server, and leaves nothing behind.

    It makes the TealHols system in a temporary folder, fills its store, starts the service as a process of its own,
    a mail catcher and a small ESP, sends events, shows what becomes of each, and sums it up. With --json the last line
    is the summary as one JSON object. Ends with 1 if an event is not accounted for.
    """
    from whereupon.demo.stage import Wishes, show

    if not show(Wishes(events=events, keep=keep, kafka=kafka, as_json=as_json)):
        raise typer.Exit(FAILED)

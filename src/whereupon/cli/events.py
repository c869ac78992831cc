"""The commands about streams: send events into one, and decide where one goes on."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing
from enum import StrEnum
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from whereupon.cli.showing import counted, note, say_json
from whereupon.cli.systems import HERE, Json, System, author, opened
from whereupon.model.errors import SetupError

commands = typer.Typer(name="events", help="Send events into a stream.", no_args_is_help=True)
AT_ONCE = 1 << 16
"""Bytes that are read at most before what is whole of them is sent."""


class Place(StrEnum):
    """Where a stream goes on."""

    earliest = "earliest"
    latest = "latest"


Stream = Annotated[str, typer.Argument(metavar="STREAM", help="The stream's name.")]


@commands.command("send")
def send(
    context: typer.Context,
    stream: Stream,
    file: Annotated[
        Path, typer.Argument(metavar="[FILE]", help="One event a line, as JSON; - is standard input.")
    ] = Path("-"),
    system: System = HERE,
    as_json: Json = False,
) -> None:
    """Send events into a stream, one a line. They are durable when this returns.

    They are sent as they come, even where they are no JSON: so one sees what becomes of them.
    """
    from whereupon.engine.feeding import Feed

    with (
        opened(context, system) as there,
        closing(Feed(there.shop, there.repository.setup(), stream)) as feed,
    ):
        sent = sum(feed.send(some) for some in _lines(file))
    if as_json:
        say_json({"stream": stream, "sent": sent})
    else:
        note(f"{counted(sent, 'event')} sent to {stream}.")


@commands.callback()
def _events() -> None:
    """Send events into a stream."""


def go_on(
    context: typer.Context,
    stream: Stream,
    place: Annotated[
        Place, typer.Option("--from", help="With the oldest event that is there, or the next new one.")
    ],
    system: System = HERE,
) -> None:
    """Decide where a stream goes on whose topic was made anew, or whose events were deleted before they were read.

    It waits until that is decided, because its place says nothing about the new events. Events that were decided
    before are recognised by their own ids, where they have such. How many were never read, `activity` tells then.
    """
    from whereupon.engine.feeding import begin_anew

    with opened(context, system) as there:
        begin_anew(there.shop, there.repository, stream, start=place.value, author=author())
    note(f"{stream} goes on with the {place.value} event.")


def _lines(file: Path) -> Iterator[list[bytes]]:
    if str(file) == "-":
        yield from _whole_lines(sys.stdin.buffer)
        return
    try:
        with file.open("rb") as source:
            yield from _whole_lines(source)
    except OSError as error:
        raise SetupError(
            f"{file} can't be read: {error.strerror}.", hint="Check its name and place."
        ) from error


def _whole_lines(source: BinaryIO) -> Iterator[list[bytes]]:
    """What is there at once, line by line: a pipe's events don't wait for the pipe's end."""
    read = getattr(source, "read1", source.read)
    rest = b""
    while some := read(AT_ONCE):
        *whole, rest = (rest + some).split(b"\n")
        if events := [each.strip() for each in whole if each.strip()]:
            yield events
    if rest.strip():
        yield [rest.strip()]

"""How commands show things: lines of JSON for scripts, tables and times for people."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, is_dataclass
from datetime import UTC, datetime

import typer

# All that steers a terminal or turns its letters round, but line ends and tabs.
_STEERING = re.compile("[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\u2028-\\u202e\\u2066-\\u2069]")


def say(words: str = "") -> None:
    """A line on standard output."""
    typer.echo(harmless(words))


def note(words: str) -> None:
    """A line beside the result, on standard error."""
    typer.echo(harmless(words), err=True)


def harmless(words: str) -> str:
    """Words with what would steer a terminal spelled out: whoever sends an event chooses what stands in it."""
    return _STEERING.sub(lambda found: found[0].encode("unicode_escape").decode(), words)


def say_json(value: object) -> None:
    """A value as one line of JSON."""
    plain = asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
    typer.echo(json.dumps(plain, ensure_ascii=False, default=str))


def say_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Rows under their headings, in columns that fit the terminal."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*columns, box=SIMPLE_HEAD, pad_edge=False)
    for row in rows:
        table.add_row(*(Text(harmless(str(each))) for each in row))
    Console().print(table)


def moment(milliseconds: int | None) -> str:
    """A time (UTC ms) as this computer's clock shows it."""
    if not milliseconds:
        return "–"
    return datetime.fromtimestamp(milliseconds / 1000, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def counted(number: int, one: str, several: str = "") -> str:
    """A number with its noun: 1 event, 2,000 events."""
    return f"{number:,} {one if number == 1 else several or one + 's'}"

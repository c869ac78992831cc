"""The command that fills in templates, to try them out."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from whereupon.cli.boundary import FAILED
from whereupon.cli.showing import say
from whereupon.model.errors import SetupError


def render(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="A template; - is standard input.")
    ] = None,
    context: Annotated[
        Path | None, typer.Option("--context", metavar="FILE", help="A JSON object with the values.")
    ] = None,
    cases: Annotated[
        Path | None,
        typer.Option(
            "--cases", metavar="FILE", help='Compare templates with what they should give: {"cases": [...]}.'
        ),
    ] = None,
) -> None:
    """Fill in a Velocity template and print the result, and nothing else.

    With --cases, print each case that doesn't hold, and at the end how many do; ends with 1 if one doesn't.
    """
    if (file is None) == (cases is None):
        raise typer.BadParameter(
            "Name a template (FILE --context FILE) or cases (--cases FILE), one of them."
        )
    if cases is not None:
        _compare(cases)
    elif file is not None:
        _fill(file, context)


def _fill(file: Path, context: Path | None) -> None:
    from whereupon.model.velocity import parse

    text = parse(_text(file)).render(_object(context) if context is not None else {})
    sys.stdout.write(text)
    if sys.stdout.isatty() and not text.endswith("\n"):
        sys.stdout.write("\n")


def _compare(cases: Path) -> None:
    from whereupon.model.velocity.cases import differences

    found, count = differences(_object(cases))
    for each in found:
        say(each)
    say(f"{count - len(found)} of {count} hold")
    if found:
        raise typer.Exit(FAILED)


def _object(path: Path) -> Mapping[str, object]:
    try:
        value = json.loads(_text(path))
    except ValueError as error:
        raise SetupError(f"{path} is no JSON: {error}.", hint="Put that place right.") from None
    if not isinstance(value, dict):
        raise SetupError(f"{path} holds no JSON object.", hint='Write it like {"firstname": "Ada"}.')
    return value


def _text(path: Path) -> str:
    try:
        data = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
        return data.decode("utf-8-sig")
    except OSError as error:
        raise SetupError(
            f"{path} can't be read: {error.strerror}.", hint="Check its name and place."
        ) from error
    except UnicodeDecodeError as error:
        raise SetupError(f"{path} is not UTF-8 (byte {error.start}).", hint="Save it as UTF-8.") from None

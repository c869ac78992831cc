"""Settings as people paste them from documents: JSON with curly quotes, missing braces or a comma too many."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from whereupon.model.errors import SetupError

_CURLY = str.maketrans(dict.fromkeys("“”„‟«»″", '"'))
_STRING = re.compile(r'("(?:[^"\\\n]|\\.)*")')
_COMMA = re.compile(r",(\s*(?:[}\]]|$))")
_CLOSING = {"{": "}", "[": "]"}


@dataclass(frozen=True, slots=True)
class Repaired:
    """A JSON value, and in words what had to be repaired to read it (nothing = it was sound)."""

    value: object
    repairs: tuple[str, ...] = ()


def repair_json(text: str) -> Repaired:
    """Read JSON that a person pasted; raises SetupError with line and column if it can't be repaired.

    Repaired is what documents print: curly quotes, a missing opening or closing brace, a comma before a closing brace
    or at the end; a byte order mark and spaces that don't break are left out silently. Text in straight quotes stays as
    it is.
    """
    text = text.lstrip("\ufeff").replace("\xa0", " ")
    try:
        return Repaired(_read(text))
    except (ValueError, RecursionError):
        pass
    repairs: list[str] = []
    added = ""
    for said, repair in (
        ("curly quotes made straight", _straight_quotes),
        ("a comma at the end left out", _without_commas),
        ("the missing opening brace added", _opened),
        ("the missing closing brace added", _closed),
        ("a comma at the end left out", _without_commas),
    ):
        repaired = repair(text)
        if repaired != text:
            repairs.append(said)
            added = "{" if repair is _opened else added
        text = repaired
    try:
        return Repaired(_read(text), tuple(dict.fromkeys(repairs)))
    except json.JSONDecodeError as error:
        column = error.colno - (len(added) if error.lineno == 1 else 0)
        raise SetupError(
            f"The JSON can't be read: line {error.lineno}, column {column}: {error.msg}.",
            hint='Write it like {"Topic": "sign-ins"}: names and texts in quotes, a comma between two settings.',
        ) from None
    except (ValueError, RecursionError) as error:
        raise SetupError(f"The JSON can't be read: {error}.", hint="Use plain texts and numbers.") from None


def _read(text: str) -> object:
    return json.loads(text, parse_constant=_no_number)


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number that JSON knows")


def _outside(text: str, change: Callable[[str], str]) -> str:
    """Change what stands outside of texts in straight quotes."""
    pieces = _STRING.split(text)
    return "".join(piece if number % 2 else change(piece) for number, piece in enumerate(pieces))


def _straight_quotes(text: str) -> str:
    return _outside(text, lambda piece: piece.translate(_CURLY))


def _without_commas(text: str) -> str:
    """A comma that a closing brace or the end follows; texts are hidden behind quotes, so none of theirs counts."""
    pieces = _STRING.split(text)
    last = len(pieces) - 1
    for number in range(0, last + 1, 2):
        pieces[number] = _COMMA.sub(
            lambda found, ends=number == last: found[0] if not ends and not found[1].strip() else found[1],
            pieces[number],
        )
    return "".join(pieces)


def _opened(text: str) -> str:
    return "{" + text if text.lstrip().startswith('"') and ":" in _STRING.sub("", text) else text


def _closed(text: str) -> str:
    missing: list[str] = []
    for character in _STRING.sub("", text):
        if character in _CLOSING:
            missing.append(_CLOSING[character])
        elif missing and character == missing[-1]:
            missing.pop()
    return text.rstrip() + "".join(reversed(missing)) if missing else text

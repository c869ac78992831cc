"""Java's `split` on patterns simple enough to be safe on any text."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from whereupon.model.velocity.errors import RenderError

# A repeated part of a pattern can look at each character once for each place it starts from.
LONGEST_FOR_REPEATS: Final = 4_000

# A plain character, an escaped one or a class in brackets, perhaps repeated.
_ATOM: Final = re.compile(
    r"(?P<one>[^\\\[\](){}|^$.*+?]|\.|\\[^A-Za-z0-9]|\\[tnrsSdDwW]|\[\^?(?:[^\\\[\]^&]|\\[^A-Za-z0-9]|\\[tnrsdw])+\])"
    r"(?P<times>[*+?]?)"
)


def split(text: str, pattern: str, limit: int = 0) -> list[str]:
    """The parts between what the pattern finds; 0 leaves out empty ones at the end, as Java's `split` does."""
    finder, repeats = _compiled(pattern)
    if repeats and len(text) > LONGEST_FOR_REPEATS:
        raise RenderError(
            "The text is too long for this split.", hint="Split at a plain text, without * + and ?."
        )
    parts: list[str] = []
    start = 0
    for found in finder.finditer(text):
        if len(parts) == limit - 1:
            break
        if found.end() > 0:
            parts.append(text[start : found.start()])
            start = found.end()
    if not parts:
        return [text]
    parts.append(text[start:])
    while limit == 0 and parts and not parts[-1]:
        parts.pop()
    return parts


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> tuple[re.Pattern[str], bool]:
    atoms: list[str] = []
    repeats = False
    place = 0
    while place < len(pattern):
        atom = _ATOM.match(pattern, place)
        if atom is None:
            raise RenderError(
                "The text to split at is a pattern that isn't supported.",
                hint="Split at a plain text, and write \\\\ before a sign such as | or *.",
            )
        # Possessive: what is repeated is never given back, so that no pattern can take for ever.
        atoms.append(atom["one"] + (atom["times"] and atom["times"] + "+"))
        repeats = repeats or bool(atom["times"])
        place = atom.end()
    return re.compile("".join(atoms), re.ASCII), repeats

"""What no log, traceback or error may show: secrets by name, by shape and by value."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Mapping
from urllib.parse import quote, quote_plus

HIDDEN = "•••"
# A shorter value would stand in half of all words; its name and shape are still looked at.
_SHORTEST = 4

_SECRET_NAME = re.compile(
    r"passw(?:or)?d|passphrase|secret|token|authori[sz]ation|credential|(?<![a-z])(?:pwd|sasl|p8|api_?key|key)(?![a-z])",
    re.IGNORECASE,
)
_WORD_BORDER = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_VALUE = r"""(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|\{[^}]*\}|[^\s;,&"'})\]]+)"""

# Shapes, in the order they are looked for; each keeps its first group, which tells what was hidden.
_SHAPES = tuple(
    re.compile(shape, re.IGNORECASE | re.DOTALL)
    for shape in (
        r"()-----BEGIN [A-Z0-9 ]+-----.*?(?:-----END [A-Z0-9 ]+-----|\Z)",
        r"""(authorization["']?\s*[:=]\s*["']?)(?:(?:basic|bearer|digest)\s+)?[^\s"',;]+""",
        r"(\bbearer\s+)[\w.~+/=-]{8,}",
        r"()\beyJ[\w-]{5,}\.[\w-]+(?:\.[\w-]*)?",
        r"""(\b[a-z][a-z0-9+.-]{0,20}://)[^\s:/?#"'@]*:(?!\d{1,5}[/?#])[^\s"']*(?=@)""",
        # What stands alone before the @ of an address is a token; in a database's connection string it is a user.
        r"""(\b(?!postgres|mssql|sqlserver)[a-z][a-z0-9+.-]{0,20}://)[^\s/?#"'@]+(?=@)""",
        # ${secret:NAME} only mentions one.
        r"""((?<!\$\{)(?:passw(?:or)?d|passphrase|secret|token|api_?key|(?<![a-z])pwd|[._-]key)[\w.-]{0,40}["']?\s*[=:]\s*)"""
        + _VALUE,
    )
)
# Card numbers begin with 2 to 6; times in milliseconds, which are as long, begin with 1.
_CARD = re.compile(r"(?<![\w.])[2-6]\d(?:[ -]?\d){11,17}(?![\w])")


class Redactor:
    """Hides secrets in texts and values. Knows the current ones by `add`; any thread may call it."""

    def __init__(self) -> None:
        self._adding = threading.Lock()
        self._known: tuple[str, ...] = ()
        self._exact: re.Pattern[str] | None = None

    def add(self, value: str) -> None:
        """Hide this very value from now on, wherever it stands, also as JSON and URLs write it."""
        if len(value) < _SHORTEST:
            return
        written = {
            value,
            json.dumps(value)[1:-1],
            json.dumps(value, ensure_ascii=False)[1:-1],
            repr(value)[1:-1],
        }
        written |= {quote(value, safe=""), quote(value), quote_plus(value)}
        with self._adding:
            # The longest first: one secret may begin with another.
            self._known = tuple(sorted({*self._known, *written}, key=len, reverse=True))
            self._exact = re.compile("|".join(map(re.escape, self._known)))

    def text(self, text: str) -> str:
        """The text with every secret in it hidden."""
        if self._exact is not None:
            text = self._exact.sub(HIDDEN, text)
        for shape in _SHAPES:
            text = shape.sub(rf"\g<1>{HIDDEN}", text)
        return _CARD.sub(_without_card, text)

    def value(self, value: object) -> object:
        """A copy of a value for a log, of mappings, lists, texts and numbers, with every secret hidden."""
        if value is None or isinstance(value, bool | float):
            return value
        if isinstance(value, int):
            # Long whole numbers can be cards.
            shown = self.text(str(value))
            return value if shown == str(value) else shown
        if isinstance(value, Mapping):
            return {str(name): self._named(str(name), each) for name, each in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self.value(each) for each in value]
        return self.text(value if isinstance(value, str) else str(value))

    def _named(self, name: str, value: object) -> object:
        if value not in (None, "", b"") and names_a_secret(name):
            return HIDDEN
        return self.value(value)


def names_a_secret(name: str) -> bool:
    """True if a setting or field of this name holds a secret: *password*, *token*, *sasl*, … or the word *key*."""
    return _SECRET_NAME.search(_WORD_BORDER.sub("_", name)) is not None


def _without_card(found: re.Match[str]) -> str:
    digits = [int(each) for each in reversed(found[0]) if each.isdigit()]
    doubled = sum(digit * 2 - 9 * (digit > 4) for digit in digits[1::2])
    return HIDDEN if (sum(digits[::2]) + doubled) % 10 == 0 else found[0]

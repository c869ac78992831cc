"""Makes curly quotes straight where a template means code, and leaves them where it means prose."""

from __future__ import annotations

import re
from typing import Final

SINGLE: Final = "'‘’‚‛"
DOUBLE: Final = '"“”„‟'

# Where code begins: ${, a method or an index, a directive with its bracket. It ends with that bracket.
_CODE: Final = re.compile(
    r"\$!?\{|\$!?[A-Za-z_]\w*(?:(?:\.[A-Za-z_]\w*)+\(|(?:\.[A-Za-z_]\w*)*\[)"
    r"|#\{?(?:if|elseif|set|foreach|break|stop)\}?[ \t]*\(",
    re.ASCII,
)
_GOES_ON: Final = re.compile(r"(?:\.[A-Za-z_]\w*)*[(\[]", re.ASCII)
_BRACKETS: Final = re.compile(r"[(\[{]|[)\]}]|[\r\n]|['‘’‚‛\"“”„‟]")
# A quote closes a text where something that may follow a text comes next: “say "hi"”) ends with the third.
_NEXT: Final = r"(?=[ \t]*(?:[,)\]}:|=!<>&+*/%-]|(?:and|or|eq|ne|lt|le|gt|ge)\b))"
_CLOSING: Final = {"'": re.compile(f"[{SINGLE}]{_NEXT}"), '"': re.compile(f"[{DOUBLE}]{_NEXT}")}
_LINE_END: Final = re.compile(r"[\r\n]|\Z")


def repair_quotes(source: str) -> tuple[str, tuple[str, ...]]:
    """The template with straight quotes inside of references and directives, and what was repaired, in words."""
    reader = _Reader(source)
    while code := _CODE.search(source, reader.at):
        reader.keep(code.end())
        reader.code()
    reader.keep(len(source))
    return "".join(reader.parts), tuple(reader.repaired)


class _Reader:
    """Copies a template piece by piece."""

    def __init__(self, source: str) -> None:
        self.parts: list[str] = []
        self.repaired: list[str] = []
        self.at = 0
        self._source = source
        self._end = -1

    def keep(self, end: int) -> None:
        """Takes everything up to `end` as it is."""
        self.parts.append(self._source[self.at : end])
        self.at = end

    def code(self) -> None:
        """Goes on to the bracket that closes the code, or to the end of the line."""
        depth = 1
        while depth and (sign := _BRACKETS.search(self._source, self.at)):
            self.keep(sign.start())
            found = sign.group()
            if found in SINGLE + DOUBLE:
                self._quoted(found)
                continue
            if found in "\r\n":
                return
            self.keep(sign.end())
            depth += 1 if found in "([{" else -1
            if not depth and (more := _GOES_ON.match(self._source, self.at)):
                self.keep(more.end())
                depth = 1

    def _quoted(self, opening: str) -> None:
        straight = "'" if opening in SINGLE else '"'
        closing = self._closing(opening, straight)
        if closing < 0:
            self.keep(self._line_end())
            return
        text = self._source[self.at + 1 : closing]
        if opening == straight == self._source[closing]:
            self.keep(closing + 1)
            return
        self.repaired.append(f"The curly quotes around {text} were made straight.")
        self.parts.append(straight + text.replace(straight, 2 * straight) + straight)
        self.at = closing + 1

    def _closing(self, opening: str, straight: str) -> int:
        """Where a quoted text ends: a straight quote ends with a straight one, if there is one on the line."""
        begin, end = self.at + 1, self._line_end()
        found = self._source.find(straight, begin, end) if opening == straight else -1
        if found >= 0:
            return found
        closing = _CLOSING[straight].search(self._source, begin, end)
        return closing.start() if closing else -1

    def _line_end(self) -> int:
        if self.at > self._end:
            found = _LINE_END.search(self._source, self.at)
            self._end = found.start()  # type: ignore[union-attr]
        return self._end

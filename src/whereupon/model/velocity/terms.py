"""Reads references and expressions from the text of a template, in one pass from left to right."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from whereupon.model.velocity.arithmetic import MOST_DIGITS
from whereupon.model.velocity.errors import TemplateError
from whereupon.model.velocity.expressions import (
    AllOf,
    AnyOf,
    Calculation,
    Call,
    Compared,
    Constant,
    Index,
    Interpolated,
    Items,
    Negative,
    Node,
    Not,
    Pairs,
    Property,
    Range,
    Reference,
    Step,
)
from whereupon.model.velocity.findings import Findings
from whereupon.model.velocity.scope import Scope

# Parts inside of parts: blocks, brackets, arguments and texts in double quotes.
DEEPEST: Final = 20

CURLY_QUOTES: Final = "‘’‚‛“”„‟"

# The signs before a name that Velocity takes into a reference: $$!x is a $ and $!x.
DOLLARS: Final = re.compile(r"(?:\\*\$(?:\\*!)?)++(?=\{?[A-Za-z_])")

_SPACE: Final = re.compile(r"[ \t\r\n]*")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_STEP: Final = re.compile(r"\.(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<call>\(?)|\[")
_QUOTED: Final = re.compile(r"'[^']*+(?:''[^']*+)*+'|\"[^\"]*+(?:\"\"[^\"]*+)*+\"")
_NUMBER: Final = re.compile(
    r"-?[0-9]++(?=\.\.)|-?(?:(?P<decimal>[0-9]++\.[0-9]*+|\.[0-9]++)|[0-9]++)(?P<exponent>[eE][+-]?[0-9]++)?"
)
_MINUS_STUCK: Final = re.compile(r"-\.?[0-9]")
_UNICODE: Final = re.compile(r"\\u(?P<code>[0-9a-fA-F]{4})?")
_OPERATOR: Final = re.compile(
    r"(?P<sign>\|\||&&|==|!=|<=|>=|[<>+*/%]|-(?!\.?[0-9]))|(?P<word>and|or|eq|ne|lt|le|gt|ge)(?![A-Za-z0-9_])"
)
_NOT: Final = re.compile(r"(?:!|not(?![A-Za-z0-9_]))[ \t\r\n]*")
_WORDS: Final = {
    "and": "&&",
    "or": "||",
    "eq": "==",
    "ne": "!=",
    "lt": "<",
    "le": "<=",
    "gt": ">",
    "ge": ">=",
}

# From what binds least to what binds most.
_LEVELS: Final = (
    frozenset({"||"}),
    frozenset({"&&"}),
    frozenset({"==", "!="}),
    frozenset({"<", "<=", ">", ">="}),
    frozenset({"+", "-"}),
    frozenset({"*", "/", "%"}),
)


def _beginning() -> tuple[int, int]:
    return 1, 1


class Terms(ABC):
    """Where the reading of one template stands, and how to read references and expressions there."""

    def __init__(
        self,
        source: str,
        *,
        findings: Findings,
        start: Callable[[], tuple[int, int]] = _beginning,
        depth: int = 0,
    ) -> None:
        self.source = source
        self.at = 0
        self.depth = depth
        self.deepest = depth
        self.findings = findings
        self._start = start

    def place(self, at: int) -> tuple[int, int]:
        """Line and column of a position in the text, both from 1."""
        line, column = self._start()
        breaks = self.source.count("\n", 0, at)
        return line + breaks, at - self.source.rfind("\n", 0, at) + (0 if breaks else column - 1)

    def error(self, message: str, *, hint: str, at: int | None = None) -> TemplateError:
        """An error that names the place."""
        line, column = self.place(self.at if at is None else at)
        return TemplateError(message, hint=hint, line=line, column=column)

    def unexpected(self, wanted: str) -> TemplateError:
        """An error for what stands here instead of what is wanted."""
        rest = self.source[self.at : self.at + 12].split("\n")[0]
        if rest[:1] and rest[0] in CURLY_QUOTES:
            return self.error(
                f"The quote {rest[0]} is curly.", hint="Use straight quotes: 'text' or \"text\"."
            )
        if _MINUS_STUCK.match(rest):
            return self.error("The minus sign sticks to its number.", hint="Write spaces around it: $n - 1.")
        found = f"there is {rest!r}" if rest else "the template ends"
        return self.error(
            f"{wanted} is missing: {found}.", hint="Complete it, or write \\ before the $ or #."
        )

    @contextmanager
    def deeper(self) -> Iterator[None]:
        """Reads a part inside of another one."""
        self.depth += 1
        self.deepest = max(self.deepest, self.depth)
        if self.depth > DEEPEST:
            raise self.error("The template is nested too deeply.", hint=f"Nest at most {DEEPEST} parts.")
        yield
        self.depth -= 1

    def skip_space(self) -> None:
        """Goes on to what isn't a space or a line break."""
        self.at = self._matched(_SPACE).end()

    def here(self, text: str) -> bool:
        """Whether the text goes on like this."""
        return self.source.startswith(text, self.at)

    def take(self, text: str) -> bool:
        """Goes on behind `text`, if it stands here."""
        if self.here(text):
            self.at += len(text)
            return True
        return False

    def expect(self, text: str) -> None:
        """Goes on behind `text`, which has to stand here."""
        if not self.take(text):
            raise self.unexpected(text)

    def _matched(self, pattern: re.Pattern[str]) -> re.Match[str]:
        found = pattern.match(self.source, self.at)
        if found is None:
            raise self.unexpected("A value")
        return found

    # ------------------------------------------------------------------------------------------- references
    def reference(self, *, printed: bool = False) -> tuple[str, Reference]:
        """What stands before the last $, and the reference itself; `printed` where its value is put out."""
        before, reference = self.target()
        self.findings.found(reference, printed=printed)
        return before, reference

    def target(self) -> tuple[str, Reference]:
        """A reference that isn't asked for its value."""
        dollars = self._matched(DOLLARS)
        last = dollars.group().rindex("$")
        start = self.at + last
        self.at = dollars.end()
        formal = self.take("{")
        root = self._name()
        steps = self._steps()
        alternate = self._alternate() if formal else None
        return dollars.group()[:last], Reference(root, steps, alternate, source=self.source[start : self.at])

    def _name(self) -> str:
        name = self._matched(_NAME)
        self.at = name.end()
        return name.group()

    def _steps(self) -> list[Step]:
        steps: list[Step] = []
        while found := _STEP.match(self.source, self.at):
            self.at = found.end()
            if found["name"] is None:
                steps.append(Index(self._key()))
            elif found["call"]:
                steps.append(Call(found["name"], self._arguments()))
            else:
                steps.append(Property(found["name"]))
        return steps

    def _key(self) -> Node:
        with self.deeper():
            key = self.expression()
        self.expect("]")
        return key

    def _arguments(self) -> list[Node]:
        arguments: list[Node] = []
        with self.deeper():
            while not self.take(")"):
                if arguments:
                    self.expect(",")
                arguments.append(self.expression(words=True))
        return arguments

    def _alternate(self) -> Node | None:
        alternate = None
        if self.take("|"):
            with self.deeper():
                alternate = self.expression()
        self.expect("}")
        return alternate

    # ------------------------------------------------------------------------------------------ expressions
    def expression(self, *, words: bool = False) -> Node:
        """An expression with the spaces around it; `words`: a bare word is one too, without a value."""
        return self._level(0, words)

    def _level(self, level: int, words: bool) -> Node:
        if level == len(_LEVELS):
            return self._signed(words)
        first = self._level(level + 1, words)
        rest: list[tuple[str, Node]] = []
        while (operator := self._operator(_LEVELS[level])) is not None:
            rest.append((operator, self._level(level + 1, words)))
        if not rest:
            return first
        return _joined(level, first, rest)

    def _operator(self, wanted: frozenset[str]) -> str | None:
        found = _OPERATOR.match(self.source, self.at)
        if found is None:
            return None
        sign = found["sign"] or _WORDS[found["word"]]
        if sign not in wanted:
            return None
        self.at = found.end()
        return sign

    def _signed(self, words: bool) -> Node:
        self.skip_space()
        negations = 0
        while not self.here("!=") and (found := _NOT.match(self.source, self.at)):
            self.at = found.end()
            negations += 1
        negative = not _NUMBER.match(self.source, self.at) and self.take("-")
        self.skip_space()
        node = self._primary(words)
        self.skip_space()
        node = Negative(node) if negative else node
        return node if not negations else Not(node) if negations % 2 else Not(Not(node))

    def _primary(self, words: bool) -> Node:
        sign = self.source[self.at : self.at + 1]
        reader = self._readers().get(sign)
        if reader is not None:
            return reader()
        if sign in {"$", "\\"}:
            return self.reference()[1]
        if word := _NAME.match(self.source, self.at):
            return self._word(word.group(), words)
        return self._number()

    def _readers(self) -> dict[str, Callable[[], Node]]:
        return {"'": self._quoted, '"': self._quoted, "[": self._list, "{": self._map, "(": self._group}

    def _word(self, word: str, words: bool) -> Node:
        if word in {"true", "false"}:
            self.at += len(word)
            return Constant(word == "true", word)
        if not words:
            raise self.error(
                f"The word {word} stands alone.", hint=f"Write '{word}' for a text, ${word} for a field."
            )
        self.at += len(word)
        return Constant(None, word)

    def _number(self) -> Node:
        number = self._matched(_NUMBER)
        if len(number.group()) > MOST_DIGITS:
            raise self.error("The number is too long.", hint="Use a smaller number.")
        self.at = number.end()
        whole = not (number["decimal"] or number["exponent"])
        return Constant(int(number.group()) if whole else float(number.group()), number.group())

    def _quoted(self) -> Node:
        quoted = _QUOTED.match(self.source, self.at)
        if quoted is None:
            sign = self.source[self.at]
            raise self.error(
                "The text has no closing quote.", hint=f"Close it with a straight quote: {sign}."
            )
        self.at = quoted.end()
        quote, text = quoted.group()[0], quoted.group()[1:-1]
        if quote == "'":
            return Constant(text.replace("''", "'"), quoted.group())
        text = self._unescaped(text, quoted.start()).replace('""', '"')
        if "$" not in quoted.group() and "#" not in quoted.group():
            return Constant(text, quoted.group())
        with self.deeper():
            return Interpolated(self.inner(text, quoted.start() + 1), quoted.group())

    @abstractmethod
    def inner(self, text: str, at: int) -> Callable[[Scope], None]:
        """Reads a text in double quotes that begins at `at`, a small template of its own."""

    def _unescaped(self, text: str, start: int) -> str:
        def sign(found: re.Match[str]) -> str:
            if found["code"] is None:
                raise self.error(
                    "\\u needs four hexadecimal digits.", hint="Write the sign itself.", at=start
                )
            return chr(int(found["code"], 16))

        return _UNICODE.sub(sign, text)

    def _group(self) -> Node:
        self.expect("(")
        with self.deeper():
            node = self.expression()
        self.expect(")")
        return node

    def _list(self) -> Node:
        start = self.at
        self.expect("[")
        if self.take("]"):
            return Items(())
        with self.deeper():
            items = [self.item()]
            if _bound(items[0]) and self.take(".."):
                return self._range(items[0], start)
            while self.take(","):
                items.append(self.item())
        self.expect("]")
        return Items(items)

    def _range(self, first: Node, start: int) -> Node:
        last = self.item()
        if not _bound(last):
            raise self.error(
                "A range ends with something that is no number.", hint="Write it as [1..3] or [1..$n]."
            )
        self.expect("]")
        return Range(first, last, self.source[start : self.at])

    def _map(self) -> Node:
        self.expect("{")
        self.skip_space()
        if self.take("}"):
            return Pairs(())
        with self.deeper():
            pairs = [self._pair()]
            while self.take(","):
                pairs.append(self._pair())
        self.expect("}")
        return Pairs(pairs)

    def _pair(self) -> tuple[Node, Node]:
        key = self.item()
        self.expect(":")
        return key, self.item()

    def item(self, *, words: bool = False) -> Node:
        """A single value without operators, with the spaces around it: an item of a list or of a directive."""
        self.skip_space()
        if self.here("("):
            raise self.unexpected("A single value")
        node = self._primary(words)
        self.skip_space()
        return node


def _joined(level: int, first: Node, rest: list[tuple[str, Node]]) -> Node:
    nodes = [first, *(node for _, node in rest)]
    if level == 0:
        return AnyOf(nodes)
    if level == 1:
        return AllOf(nodes)
    return Compared(first, rest) if level <= 3 else Calculation(first, rest)


def _bound(node: Node) -> bool:
    """Whether a range may begin or end with it."""
    return isinstance(node, Reference) or (isinstance(node, Constant) and type(node.constant) is int)

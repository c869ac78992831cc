"""Reads a whole template: plain text, references, directives and the white space that belongs to them."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import groupby
from typing import Final

from whereupon.model.velocity.expressions import Constant, Node
from whereupon.model.velocity.scope import Scope
from whereupon.model.velocity.statements import Block, End, Foreach, If, Leave, Output, Set, Statement
from whereupon.model.velocity.terms import DOLLARS, Terms

_TEXT: Final = re.compile(r"[^$#\\]*+")
_WORD: Final = re.compile(r"#(?:\{(?P<braced>[A-Za-z_@][A-Za-z0-9_]*)\}|(?P<word>[A-Za-z_@][A-Za-z0-9_]*))")
_SLASHES: Final = re.compile(r"\\+")
_ALL_DOLLARS: Final = re.compile(r"(?:\\*\$(?:\\*!)?)++")
# Velocity loses the ! of a $! that is no reference, and a sign behind \\$, unless one of these follows.
_KEPT_SIGNS: Final = re.compile(r"[ \t]*[\r\n]|\Z|[{}#\[]")
_LOST_SIGNS: Final = re.compile(r"(\\+\$).?|[\\!]")
_OPEN: Final = re.compile(r"[ \t\r\n]*\(")
_OPEN_HERE: Final = re.compile(r"[ \t]*\(")
_LINE_END: Final = re.compile(r"[ \t]*(?:\r\n|\r|\n)")
# In a comment #* is read as one sign, so that #*# does not end it.
_BLOCK_COMMENT: Final = re.compile(r"#\*(?:#\*|[^#*]|\*(?!#)|#)*+(?:\*#)?")
_LINE_COMMENT: Final = re.compile(r"##[^\r\n]*+(?:\r\n|\r|\n)?")
_COMMA: Final = re.compile(r"[ \t\r\n]*(?:,[ \t\r\n]*)?")

_BRANCHES: Final = frozenset({"if", "elseif", "else", "end"})
_FORBIDDEN: Final = frozenset({"define", "parse", "include", "evaluate", "macro"})
_NAMED: Final = frozenset({"foreach", "break", "stop"}) | _FORBIDDEN
# With a backslash before them these lose it; anything else behind # is plain text.
_DIRECTIVES: Final = _BRANCHES | _NAMED | {"set"}


class Grammar(Terms):
    """Reads statements. `fresh` tells that nothing but directives stands before on the line."""

    fresh = True

    def template(self) -> Block:
        """All of the text."""
        return self._block(())[0]

    def inner(self, text: str, at: int) -> Callable[[Scope], None]:
        # Lines are counted only when an error needs them: counting for each text would take for ever.
        reader = Grammar(text, findings=self.findings, start=lambda: self.place(at), depth=self.depth)
        block = reader.template()
        self.deepest = max(self.deepest, reader.deepest)
        return block.render

    def _block(self, closers: tuple[str, ...]) -> tuple[Block, str]:
        """Everything up to one of the closing words, and which one it was; without them up to the end."""
        parts: list[str | Statement] = []
        start = self.at
        with self.deeper():
            while True:
                word = self._text(parts)
                if word in closers or self.at == len(self.source):
                    break
                self._statement(word, parts)
        if closers and word not in closers:
            raise self.error(
                "A directive has no #end.", hint="Close each #if and #foreach with #end.", at=start
            )
        return Block(_gathered(parts)), word

    def _text(self, parts: list[str | Statement]) -> str:
        """Plain text up to the next sign that means something; gives the word of a directive, or nothing."""
        text = self._matched(_TEXT).group()
        self.at += len(text)
        word = self._word_here()
        body = text.rstrip(" \t")
        if word in _DIRECTIVES and (body.endswith(("\n", "\r")) or (self.fresh and not body)):
            text = body
        if text:
            parts.append(text)
            self.fresh = text.endswith(("\n", "\r"))
        return word

    def _word_here(self) -> str:
        found = _WORD.match(self.source, self.at)
        if found is None:
            return ""
        word = found["braced"] or found["word"]
        return "" if word == "set" and not _OPEN_HERE.match(self.source, found.end()) else word

    def _statement(self, word: str, parts: list[str | Statement]) -> None:
        if word:
            self._directive(word, parts)
        elif self.here("#"):
            parts.append(self._hash())
        elif found := _ALL_DOLLARS.match(self.source, self.at):
            parts.append(self._dollars(found))
        else:
            parts.append(self._slashes())

    # ------------------------------------------------------------------------------------------------- signs
    def _hash(self) -> str:
        """A comment, a raw text between #[[ and ]]#, or a # that means nothing."""
        self.fresh = False
        if comment := _LINE_COMMENT.match(self.source, self.at):
            self.at = comment.end()
            self.fresh = True
            return ""
        if self.here("#[["):
            return self._raw()
        if comment := _BLOCK_COMMENT.match(self.source, self.at):
            self.at = comment.end()
            return ""
        self.at += 1
        return "#"

    def _raw(self) -> str:
        end = self.source.find("]]#", self.at)
        if end < 0:
            raise self.error("A raw text has no end.", hint="Close #[[ with ]]#.")
        text = self.source[self.at + 3 : end]
        self.at = end + 3
        return text

    def _dollars(self, found: re.Match[str]) -> str | Output:
        """A reference with the signs before it, or dollars that mean nothing."""
        self.fresh = False
        signs = found.group()
        if not DOLLARS.match(self.source, self.at):
            self.at = found.end()
            kept = _KEPT_SIGNS.match(self.source, self.at)
            return signs if kept else _LOST_SIGNS.sub(lambda lost: lost[1] or "", signs)
        if signs.endswith("\\!"):
            # $\!name is how Velocity lets one write $!name.
            self.at = found.end()
            start, slashes = signs.rsplit("$", 1)
            return f"{start}${slashes[1:]}"
        before, reference = self.reference(printed=True)
        rest = before.lstrip("\\")
        return Output(reference, len(before) - len(rest), rest)

    def _slashes(self) -> str:
        """Backslashes; before a directive an odd one makes it a text, and two stand for one."""
        self.fresh = False
        run = self._matched(_SLASHES).group()
        self.at += len(run)
        found = _WORD.match(self.source, self.at)
        word = (found["braced"] or found["word"]) if found else ""
        if found and len(run) % 2:
            self.at = found.end()
            return run[: len(run) // 2 if word in _DIRECTIVES else None] + found.group()
        halved = word in _BRANCHES or (word in _NAMED and found and not found["braced"])
        return run[: len(run) // 2] if halved else run

    # -------------------------------------------------------------------------------------------- directives
    def _directive(self, word: str, parts: list[str | Statement]) -> None:
        if word in _BRANCHES and word != "if":
            raise self.error(f"#{word} has no #if or #foreach before it.", hint=f"Take #{word} out.")
        if word in _FORBIDDEN or word.startswith("@"):
            raise self.error(
                f"#{word} can't be used here.", hint="Write what it stands for into the template itself."
            )
        readers = {
            "if": self._if,
            "foreach": self._foreach,
            "set": self._set,
            "break": self._leave,
            "stop": self._leave,
        }
        reader = readers.get(word)
        parts.append(reader() if reader else self._literal())

    def _skip_word(self) -> str:
        word = self._matched(_WORD)
        self.at = word.end()
        return word["braced"] or word["word"]

    def _open(self, example: str) -> None:
        found = _OPEN.match(self.source, self.at)
        if found is None:
            raise self.error("A directive has no bracket.", hint=f"Write it as {example}.")
        self.at = found.end()

    def _line_end(self) -> str:
        """The rest of the line, if only white space is left of it; it goes with the directive."""
        found = _LINE_END.match(self.source, self.at)
        if found is None:
            return ""
        self.at = found.end()
        self.fresh = True
        return found.group()

    def _close(self, fresh: bool) -> str:
        """The end of a directive; its line break goes with it if the directive began the line."""
        self.fresh = False
        return self._line_end() if fresh else ""

    def _if(self) -> Statement:
        fresh = self.fresh
        branches: list[tuple[Node, Block]] = []
        otherwise = None
        with self.findings.tests():
            word = self._skip_word()
            while word in {"if", "elseif"}:
                condition = self._condition()
                block, _ = self._block(("elseif", "else", "end"))
                branches.append((condition, block))
                word = self._skip_word()
            if word == "else":
                otherwise = self._else()
        self._close(fresh)
        return If(branches, otherwise)

    def _condition(self) -> Node:
        self._open("#if($name == 'text')")
        with self.findings.condition(), self.deeper():
            condition = self.expression()
        self.expect(")")
        self._line_end()
        return condition

    def _else(self) -> Block:
        self._line_end()
        block, _ = self._block(("end",))
        self._skip_word()
        return block

    def _foreach(self) -> Statement:
        fresh = self.fresh
        self._skip_word()
        name, items = self._loop()
        self._close(True)
        with self.findings.loop(name):
            block, _ = self._block(("else", "end"))
        otherwise = self._else() if self._skip_word() == "else" else None
        self._close(fresh)
        return Foreach(name, items, block, otherwise)

    def _loop(self) -> tuple[str, Node]:
        example = "#foreach($item in $list)"
        self._open(example)
        self.skip_space()
        target = self.target()[1]
        arguments = self._arguments_of_directive()
        if len(arguments) < 2 or not _is_word(arguments[0]) or _is_word(arguments[1]):
            raise self.error("#foreach doesn't say what to loop over.", hint=f"Write it as {example}.")
        return target.root, arguments[1]

    def _arguments_of_directive(self) -> list[Node]:
        """Values and words up to the closing bracket, with or without commas between them."""
        arguments: list[Node] = []
        self._skip_comma()
        while not self.take(")"):
            arguments.append(self.item(words=True))
            self._skip_comma()
        return arguments

    def _skip_comma(self) -> None:
        self.at = self._matched(_COMMA).end()

    def _set(self) -> Statement:
        fresh = self.fresh
        self._skip_word()
        self._open("#set($name = 'text')")
        self.skip_space()
        target = self.target()[1]
        self.skip_space()
        if self.here("==") or target.alternate is not None:
            raise self.unexpected("=")
        self.expect("=")
        with self.deeper():
            value = self.expression()
        self.expect(")")
        self.findings.assigned(target)
        self._close(fresh)
        return Set(target, value)

    def _leave(self) -> Statement:
        fresh = self.fresh
        stops = self._skip_word() == "stop"
        arguments: list[Node] = []
        if _OPEN.match(self.source, self.at):
            self._open("")
            arguments = self._arguments_of_directive()
        if len(arguments) > 1:
            raise self.error("The directive takes one value at most.", hint="Write #break or #stop.")
        self._close(fresh)
        return End() if stops else Leave(arguments[0] if arguments else None)

    def _literal(self) -> str:
        """A directive that nobody knows is plain text, as far as its closing bracket."""
        fresh, start = self.fresh, self.at
        self._skip_word()
        if _OPEN.match(self.source, self.at):
            self._open("")
            self._arguments_of_directive()
        return self.source[start : self.at] + self._close(fresh)


def _is_word(node: Node) -> bool:
    return isinstance(node, Constant) and node.constant is None


def _gathered(parts: list[str | Statement]) -> list[str | Statement]:
    """Texts that follow each other as one."""
    gathered: list[str | Statement] = []
    for is_text, group in groupby(parts, key=lambda part: isinstance(part, str)):
        if is_text:
            gathered.append("".join(map(str, group)))
        else:
            gathered.extend(group)
    return gathered

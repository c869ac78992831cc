"""YAML as plain data that remembers on which line each value stands."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, cast

import yaml

from whereupon.model.errors import Mistakes

Path: TypeAlias = tuple[str | int, ...]
LARGEST = 20_000_000
"""Bytes of a set-up file; far more than any system needs."""
MOST_VALUES = 500_000
DEEPEST = 50
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# What yaml's own writer leaves without quotes because it is a number is read as one, and nothing else.
_WHOLE = re.compile(r"[-+]?(0|[1-9][0-9]{0,300})")
_NUMBER = re.compile(r"([-+]?[0-9]+\.[0-9]*|\.[0-9]+)([eE][-+][0-9]+)?")
_WORDS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


@dataclass(frozen=True, slots=True)
class Document:
    """A YAML file's data. `lines` and `texts` map the path of a value to its line and, for plain ones, to its text.

    `mistakes` are those that leave the rest readable, such as a key that stands twice.
    """

    data: Any
    lines: dict[Path, int] = field(default_factory=dict)
    texts: dict[Path, str] = field(default_factory=dict)
    mistakes: list[str] = field(default_factory=list)

    def place(self, steps: Sequence[str | int]) -> Path:
        """As much of `steps` as stands in the file; steps that are none of the file's are passed over."""
        found: Path = ()
        for step in steps:
            if (*found, step) in self.lines:
                found = (*found, step)
        return found

    def line_of(self, words: Sequence[str]) -> int | None:
        """The line of what these names lead to, as far as they lead; None where the file has none of them."""
        here, path = self.data, cast(Path, ())
        for word in words:
            step = _step(here, word)
            if step is None:
                break
            here, path = here[step], (*path, step)
        return self.lines[path] if path else None

    def spoken(self, path: Path) -> str:
        """Where a path is, in words: `line 95, campaigns › Welcome back › schedule`."""
        here, words = self.data, []
        for step in path:
            here = here[step]
            words.append(_called(here, step))
        line = self.lines.get(path, 1)
        return f"line {line}, {' › '.join(words)}" if words else f"line {line}"


def _step(value: Any, word: str) -> str | int | None:
    if isinstance(value, dict):
        return word if word in value else None
    each = value if isinstance(value, list) else []
    named = (number for number, part in enumerate(each) if part == word or _called(part, number) == word)
    return next(named, None)


def _called(value: Any, step: str | int) -> str:
    if isinstance(step, str):
        return step
    names = (value.get(key) for key in ("name", "field")) if isinstance(value, dict) else ()
    return next((name for name in names if isinstance(name, str) and name), f"number {step + 1}")


def decoded(data: bytes) -> str:
    """The text of a file in UTF-8, with or without a byte order mark; raises Mistakes naming the line if it is none."""
    if len(data) > LARGEST:
        raise Mistakes(
            "The file is too large.", [f"It has {len(data):,} bytes; a set-up file has at most {LARGEST:,}."]
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        said = f"line {line}: byte 0x{data[error.start]:02X} is not UTF-8"
        raise Mistakes("The file can't be read as text.", [said], hint="Save it as UTF-8.") from None


def read(text: str) -> Document:
    """The data of one YAML document; raises Mistakes with the place where it isn't YAML."""
    try:
        reading = _Reading(yaml.parse(text, Loader=_LOADER))
        data = reading.document()
    except yaml.MarkedYAMLError as error:
        raise Mistakes("The file is no YAML.", [_syntax(error, text)]) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise Mistakes("The file is no YAML.", [f"line {line}: a character that a text can't have"]) from None
    return Document(data, reading.lines, reading.texts, reading.mistakes)


def _syntax(error: yaml.MarkedYAMLError, text: str) -> str:
    mark = error.problem_mark or error.context_mark
    number = mark.line + 1 if mark else 1
    line = text.splitlines()[number - 1] if number <= len(text.splitlines()) else ""
    if "\t" in line[: len(line) - len(line.lstrip())]:
        return f"line {number}: begins with a tab; YAML is indented with spaces"
    said = " ".join(part for part in (error.context, error.problem) if part)
    column = mark.column + 1 if mark else 1
    advice = "; put a text with a colon or a quote in it into quotes" if "mapping values" in said else ""
    return f"line {number}, column {column}: {said}{advice}"


class _Reading:
    """One walk over the events of a document: no deeper than a set-up can be, whatever stands in the file."""

    def __init__(self, events: Iterator[Any]) -> None:
        self.lines: dict[Path, int] = {}
        self.texts: dict[Path, str] = {}
        self.mistakes: list[str] = []
        self._events = events
        self._left = MOST_VALUES

    def document(self) -> Any:
        """What the first document holds; a second one is a mistake."""
        data = None
        for number, event in enumerate(self._starts()):
            if number:
                self.mistakes.append(f"{_at(event)}: a second document begins; a set-up is one")
                break
            data = self._value(next(self._events), ())
        return data

    def _starts(self) -> Iterator[Any]:
        return (event for event in self._events if isinstance(event, yaml.DocumentStartEvent))

    def _value(self, event: Any, path: Path) -> Any:
        self._left -= 1
        if self._left < 0 or len(path) > DEEPEST:
            what = f"nested more than {DEEPEST} deep" if self._left >= 0 else f"more than {MOST_VALUES:,}"
            raise Mistakes("The file is too large.", [f"{_at(event)}: values are {what}"])
        self.lines.setdefault(path, event.start_mark.line + 1)
        if isinstance(event, yaml.AliasEvent) or event.anchor or event.tag not in (None, "!"):
            self.mistakes.append(
                f"{_at(event)}: anchors, aliases and tags (&, * and !) aren't read; write the value out"
            )
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(path)
        if isinstance(event, yaml.SequenceStartEvent):
            return [
                self._value(each, (*path, number))
                for number, each in enumerate(self._until(yaml.SequenceEndEvent))
            ]
        return self._scalar(event, path) if isinstance(event, yaml.ScalarEvent) else None

    def _until(self, end: type[Any]) -> Iterator[Any]:
        return iter(
            lambda: next(event if not isinstance(event, end) else None for event in self._events), None
        )

    def _mapping(self, path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key in self._until(yaml.MappingEndEvent):
            name = key.value if isinstance(key, yaml.ScalarEvent) else ""
            place = (*path, name)
            if not isinstance(key, yaml.ScalarEvent):
                self.mistakes.append(f"{_at(key)}: a key must be a plain word")
                self._value(key, (*path, ""))
            elif name in found:
                self.mistakes.append(f"{_at(key)}: {name} stands twice, first on line {self.lines[place]}")
                place = (*path, "")
            self.lines.setdefault(place, key.start_mark.line + 1)
            value = self._value(next(self._events), place)
            if place[-1]:
                found[name] = value
        return found

    def _scalar(self, event: Any, path: Path) -> Any:
        # Less is read into plain words than YAML 1.1 does: yes, 12:30 and 2026-01-01 stay what they are.
        text = str(event.value)
        if event.style:
            return text
        self.texts[path] = text
        if text in _WORDS:
            return _WORDS[text]
        if _WHOLE.fullmatch(text):
            return int(text)
        return float(text) if _NUMBER.fullmatch(text) else text


def _at(event: Any) -> str:
    return f"line {event.start_mark.line + 1}"

"""One rendering: the names it sees, what it has written and made, and how much it may still do."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape as escaped_html
from typing import Final

from whereupon.model.velocity.errors import RenderError
from whereupon.model.velocity.values import Loop, copied, text_of

# Counting processor time costs a call to the system, so only each sixteenth step asks for it.
STEPS_BETWEEN_LOOKS: Final = 16

# Everything a template builds on its way may be four times what it may put out: enough for any real message.
MADE_FOR_OUTPUT: Final = 4


@dataclass(frozen=True, slots=True)
class Limits:
    """What one rendering may use up before it ends with a `RenderError`.

    `loops` counts the turns of all loops together, `output` the characters of the result, `value` those of a text
    that the template itself builds, `seconds` the processor time of the rendering thread, `depth` nested parts.
    """

    loops: int = 10_000
    output: int = 1_000_000
    value: int = 65_536
    seconds: float = 0.2
    depth: int = 20


class Stop(Exception):
    """`#stop`: the rest of the template is left out."""


class Break(Exception):
    """`#break`: the rest of the nearest loop, or of `loop`, is left out."""

    def __init__(self, loop: Loop | None = None) -> None:
        super().__init__()
        self.loop = loop


class Scope:
    """The state of one rendering; never shared between threads."""

    __slots__ = (
        "_context",
        "_copies",
        "_deadline",
        "_escape",
        "_limits",
        "_loops",
        "_made",
        "_names",
        "_out",
        "_room",
        "_steps",
        "unresolved",
    )

    def __init__(
        self, context: Mapping[str, object], *, limits: Limits, escape: bool = False, changes: bool = False
    ) -> None:
        self.unresolved: list[str] = []
        self._context = context
        self._limits = limits
        self._escape = escape
        # A template that assigns to a part of a value works on copies, so the context stays as it was.
        self._copies: dict[int, object] | None = {} if changes else None
        self._names: dict[str, object] = {}
        self._out: list[str] = []
        self._room = limits.output
        self._made = limits.output * MADE_FOR_OUTPUT
        self._loops = limits.loops
        self._steps = 0
        self._deadline = time.thread_time() + limits.seconds

    def lookup(self, name: str) -> object:
        """The value of a name, `None` when there is none."""
        if name in self._names:
            return self._names[name]
        value = self._context.get(name)
        if self._copies is not None:
            value = self._names[name] = copied(value, self._copies)
        return value

    def assign(self, name: str, value: object) -> None:
        """From now on `name` stands for `value`."""
        self._names[name] = value

    def write(self, text: str) -> None:
        """Adds to what is put out."""
        self._room -= len(text)
        if self._room < 0:
            raise RenderError("The text becomes too long.", hint="Look for a loop that repeats too much.")
        self._out.append(text)

    def write_value(self, value: object) -> None:
        """Puts out a value as text, made safe for HTML where that is asked for."""
        text = value if type(value) is str else text_of(value, self._limits.output)
        self.write(escaped_html(text) if self._escape else text)

    def collect(self, render: Callable[[Scope], None]) -> str:
        """What `render` writes, as a value of the template: HTML is made safe later, when it is put out."""
        out, room, escape = self._out, self._room, self._escape
        self._out, self._room, self._escape = [], self._limits.value, False
        try:
            render(self)
            return self.made_text("".join(self._out))
        finally:
            self._out, self._room, self._escape = out, room, escape

    def text(self) -> str:
        """All that was put out."""
        return "".join(self._out)

    def text_of(self, value: object) -> str:
        """A value as text inside of an expression."""
        return text_of(value, self._limits.value)

    def made_text(self, text: str) -> str:
        """Counts a text that the template has built."""
        self.check_length(len(text))
        self.made(len(text))
        return text

    def check_length(self, length: int) -> None:
        """Refuses a text of `length` characters before it is built."""
        if length > self._limits.value:
            raise RenderError(
                "A text that the template builds becomes too long.", hint="Build a shorter text."
            )

    def made(self, size: int) -> None:
        """Counts `size` characters, or cells of a list, that the template has built."""
        self._made -= size
        if self._made < 0:
            raise RenderError(
                "The template builds too many values.", hint="Look for a loop that repeats too much."
            )

    def turn(self) -> None:
        """Counts one turn of a loop."""
        self._loops -= 1
        if self._loops < 0:
            raise RenderError("The template's loops repeat too often.", hint="Loop over a shorter list.")
        self.step()

    def step(self) -> None:
        """Counts one step, and ends a rendering that takes too long."""
        self._steps += 1
        if not self._steps % STEPS_BETWEEN_LOOKS and time.thread_time() > self._deadline:
            raise RenderError("The template takes too long.", hint="Make the template simpler.")

"""Velocity templates on plain data: the meaning of Apache Velocity 2.4, and no way to anything but the data."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from html import escape as escaped_html
from typing import Final, NamedTuple

from whereupon.model.velocity.errors import RenderError, TemplateError
from whereupon.model.velocity.findings import Findings
from whereupon.model.velocity.grammar import Grammar
from whereupon.model.velocity.quotes import repair_quotes
from whereupon.model.velocity.scope import Break, Limits, Scope, Stop
from whereupon.model.velocity.statements import Block, Output

__all__ = ["Limits", "RenderError", "Rendered", "Template", "TemplateError", "parse", "repair_quotes"]

MOST_CHARACTERS: Final = 2_000_000
DEFAULT_LIMITS: Final = Limits()


class Rendered(NamedTuple):
    """The result of a template, and the source texts of the references that printed themselves for want of a value."""

    text: str
    unresolved: tuple[str, ...]


class Template:
    """A template that has been read once and is rendered often, from any thread.

    `references` are the names that have to come from outside, `paths` what of them is asked for, as far as that can be
    seen without values: `$stream.location` is ("stream", "location"). `unguarded` are the source texts of references
    that print themselves when they have no value, or end the rendering when a list is too short, and that no `#if`
    around them asks about.
    """

    __slots__ = (
        "_block",
        "_changes",
        "_depth",
        "_gaps",
        "_pieces",
        "paths",
        "references",
        "source",
        "unguarded",
    )

    def __init__(self, source: str, block: Block, findings: Findings, depth: int) -> None:
        self.source = source
        self.references = frozenset(findings.references)
        self.paths = frozenset(findings.paths)
        self.unguarded = tuple(findings.unguarded)
        self._block = block
        self._changes = findings.changes
        self._depth = depth
        self._gaps = _plain_gaps(block)
        self._pieces = ["" if isinstance(each, Output) else str(each) for each in block.parts]

    def render(self, context: Mapping[str, object], *, limits: Limits = DEFAULT_LIMITS) -> str:
        """The filled-in text, as Velocity gives it: a reference without a value prints itself, unless it is quiet ($!).

        `context` holds text, numbers, true and false, `None`, lists and maps, and is never changed.
        Raises `RenderError`.
        """
        return self.render_strict(context, limits=limits).text

    def render_strict(
        self, context: Mapping[str, object], *, limits: Limits = DEFAULT_LIMITS, escape: bool = False
    ) -> Rendered:
        """Like `render`, and tells which references had no value; `escape` makes each printed value safe for HTML."""
        if self._depth > limits.depth:
            raise RenderError(
                "The template is nested too deeply.", hint=f"Nest at most {limits.depth} parts."
            )
        if (text := self.quick(context, limits=limits, escape=escape)) is not None:
            return Rendered(text, ())
        scope = Scope(context, limits=limits, escape=escape, changes=self._changes)
        # After #stop, and after #break outside of a loop, what was put out before stands.
        with suppress(Stop, Break):
            self._block.render(scope)
        return Rendered(scope.text(), tuple(scope.unresolved))

    def quick(
        self, context: Mapping[str, object], *, limits: Limits = DEFAULT_LIMITS, escape: bool = False
    ) -> str | None:
        """The text where all that is put in are texts or quiet gaps, which is most messages; None elsewhere."""
        if self._gaps is None:
            return None
        pieces = self._pieces.copy()
        for place, name, quiet in self._gaps:
            value = context.get(name)
            if type(value) is not str:
                if value is not None or not quiet:
                    return None
                value = ""
            pieces[place] = escaped_html(value) if escape else value
        text = "".join(pieces)
        return text if len(text) <= limits.output else None


def _plain_gaps(block: Block) -> tuple[tuple[int, str, bool], ...] | None:
    """Place, name and quietness of each reference, if the template has nothing but plain ones."""
    gaps: list[tuple[int, str, bool]] = []
    for place, part in enumerate(block.parts):
        if isinstance(part, str):
            continue
        if not isinstance(part, Output) or part.slashes or part.before:
            return None
        if part.reference.steps or part.reference.alternate:
            return None
        gaps.append((place, part.reference.root, part.reference.quiet))
    return tuple(gaps)


def parse(source: str) -> Template:
    """Reads a template; raises `TemplateError` with line and column."""
    if len(source) > MOST_CHARACTERS:
        raise TemplateError("The template is too long.", hint=f"Use at most {MOST_CHARACTERS:,} characters.")
    findings = Findings()
    grammar = Grammar(source, findings=findings)
    block = grammar.template()
    return Template(source, block, findings, grammar.deepest)

"""A content field's template: what it refers to, and its text for one message."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from whereupon.model.errors import SetupError
from whereupon.model.velocity import RenderError, Template, TemplateError, parse


class TemplateProblem(Exception):
    """A template can't be rendered for one message; the text says which reference or why."""


@dataclass(frozen=True, slots=True)
class Written:
    """A parsed template."""

    template: Template

    @property
    def references(self) -> frozenset[str]:
        """The names that have to come from outside: content fields, stream, store, data."""
        return self.template.references

    @property
    def stores(self) -> frozenset[str]:
        """What it asks `$store` for: names of stores, or fields of the only one."""
        return frozenset(path[1] for path in self.template.paths if path[0] == "store" and len(path) > 1)

    def maker(self, escape: bool) -> Callable[[object, Mapping[str, object]], str]:
        """How its text is made from a context; raises TemplateProblem naming what nothing fills."""
        quick, render_strict = self.template.quick, self.template.render_strict

        def make(known: object, context: Mapping[str, object]) -> str:
            if (made := quick(context, escape=escape)) is not None:
                return made
            try:
                text, unresolved = render_strict(context, escape=escape)
            except RenderError as error:
                raise TemplateProblem(error.message) from None
            if unresolved:
                raise TemplateProblem(", ".join(unresolved))
            return text

        return make


def written(source: str, field: str) -> Written:
    """Parse a content field's template; raises SetupError with line and column."""
    try:
        return Written(parse(source))
    except TemplateError as error:
        raise SetupError(
            f"The template of {field} can't be read: {error.message}", hint=error.hint
        ) from error

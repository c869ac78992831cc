"""Compares the templates of a file, such as `velocity/cases.json`, with what is expected of them."""

from __future__ import annotations

from collections.abc import Mapping

from whereupon.model.errors import SetupError
from whereupon.model.velocity import RenderError, TemplateError, parse

HINT = (
    'Write {"context": {…}, "cases": [{"template": "…", "out": "…"}]}; an expected error is {"error": "…"}.'
)


def differences(document: Mapping[str, object]) -> tuple[list[str], int]:
    """Each case that doesn't hold, in words, and the number of all cases.

    A case with its own `context` doesn't see the file's. One that expects `{"error": …}` holds on any error.
    Raises `SetupError` with the place of a mistake in the file.
    """
    context = _map(document.get("context", {}), "context")
    cases = document.get("cases")
    if not isinstance(cases, list):
        raise SetupError("The file has no list at cases.", hint=HINT)
    found = [_difference(case, f"cases[{place}]", context) for place, case in enumerate(cases)]
    return [difference for difference in found if difference], len(cases)


def _difference(case: object, place: str, context: Mapping[str, object]) -> str:
    fields = _map(case, place)
    template, out = fields.get("template"), fields.get("out")
    if not isinstance(template, str):
        raise SetupError(f"{place} has no text at template.", hint=HINT)
    if not isinstance(out, str) and not (isinstance(out, dict) and "error" in out):
        raise SetupError(f"{place} has neither a text nor an error at out.", hint=HINT)
    if "context" in fields:
        context = _map(fields["context"], f"{place}.context")
    expected = out if isinstance(out, str) else None
    return _compared(place, template, expected, context)


def _compared(place: str, template: str, expected: str | None, context: Mapping[str, object]) -> str:
    try:
        text, error = parse(template).render(context), ""
    except (TemplateError, RenderError) as problem:
        text, error = "", str(problem)
    if expected is None:
        return "" if error else f"{place} {template!r}: an error was expected, got {text!r}"
    if error:
        return f"{place} {template!r}: expected {expected!r}, got the error: {error}"
    return "" if text == expected else f"{place} {template!r}: expected {expected!r}, got {text!r}"


def _map(value: object, place: str) -> Mapping[str, object]:
    if isinstance(value, dict):
        return value
    raise SetupError(f"There is no map at {place}.", hint=HINT)

"""Conditions: a tree of comparisons that is asked of an event, a record or a person.

`{all: […]}`, `{any: […]}`, `{none: […]}`, `{not: …}` and `{field, is, value}`. How values are read stands in `values`,
what operators ask in `operators`. An empty `all` or `none` holds, an empty `any` doesn't.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from whereupon.model import values
from whereupon.model.errors import SetupError
from whereupon.model.names import Known, Names
from whereupon.model.operators import WITHOUT_VALUE, Check, check, holding, reading
from whereupon.model.tree import (
    All,
    AnyOf,
    Comparison,
    Condition,
    NoneOf,
    Not,
    comparisons,
    fields_of,
    parts,
)  # fmt: skip

__all__ = ["Condition", "Known", "Names", "Outcome", "compiled", "fields_of", "in_words", "outcomes"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one comparison, or of the whole: in words, whether it held, and the field's value as text."""

    words: str
    held: bool
    value: str = ""


def checked(comparison: Comparison, names: Names) -> Check:
    """One comparison with its value read; raises SetupError naming the field."""
    place = names.known(comparison.field)
    try:
        return check(comparison.operator, comparison.value, place.type, free=place.free)
    except ValueError as error:
        raise SetupError(
            f"The condition on {comparison.field} can't be asked: {error}.",
            hint="Change the condition's operator or value, or the field's type.",
        ) from None


def compiled(condition: Condition, names: Names) -> Callable[[Known], bool]:
    """A condition ready to be asked; raises SetupError where a field isn't known or a value doesn't suit its field."""
    if isinstance(condition, Comparison):
        return _compiled_comparison(condition, names)
    asked = tuple(compiled(each, names) for each in parts(condition))
    if len(asked) == 1:
        return _negated(asked[0]) if isinstance(condition, Not | NoneOf) else asked[0]
    return _joined(asked, decisive=not isinstance(condition, All), held=isinstance(condition, AnyOf))


def _joined(
    asked: tuple[Callable[[Known], bool], ...], *, decisive: bool, held: bool
) -> Callable[[Known], bool]:
    """The first part whose outcome is `decisive` makes the whole `held`."""

    def ask(known: Known) -> bool:
        for each in asked:
            if each(known) is decisive:
                return held
        return not held

    return ask


def _negated(asked: Callable[[Known], bool]) -> Callable[[Known], bool]:
    return lambda known: not asked(known)


def _compiled_comparison(comparison: Comparison, names: Names) -> Callable[[Known], bool]:
    asked = checked(comparison, names)
    found, read, holds = names.reader(comparison.field), reading(asked.kind), holding(asked)
    if_empty = comparison.operator in ("empty", "not")

    def ask(known: Known) -> bool:
        value = read(found(known), known.zone)
        return if_empty if value is None else holds(value, known.at, known.zone)

    return ask


def outcomes(condition: Condition, names: Names, known: Known) -> list[Outcome]:
    """Each comparison with the value that it met, and at the end the whole, if it has more than one."""
    found = [
        Outcome(in_words(each), compiled(each, names)(known), values.as_text(names.reader(each.field)(known)))
        for each in comparisons(condition)
    ]
    if len(found) != 1 or found[0].words != in_words(condition):
        found.append(Outcome(in_words(condition), compiled(condition, names)(known)))
    return found


def in_words(condition: Condition) -> str:
    """A condition as a sentence would say it."""
    if isinstance(condition, Comparison):
        return _comparison_words(condition)
    said = [
        in_words(each) if isinstance(each, Comparison) else f"({in_words(each)})" for each in parts(condition)
    ]
    if isinstance(condition, All):
        return " and ".join(said) or "always"
    if isinstance(condition, AnyOf):
        return " or ".join(said) or "never"
    return "not " + (said[0] if isinstance(condition, Not) else f"({' or '.join(said) or 'never'})")


def _comparison_words(comparison: Comparison) -> str:
    field, operator = comparison.field, comparison.operator
    if operator in WITHOUT_VALUE:
        return f"{field}: {operator}" if operator.startswith("anniversary") else f"{field} is {operator}"
    value = comparison.value
    items = value if isinstance(value, tuple) else (value,)
    said = [f"“{each}”" if isinstance(each, str) else values.as_text(each) for each in items]
    if operator in ("in the last", "in the next"):
        return f"{field} is {operator} {values.as_text(value).removesuffix('days').strip()} days"
    joined = " and ".join(said) if operator == "between" else ", ".join(said)
    verb = operator if operator in ("equals", "contains", "starts with") else f"is {operator}"
    return f"{field} {verb} {joined}"

"""What pydantic finds wrong with a set-up file, as sentences that name the place and the fix."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from whereupon.storage.places import Document

_SAID: Mapping[str, str] = {
    "string_type": "must be text",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "list_type": "must be a list: one line for each, beginning with -",
    "tuple_type": "must be a list: one line for each, beginning with -",
    "dict_type": "must hold names and values (name: value)",
    "model_type": "must hold names and values (name: value)",
    "model_attributes_type": "must hold names and values (name: value)",
    "string_too_short": "is empty",
}


def said(error: ValidationError, document: Document, model: type[BaseModel]) -> list[str]:
    """One sentence for each mistake, in the order of the file."""
    found = [_one(each, document, model) for each in error.errors(include_url=False)]
    return list(dict.fromkeys(sentence for _, sentence in sorted(found, key=lambda pair: pair[0])))


def _one(mistake: Mapping[str, Any], document: Document, model: type[BaseModel]) -> tuple[int, str]:
    path = document.place(mistake["loc"])
    line = document.lines.get(path, 1)
    return line, f"{document.spoken(path)}: {_what(mistake, model)}"


def _what(mistake: Mapping[str, Any], model: type[BaseModel]) -> str:
    kind, place, context = mistake["type"], mistake["loc"], mistake.get("ctx", {})
    if kind == "missing":
        return f"{place[-1]} is missing"
    if kind == "extra_forbidden":
        return _unknown(str(place[-1]), known(model, place[:-1]))
    if mistake["input"] is None:
        return "is empty"
    if kind == "literal_error":
        choices = [each.strip("'") for each in context["expected"].replace(" or ", ", ").split(", ")]
        return f"{mistake['input']!r} is none of {', '.join(choices)}{_near(str(mistake['input']), choices)}"
    if kind in ("greater_than_equal", "less_than_equal"):
        return f"must be at {'least' if 'ge' in context else 'most'} {context.get('ge', context.get('le'))}"
    if kind == "string_too_long":
        return f"is longer than {context['max_length']} characters"
    text: str = mistake["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    return _SAID.get(kind, text)


def _unknown(key: str, names: Sequence[str]) -> str:
    if near := _near(key, names):
        return f"isn't known here{near}"
    return f"isn't known here; known are {', '.join(names)}" if names else "isn't known here"


def _near(word: str, words: Sequence[str]) -> str:
    lower = {each.lower(): each for each in words}
    found = difflib.get_close_matches(word.lower(), list(lower), n=1)
    return f"; did you mean {lower[found[0]]}?" if found else ""


def known(model: type[BaseModel], place: Sequence[str | int]) -> list[str]:
    """The keys that may stand at a place, as a file writes them."""
    here: type[BaseModel] | None = model
    for step in place:
        if isinstance(step, str) and here is not None:
            field = next(
                (info for name, info in here.model_fields.items() if step in (name, info.alias)), None
            )
            here = next(_models(field.annotation), None) if field else None
    return [info.alias or name for name, info in here.model_fields.items()] if here else []


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for each in get_args(annotation):
        yield from _models(each)

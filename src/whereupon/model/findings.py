"""A problem of a set-up as it is told to a person, and which name was probably meant."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

from whereupon.model.errors import SetupError

Severity = Literal["error", "advice"]

ALIASES = (
    ("forename", "firstname", "givenname", "first"),
    ("surname", "lastname", "familyname", "last"),
    ("email", "emailaddress", "mail", "address", "to"),
    ("phone", "mobile", "sms", "telephone", "phonenumber", "mobilenumber"),
    ("urn", "personurn", "personid", "customerid", "id"),
    ("body", "text", "html", "message", "content"),
)
"""Names that different products give to one thing."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong (error: publish refuses) or could be better (advice), where, and what to do about it.

    `fix` is the text to put in the place of what is there, if there is one.
    """

    severity: Severity
    place: str
    message: str
    hint: str
    fix: str = ""

    def __str__(self) -> str:
        return f"{self.place}: {self.message} {self.hint}".strip()


def error(place: str, message: str, hint: str, fix: str = "") -> Problem:
    """Something that has to be changed before publishing."""
    return Problem("error", place, message, hint, fix)


def advice(place: str, message: str, hint: str, fix: str = "") -> Problem:
    """Something that works, but could be better."""
    return Problem("advice", place, message, hint, fix)


def at(*steps: str) -> str:
    """A place, from the outside in."""
    return " › ".join(steps)


def near(name: str, there: Iterable[str]) -> str:
    """The one of `there` that was probably meant: the same letters, another word for it, or a slip; "" if none."""
    options = list(there)
    for option in options:
        if letters(option) == letters(name):
            return option
    for words in ALIASES:
        if letters(name) in words:
            for option in options:
                if letters(option) in words:
                    return option
    slips = get_close_matches(name, options, n=1, cutoff=0.75)
    return slips[0] if slips else ""


def letters(name: str) -> str:
    """A name without case, spaces and punctuation."""
    return re.sub(r"[\W_]", "", name.casefold())


def unknown(place: str, what: str, name: str, there: Collection[str]) -> Problem:
    """A name that leads nowhere, with the one that was probably meant."""
    meant = near(name, there)
    if meant and meant.casefold() == name.casefold():
        return error(place, f"There is no {what} {name}: it is written {meant}.", f"Write {meant}.", meant)
    if meant:
        return error(place, f"There is no {what} {name}.", f"Did you mean {meant}?", meant)
    listed = ", ".join(list(there)[:10])
    hint = f"Choose one of: {listed}." if listed else f"Add the {what} first."
    return error(place, f"There is no {what} {name or '(no name)'}.", hint)


def no_such(what: str, name: str, there: Collection[str]) -> SetupError:
    """The same as an error, for a name that a person gave to a command."""
    problem = unknown("", what, name, there)
    hint = f"Did you mean {problem.fix}?" if problem.fix else problem.hint
    return SetupError(f"There is no {what} {name}.", hint=hint)


def repeated(place: str, what: str, names: Iterable[str]) -> Iterator[Problem]:
    """Names that are given more than once."""
    for name, times in Counter(names).items():
        if times > 1:
            yield error(
                at(place, name),
                f"There are {times} {what} called {name}.",
                "Give each one a name of its own.",
            )

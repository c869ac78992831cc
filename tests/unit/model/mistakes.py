"""Verbs that put mistakes into the worked example, and what is told of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from whereupon.model.content import ChannelTraits
from whereupon.model.problems import Problem, problems
from whereupon.model.setup import Setup

TRAITS = {
    "pull_marketing": ChannelTraits(fills="store"),
    "smtp": ChannelTraits(html=frozenset({"html"}), requires=frozenset({"email", "subject", "body"})),
    "webhook": ChannelTraits(),
}
KINDS = {
    "store": ["database", "web_api"],
    "stream": ["kafka", "local"],
    "channel": ["pull_marketing", "webhook", "smtp"],
}
Example = dict[str, Any]
Change = Callable[[Example], object]
Case = tuple[str, Change, str, str]
"""What is wrong, how to make it so, the place that is told, and a part of the hint."""


def told(example: Example, severity: str = "error") -> list[Problem]:
    """The errors, or the advice, that a set-up gets."""
    found = problems(Setup.model_validate(example), TRAITS, kinds=KINDS)
    assert all(each.message for each in found)
    return [each for each in found if each.severity == severity]


def named(found: list[Problem], place: str, hint: str) -> bool:
    """True if something is told of this place with this in its hint."""
    return any(each.place == place and hint in each.hint for each in found)


def cases(those: list[Case]) -> pytest.MarkDecorator:
    """Runs a test with each of these as its `case`."""
    return pytest.mark.parametrize("case", those, ids=[each[0] for each in those])


def tells(example: Example, case: Case, severity: str) -> None:
    """Makes the mistake, and fails unless it is told at its place with its hint."""
    what, change, place, hint = case
    change(example)
    found = told(example, severity)
    assert named(found, place, hint), (what, list(map(str, found)))


def table(example: Example) -> Example:
    """People."""
    found: Example = example["data"]["tables"][0]
    return found


def store(example: Example) -> Example:
    """TealGreen."""
    found: Example = example["pull_marketing"]["stores"][0]
    return found


def stream(example: Example) -> Example:
    """SignIn."""
    found: Example = example["streams"]["streams"][0]
    return found


def channel(example: Example, number: int = 1) -> Example:
    """ESP, or another channel."""
    found: Example = example["channels"][number]
    return found


def campaign(example: Example, number: int = 1) -> Example:
    """Welcome back, or another campaign."""
    found: Example = example["campaigns"][number]
    return found


def content(example: Example, *given: Example, number: int = 1) -> None:
    """Give a campaign other content."""
    campaign(example, number)["message"]["content"] = list(given)


def add(example: Example, field: Example, number: int = 1) -> list[Example]:
    """Give a campaign one more content field, in the place of one of that name."""
    kept = [
        each for each in campaign(example, number)["message"]["content"] if each["field"] != field["field"]
    ]
    campaign(example, number)["message"]["content"] = [*kept, field]
    return kept


def where(example: Example, condition: Example, number: int = 1) -> None:
    """Give a campaign another condition."""
    campaign(example, number)["audience"]["where"] = condition

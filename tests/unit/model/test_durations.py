"""Lengths of time as people write them."""

from __future__ import annotations

import copy

import pytest
from pydantic import BaseModel, ValidationError

from whereupon.model.durations import Duration, lasting


class Holder(BaseModel):
    """A model with a length of time."""

    within: Duration


@pytest.mark.parametrize(
    ("text", "normal", "milliseconds"),
    [
        ("1 day", "1 day", 86_400_000),
        ("3 hours", "3 hours", 10_800_000),
        ("90 minutes", "90 minutes", 5_400_000),
        ("30 seconds", "30 seconds", 30_000),
        (" 2  WEEKS ", "2 weeks", 1_209_600_000),
        ("1 hours", "1 hour", 3_600_000),
    ],
)
def test_a_length_of_time_is_read_and_kept_as_text(text: str, normal: str, milliseconds: int) -> None:
    read = Duration(text)
    assert (read, read.milliseconds) == (normal, milliseconds)
    assert copy.deepcopy(read).milliseconds == milliseconds


@pytest.mark.parametrize(
    "text", ["", "1", "day", "0 days", "1.5 hours", "-1 day", "1 month", "101 weeks weeks", "٣ days"]
)
def test_anything_else_is_refused_with_examples(text: str) -> None:
    with pytest.raises(ValueError, match="write '90 minutes'"):
        Duration(text)


def test_more_than_a_hundred_years_are_refused() -> None:
    with pytest.raises(ValueError, match="no length of time"):
        Duration("9999999999 weeks")


def test_a_model_reads_it_and_writes_plain_text() -> None:
    held = Holder.model_validate({"within": "1 days"})
    assert held.within.milliseconds == 86_400_000
    assert type(held.model_dump()["within"]) is str
    assert Holder.model_validate_json(held.model_dump_json()) == held
    with pytest.raises(ValidationError, match="no length of time"):
        Holder.model_validate({"within": "soon"})


@pytest.mark.parametrize(
    ("milliseconds", "said"),
    [(86_400_000, "1 day"), (1_209_600_000, "2 weeks"), (5_400_000, "90 minutes"), (61_000, "61 seconds")],
)
def test_a_length_is_said_in_its_largest_whole_unit(milliseconds: int, said: str) -> None:
    assert lasting(milliseconds) == said

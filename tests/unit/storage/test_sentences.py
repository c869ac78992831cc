"""What pydantic finds, in sentences."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from whereupon.storage import places
from whereupon.storage.files import SetupDocument
from whereupon.storage.sentences import known, said


def sentences(text: str) -> list[str]:
    document = places.read(text)
    with pytest.raises(ValidationError) as raised:
        SetupDocument.model_validate(document.data)
    return said(raised.value, document, SetupDocument)


def setup(more: str) -> str:
    return f"version: 1\nsystem: {{name: A}}\n{more}\n"


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ("channels: [{name: a}]", "line 3, channels › a: type is missing"),
        ("channel: []", "line 3, channel: isn't known here; did you mean channels?"),
        (
            "channels: [{name: a, type: b, Feilds: []}]",
            "line 3, channels › a › Feilds: isn't known here; did you mean fields?",
        ),
        (
            "system: {zzz: 1}",
            "line 3, system › zzz: isn't known here; known are name, time_zone",
        ),
        ("channels: [{name: a, type: [1]}]", "line 3, channels › a › type: must be text"),
        ("channels: {}", "line 3, channels: must be a list: one line for each, beginning with -"),
        ("channels: [3]", "line 3, channels › number 1: must hold names and values (name: value)"),
        ("channels: [{name: '', type: b}]", "line 3, channels › number 1 › name: is empty"),
        ("channels: [{name: a, type: }]", "line 3, channels › a › type: is empty"),
        (
            f"channels: [{{name: {'x' * 201}, type: b}}]",
            f"line 3, channels › {'x' * 201} › name: is longer than 200 characters",
        ),
    ],
)
def test_a_mistake_names_its_place_and_its_fix(more: str, sentence: str) -> None:
    text = f"version: 1\n\n{more}\n" if more.startswith("system") else setup(more)
    assert sentence in sentences(text)


def campaign(more: str) -> str:
    return setup(
        "campaigns:\n  - name: Hello\n    audience: {stream: S}\n    message: {delivery: {channel: C}}\n"
        f"    schedule: manual\n    {more}"
    )


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ("when_not_found: withold", "'withold' is none of withhold, default; did you mean withhold?"),
        ("when_not_found: zzz", "'zzz' is none of withhold, default"),
        ("limits: [{at_most: 0, within: 1 day}]", "must be at least 1"),
        ("limits: [{at_most: 99999, within: 1 day}]", "must be at most 10000"),
        ("limits: [{at_most: few, within: 1 day}]", "must be a whole number"),
        ("priority: 1.5", "must be a whole number"),
        ("publish: maybe", "must be true or false"),
        ("expires: soon", "'soon' is no length of time: write '90 minutes', '3 hours', '1 day' or '2 weeks'"),
    ],
)
def test_a_value_that_cannot_be_is_said_with_what_can(more: str, sentence: str) -> None:
    [found] = sentences(campaign(more))
    assert found.startswith("line 8, campaigns › Hello › ")
    assert found.endswith(sentence)


def test_mistakes_come_in_the_order_of_the_file() -> None:
    found = sentences(setup("campaigns: [{}]\nchannels: [{}]"))
    assert [int(each.split(",")[0].removeprefix("line ")) for each in found] == sorted([3, 3, 3, 3, 4, 4])


def test_known_keys_are_those_that_a_file_writes() -> None:
    assert known(SetupDocument, ("campaigns", 0, "message", "content", 1)) == [
        "field", "text", "from", "template", "when", "default",
    ]  # fmt: skip
    assert known(SetupDocument, ("nowhere", 0)) == []

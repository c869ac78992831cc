"""What a service runs."""

from __future__ import annotations

from typing import Any

import pytest

from whereupon.model.running import Published, Running
from whereupon.model.setup import Setup


@pytest.mark.parametrize(
    ("priorities", "order"),
    [((0, 0, 0), ["B", "C"]), ((0, 1, 2), ["C", "B"]), ((0, 5, 2), ["B", "C"])],
)
def test_campaigns_of_a_stream_are_asked_by_priority_then_name(
    example: dict[str, Any], priorities: tuple[int, ...], order: list[str]
) -> None:
    for number, (name, priority) in enumerate(zip("ABC", priorities, strict=True)):
        example["campaigns"][number].update(name=name, priority=priority)
    example["campaigns"][2]["audience"] = {"stream": "SignIn"}
    setup = Setup.model_validate(example)
    published = tuple(Published(1, 1, each, setup.channels[1], 1) for each in reversed(setup.campaigns))
    running = Running(1, setup, published)
    assert [each.campaign.name for each in running.on_stream("SignIn")] == order
    assert running.on_stream("Nothing") == ()

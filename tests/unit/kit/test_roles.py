"""What a component is given, and what holds for one that says nothing about itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from whereupon.host.clock import FakeClock
from whereupon.kit.roles import Channel, Context, Nothing, Stage
from whereupon.model.events import Message, Receipt
from whereupon.model.setup import FieldDefinition


class Silent(Channel[Nothing, Nothing]):
    """Says nothing about itself."""

    def check(self) -> Iterator[Stage]:
        """Nothing to try."""
        yield from ()

    def offer(self, messages: Sequence[Message]) -> int:
        """Takes nothing."""
        return 0

    def collect(self, wait: float) -> Sequence[Receipt]:
        """Has nothing."""
        return ()


def context(*fields: FieldDefinition) -> Context:
    return Context("ESP", "TealHols", Path(), "id", FakeClock(), fields=fields)


def test_the_reference_of_a_part_is_its_field_of_that_type() -> None:
    fields = (FieldDefinition(name="email", type="Variable"), FieldDefinition(name="urn", type="Reference"))
    assert context(*fields).reference == "urn"
    assert context(fields[0]).reference == ""


def test_a_channel_that_says_nothing_about_itself_promises_nothing() -> None:
    channel = Silent(Nothing(), Nothing(), context())
    assert (channel.deduplicates, channel.connections, channel.largest) == (False, 1, 1_000_000)
    assert channel.address({"email": "ada@example.org"}) == "ada@example.org"
    assert channel.address({}) == ""
    assert (list(channel.withdraw()), list(channel.warnings())) == ([], [])
    channel.close()
    channel.close()

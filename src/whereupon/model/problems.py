"""All problems of a set-up: mistakes that publishing refuses, and advice."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from whereupon.model.checks_campaigns import audience_problems, delivery_problems, shape_problems
from whereupon.model.checks_content import content_problems
from whereupon.model.checks_parts import (
    channel_problems,
    data_problems,
    filled_store,
    part_problems,
    system_problems,
)  # fmt: skip
from whereupon.model.content import ChannelTraits
from whereupon.model.findings import Problem, repeated
from whereupon.model.names import Names
from whereupon.model.setup import Campaign, Setup

__all__ = ["Problem", "campaign_problems", "problems"]


def problems(
    setup: Setup, traits: Mapping[str, ChannelTraits], *, kinds: Mapping[str, Collection[str]] | None = None
) -> list[Problem]:
    """Everything that is wrong with a set-up or could be better, in the order of the file.

    `traits` are those of the kinds of channel; one that is missing is taken for a plain channel. `kinds` lists the
    kinds of component by role (stream, store, channel); a role that is missing isn't checked.
    """
    return list(_all(setup, traits, kinds or {}))


def _all(
    setup: Setup, traits: Mapping[str, ChannelTraits], kinds: Mapping[str, Collection[str]]
) -> Iterator[Problem]:
    yield from system_problems(setup)
    yield from data_problems(setup)
    yield from part_problems(setup, kinds)
    yield from channel_problems(setup, traits, kinds)
    yield from repeated("campaigns", "campaigns", (each.name for each in setup.campaigns))
    for campaign in setup.campaigns:
        yield from campaign_problems(setup, campaign, traits)


def campaign_problems(
    setup: Setup, campaign: Campaign, traits: Mapping[str, ChannelTraits]
) -> Iterator[Problem]:
    """The problems of one campaign in its set-up."""
    channel = setup.channel(campaign.message.delivery.channel)
    its_traits = traits.get(channel.type, ChannelTraits()) if channel is not None else ChannelTraits()
    filled = filled_store(setup, channel, its_traits) if channel is not None else None
    names = Names.of(setup, campaign)
    yield from shape_problems(setup, campaign)
    yield from audience_problems(setup, campaign, names)
    yield from content_problems(setup, campaign, names, its_traits, filled)
    yield from delivery_problems(setup, campaign, its_traits)

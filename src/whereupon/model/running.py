"""What a service runs: the set-up of one revision, and the published version of each campaign in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from whereupon.model.setup import Campaign, Channel, Setup, Store, Stream


@dataclass(frozen=True, slots=True)
class Published:
    """An immutable version of a campaign, with the field lists of the parts as they were when it was published.

    `id` and `version` are lasting numbers; `channel_id` is the lasting number of its channel.
    """

    id: int
    version: int
    campaign: Campaign
    channel: Channel
    channel_id: int
    stream: Stream | None = None
    stores: tuple[Store, ...] = ()


@dataclass(frozen=True, slots=True)
class Running:
    """One revision as a service takes it up; `ids` maps (role, name) of stream, store, channel, campaign to numbers."""

    revision: int
    setup: Setup
    campaigns: tuple[Published, ...] = ()
    ids: Mapping[tuple[str, str], int] = field(default_factory=dict)

    def on_stream(self, name: str) -> tuple[Published, ...]:
        """Published event-triggered campaigns of a stream in the order they are asked: priority, then name."""
        found = (each for each in self.campaigns if each.campaign.audience.stream == name)
        return tuple(sorted(found, key=lambda each: (-each.campaign.priority, each.campaign.name)))

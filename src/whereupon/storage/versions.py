"""Published versions: a campaign with the field lists of its parts, as they were when it was published."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from whereupon.connect.session import Session
from whereupon.kit.registry import Registry
from whereupon.model.checks_parts import filled_store
from whereupon.model.content import ChannelTraits, looked_up
from whereupon.model.errors import SetupError
from whereupon.model.findings import Problem
from whereupon.model.names import Names
from whereupon.model.problems import campaign_problems
from whereupon.model.running import Published
from whereupon.model.setup import Campaign, Channel, Setup, Store, Stream
from whereupon.storage.checks import traits

P = TypeVar("P", Stream, Store, Channel)


@dataclass(frozen=True, slots=True)
class Body:
    """What a version keeps. Settings of the parts are no part of it: those are always the present ones."""

    campaign: Campaign
    channel: Channel
    stream: Stream | None
    stores: tuple[Store, ...]

    def text(self) -> str:
        """The version as JSON."""
        parts = {"campaign": self.campaign, "channel": self.channel, "stream": self.stream}
        data: dict[str, Any] = {name: _dumped(each) for name, each in parts.items() if each is not None}
        return json.dumps({**data, "stores": [_dumped(each) for each in self.stores]}, ensure_ascii=False)

    @classmethod
    def read(cls, text: str) -> Body:
        """A version from its JSON."""
        data = json.loads(text)
        return cls(
            Campaign.model_validate(data["campaign"]),
            Channel.model_validate(data["channel"]),
            Stream.model_validate(data["stream"]) if "stream" in data else None,
            tuple(Store.model_validate(each) for each in data["stores"]),
        )


def _dumped(part: Campaign | Channel | Stream | Store) -> dict[str, Any]:
    return part.model_dump(mode="json", by_alias=True, exclude_defaults=True)


def body_of(setup: Setup, campaign: Campaign, registry: Registry) -> Body:
    """The version that publishing a campaign's draft would make; raises SetupError where the draft has mistakes."""
    channel = setup.channel(campaign.message.delivery.channel)
    if channel is None:
        raise SetupError(
            f"{campaign.name} has no channel.", hint="Choose the channel that it is delivered by."
        )
    its_traits = traits(registry).get(channel.type, ChannelTraits())
    filled = filled_store(setup, channel, its_traits)
    stores = setup.pull_marketing.stores
    stream = setup.stream(campaign.audience.stream)
    draft = Published(0, 0, campaign, channel, 0, stream, stores)
    used = looked_up(draft, Names.of(setup, campaign), its_traits, filled)
    named = used | ({filled.name} if filled else set())
    return Body(
        campaign.model_copy(update={"publish": False}),
        Channel(
            name=channel.name,
            type=channel.type,
            fields=channel.fields,
            additional_variables=channel.additional_variables,
        ),
        Stream(name=stream.name, provider=stream.provider, fields=stream.fields) if stream else None,
        tuple(
            Store(name=each.name, provider=each.provider, fields=each.fields)
            for each in stores
            if each.name in named
        ),
    )


def is_published(setup: Setup, campaign: Campaign, body: Body | None, registry: Registry) -> bool:
    """Whether a campaign's draft is what this version says."""
    try:
        return body is not None and body == body_of(setup, campaign, registry)
    except SetupError:
        return False


def bodies(session: Session, published: Mapping[int, int]) -> dict[int, Body]:
    """The versions of these campaigns."""
    found = {}
    for campaign, number in published.items():
        row = session.one("SELECT body FROM version WHERE campaign = ? AND number = ?", (campaign, number))
        if row is not None:
            found[campaign] = Body.read(row[0])
    return found


def next_number(session: Session, campaign: int) -> int:
    """The number of a campaign's next version."""
    row = session.one("SELECT MAX(number) FROM version WHERE campaign = ?", (campaign,))
    return 1 + (row[0] or 0) if row else 1


def published(
    setup: Setup, number: int, version: int, body: Body, ids: Mapping[tuple[str, str], int]
) -> Published:
    """A version as it runs: its own field lists, and the present settings of its parts."""
    return Published(
        number,
        version,
        body.campaign,
        _with_settings(body.channel, setup.channel(body.channel.name)),
        ids["channel", body.channel.name],
        None if body.stream is None else _with_settings(body.stream, setup.stream(body.stream.name)),
        tuple(_with_settings(each, setup.store(each.name)) for each in body.stores),
    )


def _with_settings(old: P, now: P | None) -> P:
    """The part as it is now, with the lists that it had."""
    if now is None:
        return old
    lists = {name: getattr(old, name) for name in ("fields", "additional_variables") if hasattr(old, name)}
    return now.model_copy(update=lists)


def errors(setup: Setup, body: Body, registry: Registry) -> list[Problem]:
    """The errors that a published version would have in a set-up: a part that is gone, a store that is another."""
    channels = tuple(_frozen(each, [body.channel]) for each in setup.channels)
    streams = tuple(_frozen(each, [body.stream]) for each in setup.streams.streams)
    stores = tuple(_frozen(each, body.stores) for each in setup.pull_marketing.stores)
    with_fields = setup.model_copy(
        update={
            "channels": channels,
            "streams": setup.streams.model_copy(update={"streams": streams}),
            "pull_marketing": setup.pull_marketing.model_copy(update={"stores": stores}),
        }
    )
    found = campaign_problems(with_fields, body.campaign, traits(registry))
    return [replace(each, place=f"{each.place} (as published)") for each in found if each.severity == "error"]


def _frozen(now: P, old: Any) -> P:
    return next(
        (_with_settings(each, now) for each in old if each is not None and each.name == now.name), now
    )

"""Assembly: from a set-up to opened parts and compiled plans; the only place where parts are made."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from pydantic import SecretStr

from whereupon.engine.decide import LARGEST, CampaignPlan, StreamPlan, broken_campaign, compiled_campaign
from whereupon.host.clock import Clock
from whereupon.host.redaction import Redactor
from whereupon.kit.config import Config, Part, Ui, folded, read_settings
from whereupon.kit.registry import Registry
from whereupon.kit.roles import Channel, Component, Context, Role
from whereupon.model import checks_parts
from whereupon.model import setup as nouns
from whereupon.model.content import ChannelTraits
from whereupon.model.errors import SetupError
from whereupon.model.names import Names, variable_types
from whereupon.model.running import Published, Running
from whereupon.storage.folder import Databases, SystemFolder
from whereupon.storage.vault import Vault, resolved


@dataclass(frozen=True, slots=True)
class Workshop:
    """What parts are made with."""

    registry: Registry
    vault: Vault
    system: SystemFolder
    databases: Databases
    clock: Clock
    redactor: Redactor


@dataclass(frozen=True, slots=True)
class Order:
    """A part to be made. Two orders with one fingerprint make the same part; `more` is what else would change it."""

    role: Role
    name: str
    kind: str
    provider: Mapping[str, Any]
    settings: Mapping[str, Any]
    fields: tuple[nouns.FieldDefinition, ...] = ()
    start: str = "earliest"
    more: tuple[str, ...] = ()

    @property
    def fingerprint(self) -> str:
        """Changes whenever the part has to be opened anew."""
        fields = [each.model_dump() for each in self.fields]
        whole = [self.role, self.name, self.kind, self.provider, self.settings, fields, self.start, self.more]
        return hashlib.sha256(msgspec.json.encode(whole)).hexdigest()


def stream_order(shop: Workshop, setup: nouns.Setup, stream: nouns.Stream) -> Order:
    """What a stream is made of; raises SetupError for a missing provider or secret."""
    provider = _provider(setup.streams.providers, stream.provider, f"The stream {stream.name}")
    order = _order(shop, "stream", stream.name, provider, stream.settings, stream.fields, stream.start)
    types = variable_types(setup)
    typed = (f"{each.variable}: {types.get(each.variable, '')}" for each in stream.fields if each.variable)
    return replace(order, more=(stream.event_id, stream.event_time, setup.system.time_zone, *typed))


def store_order(shop: Workshop, setup: nouns.Setup, store: nouns.Store) -> Order:
    """What a store is made of; raises SetupError for a missing provider or secret."""
    provider = _provider(setup.pull_marketing.providers, store.provider, f"The store {store.name}")
    return _order(shop, "store", store.name, provider, store.settings, store.fields)


def channel_order(shop: Workshop, setup: nouns.Setup, channel: nouns.Channel) -> Order:
    """What a channel is made of, the stores that it names with it; raises SetupError for a missing secret or store."""
    provider = nouns.Provider(name=channel.name, type=channel.type)
    order = _order(shop, "channel", channel.name, provider, channel.settings)
    config = shop.registry.kind("channel", channel.type).config
    stores = []
    for name in sorted(named_parts(config, order.settings)):
        store = setup.store(name)
        if store is None:
            raise _missing(f"The channel {channel.name}", "store", name)
        stores.append(store_order(shop, setup, store).fingerprint)
    return replace(order, more=tuple(stores))


def address_of(shop: Workshop, order: Order) -> str:
    """Changes when a channel's messages go to another place, or go there as somebody else's: by its texts and port, not
    by how fast or how long it tries."""
    config = shop.registry.kind("channel", order.kind).config
    settings = read_settings(config, dict(order.settings), where=f"The channel {order.name}")
    told = {
        name: _plain(getattr(settings, name))
        for name, info in config.model_fields.items()
        if not any(isinstance(each, Ui) and each.advanced for each in info.metadata)
    }
    said = {
        name: str(value)
        for name, value in told.items()
        if name == "port" or not isinstance(value, int | float)
    }
    whole = [order.kind, said, order.more]
    return hashlib.sha256(msgspec.json.encode(whole)).hexdigest()


def _plain(value: object) -> object:
    return value.get_secret_value() if isinstance(value, SecretStr) else value


def opened(shop: Workshop, order: Order, parts: Mapping[str, Any] | None = None) -> Component[Any, Any]:
    """Make a part; raises SetupError or Away. `parts` are the opened parts that its settings name."""
    kind = shop.registry.kind(order.role, order.kind)
    where = f"{order.role} {order.name}"
    provider = read_settings(kind.provider, dict(order.provider), where=f"The provider of the {where}")
    config = read_settings(kind.config, dict(order.settings), where=f"The {where}")
    context = Context(
        name=order.name,
        system=shop.system.name,
        folder=shop.system.path,
        folder_id=shop.system.id,
        clock=shop.clock,
        databases={
            "system": shop.databases.system,
            "pull_marketing": shop.databases.pull_marketing,
            "streams": shop.databases.streams,
        },
        parts=parts or {},
        fields=order.fields,
        start="latest" if order.start == "latest" else "earliest",
    )
    return kind.make(provider, config, context)


def named_parts(config: type[Config], settings: Mapping[str, Any]) -> dict[str, str]:
    """Part name → role, of the settings that name another part."""
    found = {}
    given = {folded(name): value for name, value in settings.items()}
    for name, info in config.model_fields.items():
        marks = [each for each in info.metadata if isinstance(each, Part)]
        value = given.get(folded(name)) or given.get(folded(info.alias or name))
        if marks and isinstance(value, str):
            found[value] = marks[0].role
    return found


def traits(shop: Workshop, channel: nouns.Channel) -> ChannelTraits:
    """What content and problems have to know of a channel's kind."""
    make = shop.registry.kind("channel", channel.type).make
    found: ChannelTraits = make.traits  # type: ignore[attr-defined]
    return found


def filled_store(shop: Workshop, setup: nouns.Setup, channel: nouns.Channel) -> nouns.Store | None:
    """The store that a channel fills, or None."""
    return checks_parts.filled_store(setup, channel, traits(shop, channel))


@dataclass(frozen=True, slots=True)
class Plans:
    """Compiled campaigns by stream, and the channels that fill a store."""

    streams: Mapping[str, StreamPlan] = field(default_factory=dict)
    fills: frozenset[int] = frozenset()


def plans(shop: Workshop, running: Running, channels: Mapping[str, Channel[Any, Any]]) -> Plans:
    """Compile the published event-triggered campaigns of each stream."""
    streams = {}
    for stream in running.setup.streams.streams:
        campaigns = []
        for published in running.on_stream(stream.name):
            try:
                campaigns.append(campaign_plan(shop, running, published, channels))
            except SetupError as error:
                campaigns.append(broken_campaign(published, str(error)))
        streams[stream.name] = stream_plan(running, stream, tuple(campaigns))
    fills = frozenset(
        running.ids["channel", each.name] for each in running.setup.channels if traits(shop, each).fills
    )  # fmt: skip
    return Plans(streams, fills)


def stream_plan(running: Running, stream: nouns.Stream, campaigns: tuple[CampaignPlan, ...]) -> StreamPlan:
    """The plan of one stream."""
    setup = running.setup
    return StreamPlan(
        id=running.ids["stream", stream.name],
        name=stream.name,
        revision=running.revision,
        zone=ZoneInfo(setup.system.time_zone),
        recognise=setup.realtime_data.recognise_repeats.milliseconds,
        campaigns=campaigns,
    )


def campaign_plan(
    shop: Workshop, running: Running, published: Published, channels: Mapping[str, Channel[Any, Any]]
) -> CampaignPlan:  # fmt: skip
    """One campaign, compiled; raises SetupError."""
    setup, channel = running.setup, published.channel
    part = channels.get(channel.name)
    return compiled_campaign(
        published,
        names=Names.published(published, setup),
        traits=traits(shop, channel),
        filled=filled_store(shop, setup, channel),
        address=part.address if part is not None else lambda fields: fields.get("email", ""),
        largest=part.largest if part is not None else LARGEST,
    )


def _provider(providers: tuple[nouns.Provider, ...], name: str, where: str) -> nouns.Provider:
    found = next((each for each in providers if each.name == name), None)
    if found is None:
        raise _missing(where, "provider", name)
    return found


def _missing(where: str, role: str, name: str) -> SetupError:
    return SetupError(f"{where} names the {role} {name}, which isn't there.", hint="Choose one that exists.")


def _order(
    shop: Workshop, role: Role, name: str, provider: nouns.Provider, settings: Mapping[str, Any],
    fields: tuple[nouns.FieldDefinition, ...] = (), start: str = "earliest",
) -> Order:  # fmt: skip
    connection, secrets = resolved(provider.settings, shop.vault, where=f"The provider {provider.name}")
    own, more = resolved(settings, shop.vault, where=f"The {role} {name}")
    for secret in secrets | more:
        shop.redactor.add(secret)
    return Order(role, name, provider.type, connection, own, fields, start)

"""What is wrong with a set-up when its components have their say: problems of the model, and of every setting."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, get_args

from pydantic import ValidationError

from whereupon.kit.config import Config, folded, mistakes
from whereupon.kit.registry import Registry
from whereupon.kit.roles import Role
from whereupon.model.content import ChannelTraits
from whereupon.model.errors import SetupError
from whereupon.model.findings import Problem, Severity, at
from whereupon.model.problems import problems
from whereupon.model.setup import Campaign, Provider, Setup
from whereupon.storage.secret_names import check_references, references


def traits(registry: Registry) -> dict[str, ChannelTraits]:
    """What the model has to know of each kind of channel."""
    return {each.name: getattr(each.make, "traits", ChannelTraits()) for each in registry.of("channel")}


def found(setup: Setup, registry: Registry) -> list[Problem]:
    """All problems of a set-up, those of settings with them."""
    roles: tuple[Role, ...] = get_args(Role)
    kinds = {role: [each.name for each in registry.of(role)] for role in roles}
    known: dict[str, list[str]] = {role: names for role, names in kinds.items() if names}
    of_settings = settings_problems(setup, registry)
    return [*problems(setup, traits(registry), kinds=known), *of_settings, *_unloaded(setup, registry)]


def _unloaded(setup: Setup, registry: Registry) -> Iterator[Problem]:
    """Packages whose components can't be loaded: an error where the set-up has a kind that one of them may hold."""
    used: set[tuple[Role, str]] = {("channel", each.type) for each in setup.channels}
    used |= {("store", each.type) for each in setup.pull_marketing.providers}
    used |= {("stream", each.type) for each in setup.streams.providers}
    severity: Severity = "advice" if used <= registry.kinds.keys() else "error"
    for name, reason in sorted(registry.broken.items()):
        hint = "Put that package right, or uninstall it."
        yield Problem(severity, at("components", name), f"It can't be loaded: {reason}.", hint)


def settings_problems(setup: Setup, registry: Registry) -> Iterator[Problem]:
    """Settings that their component doesn't take. A value that names a secret is looked at when the part is opened;
    a setting that there isn't is wrong whatever its value."""
    pull, streams = setup.pull_marketing, setup.streams
    yield from _of_role("store", "pull_marketing", "stores", pull.providers, pull.stores, registry)
    yield from _of_role("stream", "streams", "streams", streams.providers, streams.streams, registry)
    for table in setup.data.tables:
        yield from _references(at("data", "tables", table.name, "connection"), table.connection)
    for channel in setup.channels:
        if kind := registry.kinds.get(("channel", channel.type)):
            yield from _settings(at("channels", channel.name), kind.config, channel.settings)


def _of_role(
    role: Role,
    group: str,
    plural: str,
    providers: Sequence[Provider],
    parts: Sequence[Any],
    registry: Registry,
) -> Iterator[Problem]:
    kinds = {each.name: registry.kinds.get((role, each.type)) for each in providers}
    for provider in providers:
        if kind := kinds[provider.name]:
            yield from _settings(at(group, "providers", provider.name), kind.provider, provider.settings)
    for part in parts:
        if kind := kinds.get(part.provider):
            yield from _settings(at(group, plural, part.name), kind.config, part.settings)


def _references(place: str, value: object) -> Iterator[Problem]:
    try:
        check_references(value)
    except SetupError as wrong:
        yield Problem("error", place, wrong.message, wrong.hint)


def _settings(place: str, config: type[Config], settings: dict[str, Any]) -> Iterator[Problem]:
    yield from _references(at(place, "settings"), settings)
    try:
        config.model_validate(settings)
    except ValidationError as error:
        secret = {folded(name) for name, value in settings.items() if references(value)}
        names = {name: info.alias or name for name, info in config.model_fields.items()}
        for each, sentence in zip(error.errors(include_url=False), mistakes(error, "-", names), strict=True):
            field = str(each["loc"][0]) if each["loc"] else ""
            later = not secret.isdisjoint({folded(field), folded(names.get(field, field))})
            if each["type"] == "extra_forbidden" or not later:
                yield Problem("error", at(place, "settings"), f"{sentence.removeprefix('-: ')}.", "")


def concerning(problems: Sequence[Problem], setup: Setup, campaigns: Collection[str]) -> list[Problem]:
    """The errors that these campaigns have in themselves or in a part that they use."""
    used = {part for each in setup.campaigns if each.name in campaigns for part in _used(setup, each)}
    errors = (each for each in problems if each.severity == "error")
    return [each for each in errors if each.place.startswith("system") or _part(each.place) in used]


def _part(place: str) -> tuple[str, ...]:
    steps = place.split(" › ")
    return tuple(steps[: 2 if steps[0] in ("campaigns", "channels") else 3])


def _used(setup: Setup, campaign: Campaign) -> Iterator[tuple[str, ...]]:
    yield "campaigns", campaign.name
    yield "data", "tables", campaign.audience.table
    channel = setup.channel(campaign.message.delivery.channel)
    yield "channels", campaign.message.delivery.channel
    if stream := setup.stream(campaign.audience.stream):
        yield "streams", "streams", stream.name
        yield "streams", "providers", stream.provider
    said = campaign.model_dump_json(by_alias=True)
    settings: Mapping[str, Any] = channel.settings if channel else {}
    for store in setup.pull_marketing.stores:
        if store.name in said or "$store" in said or store.name in settings.values():
            yield "pull_marketing", "stores", store.name
            yield "pull_marketing", "providers", store.provider

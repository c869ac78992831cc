"""Literal secrets of a set-up, taken out before it is stored; what stays is `${secret:part/<role>/<id>/<field>}`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from whereupon.kit.config import Config, folded, sounds_secret
from whereupon.kit.registry import Registry
from whereupon.kit.roles import Role
from whereupon.model.setup import Channel, DataTable, Provider, Setup, Store, Stream
from whereupon.storage.passwords import password_in, with_password
from whereupon.storage.secret_names import reference, references

Ids = Mapping[tuple[str, str], int]
_HEADERS = ("authorization", "cookie", "apikey", "xapikey")


def part_names(setup: Setup) -> Iterator[tuple[str, str]]:
    """Role and name of every part that has a lasting number."""
    lists: Mapping[str, tuple[Any, ...]] = {
        "table": setup.data.tables,
        "store_provider": setup.pull_marketing.providers,
        "store": setup.pull_marketing.stores,
        "stream_provider": setup.streams.providers,
        "stream": setup.streams.streams,
        "channel": setup.channels,
        "campaign": setup.campaigns,
    }
    for role, parts in lists.items():
        yield from ((role, each.name) for each in parts)


def hidden(setup: Setup, registry: Registry, ids: Ids) -> tuple[Setup, dict[str, str]]:
    """The set-up without literal secrets, and those secrets by name. `ids` are the parts' lasting numbers."""
    hiding = _Hiding(setup, registry, ids)
    pull, streams = setup.pull_marketing, setup.streams
    without = setup.model_copy(
        update={
            "data": setup.data.model_copy(update={"tables": tuple(map(hiding.table, setup.data.tables))}),
            "pull_marketing": pull.model_copy(
                update={
                    "providers": tuple(hiding.provider("store", each) for each in pull.providers),
                    "stores": tuple(hiding.part("store", each, pull.providers) for each in pull.stores),
                }
            ),
            "streams": streams.model_copy(
                update={
                    "providers": tuple(hiding.provider("stream", each) for each in streams.providers),
                    "streams": tuple(
                        hiding.part("stream", each, streams.providers) for each in streams.streams
                    ),
                }
            ),
            "channels": tuple(map(hiding.channel, setup.channels)),
        }
    )
    return without, hiding.secrets


class _Hiding:
    """One pass over a set-up; `secrets` are those that were found."""

    def __init__(self, setup: Setup, registry: Registry, ids: Ids) -> None:
        self.secrets: dict[str, str] = {}
        self._registry = registry
        self._ids = ids

    def table(self, table: DataTable) -> DataTable:
        password = password_in(table.connection)
        if password is None:
            return table
        name = self._keep("table", table.name, "connection", password)
        return table.model_copy(update={"connection": with_password(table.connection, name)})

    def provider(self, role: Role, provider: Provider) -> Provider:
        kind = self._registry.kinds.get((role, provider.type))
        without: Provider = self._without(f"{role}_provider", provider, kind.provider if kind else Config)
        return without

    def part(self, role: Role, part: Any, providers: tuple[Provider, ...]) -> Store | Stream:
        type = next((each.type for each in providers if each.name == part.provider), "")
        kind = self._registry.kinds.get((role, type))
        without: Store | Stream = self._without(role, part, kind.config if kind else Config)
        return without

    def channel(self, channel: Channel) -> Channel:
        kind = self._registry.kinds.get(("channel", channel.type))
        without: Channel = self._without("channel", channel, kind.config if kind else Config)
        return without

    def _without(self, role: str, part: Any, config: type[Config]) -> Any:
        secret = config.secret_names(part.settings)
        settings = {
            field: self._value(role, part.name, field, value, secret=field in secret)
            for field, value in part.settings.items()
        }
        return part if settings == part.settings else part.model_copy(update={"settings": settings})

    def _value(self, role: str, name: str, field: str, value: Any, *, secret: bool) -> Any:
        if isinstance(value, dict):
            return {
                key: self._value(role, name, f"{field}/{key}", each, secret=secret or _named_secret(str(key)))
                for key, each in value.items()
            }
        if isinstance(value, str) and not secret and (password := password_in(value)):
            return with_password(value, self._keep(role, name, field, password))
        if not secret or value in (None, "") or isinstance(value, list) or references(value):
            return value
        return self._keep(role, name, field, str(value))

    def _keep(self, role: str, name: str, field: str, value: str) -> str:
        kept = f"part/{role}/{self._ids.get((role, name), 0)}/{field}"
        self.secrets[kept] = value
        return reference(kept)


def _named_secret(name: str) -> bool:
    return sounds_secret(name) or folded(name) in _HEADERS

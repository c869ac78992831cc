"""The parts that one run works with: a store for its look-ups, and the channel that fills one."""

from __future__ import annotations

from typing import Any, cast

from whereupon.engine.assembly import Workshop, channel_order, named_parts, opened, store_order
from whereupon.kit.roles import Channel, Store
from whereupon.model.errors import SetupError
from whereupon.model.setup import Setup


class Parts:
    """Opens parts of a set-up when they are first asked for, and closes them all."""

    def __init__(self, shop: Workshop, setup: Setup) -> None:
        self._shop, self._setup = shop, setup
        self._stores: dict[str, Store[Any, Any]] = {}
        self._channels: list[Channel[Any, Any]] = []

    def store(self, name: str) -> Store[Any, Any]:
        """The store of this name; raises SetupError or Away."""
        if name not in self._stores:
            found = self._setup.store(name)
            if found is None:
                raise SetupError(f"There is no store called {name}.", hint="Choose one that exists.")
            part = opened(self._shop, store_order(self._shop, self._setup, found))
            self._stores[name] = cast(Store[Any, Any], part)
        return self._stores[name]

    def channel(self, name: str) -> Channel[Any, Any]:
        """A channel of this name, with the stores that it names; raises SetupError or Away."""
        found = self._setup.channel(name)
        if found is None:
            raise SetupError(f"There is no channel called {name}.", hint="Choose one that exists.")
        order = channel_order(self._shop, self._setup, found)
        config = self._shop.registry.kind("channel", order.kind).config
        named = {each: self.store(each) for each in named_parts(config, order.settings)}
        part = cast(Channel[Any, Any], opened(self._shop, order, named))
        self._channels.append(part)
        return part

    def close(self) -> None:
        """Close all; a second call does nothing."""
        for each in (*self._channels, *self._stores.values()):
            each.close()
        self._channels, self._stores = [], {}

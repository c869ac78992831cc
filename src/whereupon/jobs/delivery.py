"""Who delivers what a table run decides: the folder's service, or the run itself while there is none."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from types import TracebackType
from typing import Self

from whereupon.control.launch import service_lock
from whereupon.engine.assembly import Workshop
from whereupon.engine.chores import chores
from whereupon.engine.engine import Engine
from whereupon.engine.keeper import Chore, Keeper
from whereupon.host.locks import holder
from whereupon.host.logs import logger
from whereupon.model.errors import Locked, Unavailable
from whereupon.model.running import Running
from whereupon.storage.journal import Journal
from whereupon.storage.operations import Operations
from whereupon.storage.turns import writers

PATIENCE = 60.0
"""Seconds that a service may be away (its watcher starts it anew) before the run gives up."""
RENEW = 10.0
log = logger("run")


class Delivery:
    """The journal that a run decides into, and whoever takes its messages from there; `owner` is the folder's number.

    A run that delivers itself holds the folder's lock and works with an engine that has no streams.
    """

    def __init__(self, shop: Workshop, running: Running, *, owner: int) -> None:
        self._shop, self._owner = shop, owner
        streams = running.setup.streams.model_copy(update={"streams": ()})
        self._running = replace(running, setup=running.setup.model_copy(update={"streams": streams}))
        self._lock = service_lock(shop.system.path)
        self._held = ExitStack()
        self._engine: Engine | None = None
        self._seen = shop.clock.monotonic()
        self.journal = Journal(shop.databases.streams, owner=owner, writers=writers(shop.databases.streams))

    def __enter__(self) -> Self:
        try:
            self._held.enter_context(self._lock)
        except Locked:
            return self
        try:
            self._deliver()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held.close()
        self.journal.close()

    def ensure(self) -> None:
        """Raise Unavailable if nobody has delivered for a minute."""
        now = self._shop.clock.monotonic()
        if self._engine is not None or holder(self._lock.path) is not None:
            self._seen = now
        elif now - self._seen > PATIENCE:
            raise Unavailable(
                "The service that delivered this run has stopped.",
                hint="Start it, or run the campaign again: it goes on where it stood.",
            )

    def _deliver(self) -> None:
        """Start an engine of our own; it ends before the folder's lock is given back."""
        shop, clock = self._shop, self._shop.clock
        operations = Operations(shop.databases.streams)
        self._held.callback(operations.close)
        operations.renew(self._owner, status={})
        self._held.callback(lambda: operations.renew(self._owner, status={}, running=False))
        self._engine = engine = Engine(shop, owner=self._owner)
        self._held.callback(engine.stop)
        engine.start()
        engine.take(self._running)
        lease = Chore("lease", RENEW, lambda: _renew(operations, self._owner))
        for keeper in (
            Keeper("keeper", chores(engine, operations), clock=clock), Keeper("lease", [lease], clock=clock),
        ):  # fmt: skip
            keeper.start()
            self._held.callback(keeper.stop, 2.0)
        log.info("no service runs here; the run delivers by itself")


def _renew(operations: Operations, owner: int) -> None:
    operations.renew(owner, status={})

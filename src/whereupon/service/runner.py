"""The service process: builds the engine, follows the configuration, answers the wire, and ends cleanly."""

from __future__ import annotations

import gc
import platform
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

from whereupon.control.launch import service_lock
from whereupon.control.wire import WireServer
from whereupon.engine.assembly import Workshop
from whereupon.engine.chores import chores
from whereupon.engine.engine import Engine
from whereupon.engine.keeper import Chore, Keeper
from whereupon.engine.status import status
from whereupon.host.clock import Clock
from whereupon.host.logs import logger, start_logging
from whereupon.host.processes import on_stop
from whereupon.host.redaction import Redactor
from whereupon.jobs.timetable import Timetable
from whereupon.kit.registry import discover
from whereupon.model.errors import WhereuponError
from whereupon.storage.folder import SystemFolder, opened
from whereupon.storage.operations import Operations
from whereupon.storage.repository import Repository
from whereupon.storage.schema import upgrade

RENEW = 10.0
"""Seconds between renewals of the lease (line.md, *More than one service*)."""
log = logger("service")


def run(
    folder: Path, *, level: str = "INFO", echo: bool = True, ready: Callable[[], None] = lambda: None
) -> int:
    """Run the service of a system until it is asked to stop. Returns the exit code; raises Locked, SetupError, Away."""
    system = opened(folder)
    with ExitStack() as stack:
        stack.enter_context(service_lock(folder))
        redactor = Redactor()
        stack.enter_context(start_logging(folder, level=level, echo=echo, redactor=redactor))
        stack.push(_log_the_unexpected)
        sys.setswitchinterval(1e-4)
        gc.set_threshold(50_000)
        stop = threading.Event()
        stack.enter_context(on_stop(stop.set))
        service = Service(workshop(system, redactor))
        stack.callback(service.close)
        service.start(stop)
        stack.enter_context(service.wire)
        ready()
        return service.wait(stop)


def _log_the_unexpected(
    kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
) -> None:
    """What is told to a person in a sentence stands in the log whole."""
    if isinstance(error, Exception) and not isinstance(error, WhereuponError):
        log.critical("the service ended by an unexpected error", exc_info=error)


def workshop(system: SystemFolder, redactor: Redactor, *, clock: Clock | None = None) -> Workshop:
    """What parts are made with, of one system. Opens no part yet."""
    held = system.vault()
    return Workshop(discover(), held, system, system.databases(held), clock or Clock(), redactor)


class Service:
    """The engine with what follows and watches it."""

    def __init__(self, shop: Workshop) -> None:
        upgrade(shop.databases.system, "system", clock=shop.clock)
        upgrade(shop.databases.streams, "streams", clock=shop.clock)
        self.shop = shop
        self.repository = Repository(shop.databases.system, shop.registry, shop.vault)
        self.operations = Operations(shop.databases.streams)
        self.owner = self.operations.enrol(shop.system.id, platform.node())
        self.engine = Engine(shop, owner=self.owner)
        self.timetable = Timetable(shop, self.repository)
        self.began = shop.clock.now()
        self.wire = WireServer(shop.system.path, status=self.status, commands={})
        self._keepers: list[Keeper] = []

    def start(self, stop: threading.Event) -> None:
        """Begin to work; `stop` is set when somebody asks for it over the wire."""
        self.wire.commands["stop"] = lambda words: _set(stop)
        self._renew()
        self.engine.start()
        self.engine.operating.note(self.operations.holds())
        self.follow()
        clock = self.shop.clock
        lease = Chore("lease", RENEW if self.operations.leased else 5.0, self._renew)
        jobs = Chore("timetable", 1.0, self.timetable.turn)
        listed = [
            *chores(self.engine, self.operations),
            Chore("configuration", 0.5, self.follow),
        ]
        self._keepers = [
            Keeper("lease", [lease], clock=clock),
            Keeper("timetable", [jobs], clock=clock),
            Keeper("keeper", listed, clock=clock),
        ]
        for each in self._keepers:
            each.start()
        log.info("service started", system=self.shop.system.name, owner=self.owner)

    def wait(self, stop: threading.Event) -> int:
        """Until it is asked to stop (0), or a thread is lost (1), so that the watcher starts the process anew."""
        while not stop.wait(1.0):
            gone = [*self.engine.dead_threads(), *(each.name for each in self._keepers if not each.alive)]
            gone += ["wire"] if self.wire.deaf else []
            if gone:
                log.error(
                    "threads ended; the service stops and is to be started anew", threads=", ".join(gone)
                )
                return 1
        return 0

    def close(self) -> None:
        """End within 10 s; what was decided and not sent stays in the journal."""
        for grace in (0.0, 0.4):  # all are told before the first is waited for
            for each in self._keepers:
                each.stop(grace)
        self.engine.stop()
        try:
            self.operations.renew(self.owner, status=self.status(), running=False)
        except WhereuponError as error:
            log.warning("the lease can't be given back; it is lost in a minute", reason=str(error))
        for part in (self.operations, self.timetable, self.repository, self.shop.databases):
            part.close()
        log.info("service ended")

    def follow(self) -> None:
        """Take up a new revision."""
        running = self.engine.running
        if running is None or self.repository.revision() != running.revision:
            self.engine.take(self.repository.running())

    def status(self) -> Mapping[str, Any]:
        """How it goes, for the wire and the lease."""
        return {**status(self.engine), "owner": self.owner, "began": self.began}

    def _renew(self) -> None:
        self.operations.renew(self.owner, status=self.status())
        if self.operations.leased:
            self.engine.renewal.renewed()


def _set(stop: threading.Event) -> Mapping[str, Any]:
    stop.set()
    return {"stopping": True}

"""What people ask of a running service: each request is acted on and answered, within two seconds."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Any

from whereupon.host.logs import logger
from whereupon.model.errors import WhereuponError
from whereupon.storage.dead_letters import DeadLetters
from whereupon.storage.loading import load
from whereupon.storage.operations import Hold, Operations, Request
from whereupon.storage.positions import leave

if TYPE_CHECKING:
    from whereupon.engine.engine import Engine

BULK = "bulk"
"""A table run asks to be delivered; it answers by itself, once nothing of it is open."""
log = logger("requests")
Act = Callable[[Request], str]


class Requests:
    """The keeper's chore. Words of a request by its name: pause and resume (`campaign`, a number; `reason`), resend
    (`letters`, numbers), go-on (`stream`, a number), load (none), bulk (`channel`, `campaign`, `first`)."""

    def __init__(self, engine: Engine, operations: Operations) -> None:
        self._engine, self._operations = engine, operations
        self._loading: threading.Thread | None = None
        self._acts: Mapping[str, Act] = {
            "pause": self._pause,
            "resume": self._resume,
            "resend": self._resend,
            "go-on": self._go_on,
        }

    def turn(self) -> None:
        """Take what was asked since."""
        runs: dict[int, dict[int, int]] = {}
        for request in self._operations.requests(self._engine.owner):
            if request.name == BULK:
                words = request.words
                runs.setdefault(words["channel"], {})[words["campaign"]] = words["first"]
            elif request.name == "load":
                self._load(request)
            else:
                self._answer(request, self._acts.get(request.name, _unknown))
        self._engine.finisher.runs(runs)

    def _answer(self, request: Request, act: Act) -> None:
        try:
            said = act(request)
        except (WhereuponError, LookupError, TypeError, ValueError) as error:
            said = f"refused: {error}"
        log.info("asked", name=request.name, author=request.author, answer=said)
        self._operations.answer(request.id, said, at=self._engine.shop.clock.now())

    def _pause(self, request: Request) -> str:
        reason, now = str(request.words.get("reason", "")), self._engine.shop.clock.now()
        part = int(request.words["campaign"])
        self._operations.hold(Hold("campaign", part, "paused", reason, request.author, now))
        self._noted()
        return "paused"

    def _resume(self, request: Request) -> str:
        self._operations.release("campaign", int(request.words["campaign"]))
        self._noted()
        return "goes on"

    def _noted(self) -> None:
        self._engine.operating.note(self._operations.holds())

    def _resend(self, request: Request) -> str:
        shop = self._engine.shop
        with closing(DeadLetters(shop.databases.streams, clock=shop.clock)) as letters:
            return f"{letters.resend([int(each) for each in request.words['letters']])} marked"

    def _go_on(self, request: Request) -> str:
        """The stream stands still until it has left its places, and then begins as a new one does."""
        leave(self._engine.shop.databases.streams, int(request.words["stream"]))
        return "begins anew"

    def _load(self, request: Request) -> None:
        """A load may take minutes, which the keeper hasn't."""
        if self._loading is None or not self._loading.is_alive():
            self._loading = threading.Thread(
                target=self._answer, args=(request, self._loaded), name="load", daemon=True
            )
            self._loading.start()

    def _loaded(self, request: Request) -> str:
        shop = self._engine.shop
        return str(load(shop.databases.system, shop.system.stash, folder_id=shop.system.id, clock=shop.clock))


def _unknown(request: Request) -> Any:
    raise ValueError(f"this service knows no request called {request.name}")

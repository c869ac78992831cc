"""The keeper: once a second it takes up what was changed and asked, and keeps the journal tidy."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from whereupon.host.clock import Clock
from whereupon.host.logs import logger
from whereupon.model.errors import WhereuponError

log = logger("keeper")


@dataclass(slots=True)
class Chore:
    """Something to be done again and again, at least `every` seconds apart."""

    name: str
    every: float
    act: Callable[[], None]
    due: float = 0.0


class Keeper:
    """One thread that does chores; one that fails is said once, and tried again when it is due."""

    def __init__(self, name: str, chores: Sequence[Chore], *, clock: Clock) -> None:
        self.name = name
        self._chores = chores
        self._clock = clock
        self._stop = threading.Event()
        self._failed: set[str] = set()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether the thread still works."""
        return self._thread.is_alive()

    def stop(self, grace: float) -> None:
        """End after the chore at hand."""
        self._stop.set()
        self._thread.join(grace)

    def _run(self) -> None:
        while not self._stop.is_set():
            now = self._clock.monotonic()
            for chore in self._chores:
                if chore.due <= now and not self._stop.is_set():
                    chore.due = now + chore.every
                    self._do(chore)
            self._clock.wait(self._stop, 0.25)

    def _do(self, chore: Chore) -> None:
        try:
            chore.act()
            self._failed.discard(chore.name)
        except WhereuponError as error:
            if chore.name not in self._failed:
                log.warning("a chore failed; it is tried again", chore=chore.name, reason=str(error))
            self._failed.add(chore.name)

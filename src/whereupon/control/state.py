"""How a service is, as its watcher says it and writes it down."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Literal

from whereupon.control.wire import Words
from whereupon.host.files import write_atomically
from whereupon.host.logs import logger
from whereupon.model.errors import Unavailable

State = Literal["starting", "running", "not responding", "crashed", "stopping", "stopped", "lost"]

_log = logger("watcher")


@dataclass(frozen=True, slots=True)
class ServiceState:
    """How a service is: `pid` while it runs, `since` when it is so, restarts in a row, last words if it went down."""

    state: State = "stopped"
    pid: int | None = None
    since: datetime | None = None
    restarts: int = 0
    last_words: str = ""

    @property
    def up(self) -> bool:
        """True if a process is there or is about to be."""
        return self.state not in ("stopped", "lost")

    def __str__(self) -> str:
        since = f" since {self.since.astimezone():%Y-%m-%d %H:%M}" if self.since else ""
        process = f" (process {self.pid})" if self.pid else ""
        times = "once" if self.restarts == 1 else f"{self.restarts} times in a row"
        again = f", restarted {times}" if self.restarts and self.up else ""
        words = (
            f"\n{self.last_words}" if self.last_words and self.state in ("crashed", "lost", "stopped") else ""
        )
        return f"{self.state.capitalize()}{since}{process}{again}.{words}"


def state_file(folder: Path) -> Path:
    """Where the watcher writes how the service is."""
    return folder / "Logs" / "watcher.json"


def read_state(folder: Path) -> ServiceState:
    """What the watcher wrote last, true or not by now; stopped if it never wrote, or nothing that can be read."""
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        return _from_words(json.loads(state_file(folder).read_text(encoding="utf-8")))
    return ServiceState()


def write_state(folder: Path, state: ServiceState) -> None:
    """Write down how the service is, for whoever comes when the watcher has gone."""
    try:
        write_atomically(state_file(folder), json.dumps(as_words(state), ensure_ascii=False), private=True)
    except Unavailable as error:
        # On a full disk the watcher still watches, and tells it over the wire.
        _log.warning("The watcher's state can't be written.", reason=str(error))


def as_words(state: ServiceState) -> Words:
    """The state as JSON has it."""
    return {
        "state": state.state,
        "pid": state.pid,
        "since": state.since.isoformat() if state.since else None,
        "restarts": state.restarts,
        "last_words": state.last_words,
    }


def _from_words(words: Words) -> ServiceState:
    """The state that `as_words` wrote. Raises ValueError, TypeError or KeyError for anything else."""
    fields = {name: words[name] for name in ("state", "pid", "restarts", "last_words")}
    since = words["since"]
    made = ServiceState(**fields)  # type: ignore[arg-type]
    return replace(made, since=datetime.fromisoformat(str(since)) if since else None)

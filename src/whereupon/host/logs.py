"""Logs: JSON lines in rotating files, without secrets, and calm when one error comes a thousand times."""

from __future__ import annotations

import contextlib
import json
import logging
import logging.handlers
import re
import sys
import threading
import traceback
from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

import structlog

from whereupon.host.clock import Clock
from whereupon.host.files import private_folder
from whereupon.host.redaction import Redactor

__all__ = ["Logs", "Redactor", "logger", "start_logging"]

FILE_SIZE = 10 * 1024 * 1024
FILES = 5
# Of the same warning or error within this time the first and the last are written, with their count. Seconds.
CALM = 60.0
# Libraries that tell of every step at the level where we tell of what matters.
QUIET = ("alembic",)
_NUMBERS = re.compile(r"\d+")


def logger(name: str) -> structlog.stdlib.BoundLogger:
    """A logger to be called as `log.warning("The store is away.", stream=name)`; what it holds is redacted."""
    bound: structlog.stdlib.BoundLogger = structlog.wrap_logger(
        logging.getLogger(f"whereupon.{name}"),
        wrapper_class=structlog.stdlib.BoundLogger,
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            _settle_exception,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
    )
    return bound


def start_logging(
    folder: Path,
    *,
    level: str = "INFO",
    echo: bool = False,
    name: str = "service",
    redactor: Redactor | None = None,
    clock: Clock | None = None,
) -> Logs:
    """Write this process's records to `<folder>/Logs/<name>.log` (at most 50 MB in all), with `echo` to standard error
    too, and whatever nobody catches, in any thread. Each process of a folder needs a `name` of its own."""
    return Logs(
        private_folder(folder / "Logs") / f"{name}.log",
        level=level,
        echo=echo,
        redactor=redactor or Redactor(),
        clock=clock or Clock(),
    )


class Logs:
    """Logging as it was started; closing it gives everything back as it was. A second close does nothing."""

    def __init__(self, path: Path, *, level: str, echo: bool, redactor: Redactor, clock: Clock) -> None:
        self.path = path
        self.redactor = redactor
        targets: list[logging.Handler] = [_LogFile(path)]
        if echo:
            targets.append(_Echo(sys.stderr))
        for each in targets:
            each.setFormatter(_formatter(redactor))
        self._handler = _Calm(targets, clock)
        self._root = logging.getLogger()
        self._former_level = self._root.level
        self._root.addHandler(self._handler)
        self._root.setLevel(level)
        for library in QUIET:
            logging.getLogger(library).setLevel(logging.WARNING)
        self._former_hooks = (sys.excepthook, threading.excepthook)
        sys.excepthook = self._uncaught
        threading.excepthook = self._uncaught_in_thread

    def close(self) -> None:
        """Write what is held back, close the files and give the hooks back."""
        if self._handler not in self._root.handlers:
            return
        sys.excepthook, threading.excepthook = self._former_hooks
        self._root.removeHandler(self._handler)
        self._root.setLevel(self._former_level)
        self._handler.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _uncaught(
        self,
        kind: type[BaseException],
        error: BaseException,
        trace: TracebackType | None,
        where: str = "The process",
    ) -> None:
        if not issubclass(kind, KeyboardInterrupt):
            logger("host").critical(f"{where} ended by an unexpected error.", exc_info=(kind, error, trace))
        # What the watcher keeps as last words comes from here, so it is redacted like a log.
        with contextlib.suppress(OSError, ValueError, AttributeError):
            sys.stderr.write(self.redactor.text("".join(traceback.format_exception(kind, error, trace))))

    def _uncaught_in_thread(self, args: threading.ExceptHookArgs) -> None:
        if args.exc_type is SystemExit or args.exc_value is None:
            return
        name = args.thread.name if args.thread else "without a name"
        self._uncaught(args.exc_type, args.exc_value, args.exc_traceback, where=f"The thread {name}")


class _LogFile(logging.handlers.RotatingFileHandler):
    """A rotating file that never stops its program: on a full disk records are lost, and only they."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, maxBytes=FILE_SIZE, backupCount=FILES - 1, encoding="utf-8", delay=True)

    def doRollover(self) -> None:
        # On Windows a file that somebody looks at can't be renamed: then it goes on, and rotates later.
        with contextlib.suppress(OSError):
            super().doRollover()

    def handleError(self, record: logging.LogRecord) -> None:
        """Say nothing: the standard answer would print the record with its secrets."""


class _Echo(logging.StreamHandler[TextIO]):
    def handleError(self, record: logging.LogRecord) -> None:
        """Say nothing: a closed terminal must not stop the service."""


@dataclass(slots=True)
class _Repeated:
    until: float
    count: int = 0
    last: logging.LogRecord | None = None


class _Calm(logging.Handler):
    """Passes records on; of the same warning or error within a minute only the first and the last, with their count."""

    def __init__(self, targets: list[logging.Handler], clock: Clock) -> None:
        super().__init__()
        self._targets = targets
        self._clock = clock
        self._repeated: dict[tuple[object, ...], _Repeated] = {}
        self._closing = threading.Event()
        self._housekeeping = threading.Thread(target=self._keep_house, name="logs", daemon=True)
        self._housekeeping.start()

    def emit(self, record: logging.LogRecord) -> None:
        self._write_due(self._clock.monotonic())
        if record.levelno < logging.WARNING:
            return self._write(record)
        seen = self._repeated.get(_same(record))
        if seen is None:
            self._repeated[_same(record)] = _Repeated(self._clock.monotonic() + CALM)
            return self._write(record)
        seen.count += 1
        seen.last = record
        return None

    def close(self) -> None:
        self._closing.set()
        self._housekeeping.join()
        with self._held():
            self._write_due(float("inf"))
        for each in self._targets:
            each.close()
        super().close()

    def _keep_house(self) -> None:
        while not self._clock.wait(self._closing, CALM / 4):
            with self._held():
                self._write_due(self._clock.monotonic())

    @contextlib.contextmanager
    def _held(self) -> Iterator[None]:
        self.acquire()
        try:
            yield
        finally:
            self.release()

    def _write_due(self, now: float) -> None:
        for same in [same for same, each in self._repeated.items() if each.until <= now]:
            each = self._repeated.pop(same)
            if each.last is not None:
                each.last.repeated = each.count
                self._write(each.last)

    def _write(self, record: logging.LogRecord) -> None:
        for each in self._targets:
            each.handle(record)


def _same(record: logging.LogRecord) -> tuple[object, ...]:
    """What two records have in common that say the same, numbers apart."""
    said: Mapping[str, Any] = record.msg if isinstance(record.msg, Mapping) else {"event": record.msg}
    raised = said.get("exc_info") or record.exc_info
    return record.name, record.levelno, _NUMBERS.sub("#", str(said.get("event"))), raised and raised[0]


def _settle_exception(logged: Any, name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The exception as it is now: a record that is held back is written when it is long handled."""
    raised = event.get("exc_info")
    if isinstance(raised, BaseException):
        event["exc_info"] = (type(raised), raised, raised.__traceback__)
    elif raised and not isinstance(raised, tuple):
        event["exc_info"] = sys.exc_info()
    return event


def _formatter(redactor: Redactor) -> logging.Formatter:
    def line(logged: Any, name: str, event: MutableMapping[str, Any]) -> str:
        return json.dumps(redactor.value(event), ensure_ascii=False)

    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.stdlib.ExtraAdder()],
        processors=[_complete, structlog.processors.format_exc_info, line],
    )


def _complete(logged: Any, name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Time, level and origin first, as a person reads them; then what was said."""
    record: logging.LogRecord = event.pop("_record")
    event.pop("_from_structlog")
    at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
    first = {"at": at, "level": record.levelname.lower(), "from": record.name.removeprefix("whereupon.")}
    repeated = {"repeated": record.repeated} if hasattr(record, "repeated") else {}
    return {**first, "event": event.pop("event", ""), **repeated, **event}

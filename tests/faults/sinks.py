"""Sinks in processes of their own, which outlive whatever happens to the service, and what arrived at them.

`KeyedSink` is an HTTP sink that knows a key again (K of the fault matrix), `UnkeyedSink` a mail server that doesn't
(U), `keys_of_file` reads what a file channel wrote (F). Each says how often each message key was taken, as its
receiver sees it.
"""

from __future__ import annotations

import json
import sys
import threading
import urllib.request
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.servers.http import Answer, HttpSink
from tests.servers.processes import ROOT, STARTED_WITH, Child, wait_until
from tests.servers.scripted_smtp import ScriptedSmtp, Stage, Then
from tests.servers.smtp import Mail


class _Sink(ABC):
    """A process that runs this module with a task, says its port in the first line and ends with its standard input."""

    task = ""

    def __init__(self, folder: Path, **options: Any) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._log = folder / f"{self.task}.log"
        command = [sys.executable, "-m", "tests.faults.sinks", self.task, json.dumps(options)]
        environment = {**STARTED_WITH, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
        self._child = Child(command, log=self._log, environment=environment, tied=True)
        self._child.wait_for(self._lines, within=20, what=f"The {self.task} sink")
        self.port = int(self._lines()[0])

    def _lines(self) -> list[str]:
        whole, _, _ = self._log.read_text(encoding="utf-8").rpartition("\n")
        return whole.splitlines()

    @abstractmethod
    def arrived(self) -> Counter[str]:
        """How often each message was taken, by its key."""

    def freeze(self) -> None:
        """Take connections and answer none, as a receiver does whose machine is stuck."""
        self._child.suspend()

    def thaw(self) -> None:
        """Go on."""
        self._child.resume()

    def stop(self) -> None:
        """End it; twice is fine."""
        self._child.stop()


class KeyedSink(_Sink):
    """An HTTP sink that de-duplicates. `identify` and `delay` are those of `HttpSink`."""

    task = "http"

    def __init__(self, folder: Path, *, identify: str = "", delay: float = 0.0) -> None:
        super().__init__(folder, identify=identify, delay=delay)
        self.url = f"http://127.0.0.1:{self.port}/"

    def script(self, scripts: Mapping[str, Iterable[Answer]]) -> None:
        """For each name the answers its next requests get."""
        self._ask("script", {name: [asdict(each) for each in those] for name, those in scripts.items()})

    def arrived(self) -> Counter[str]:
        """Once for each key that was taken at all."""
        return Counter(key for key, (_, taken) in self._received().items() if taken)

    def attempts(self) -> int:
        """All requests, answered or not."""
        return sum(tried for tried, _ in self._received().values())

    def wait_for(self, attempts: int, *, within: float = 30.0) -> None:
        """Wait until it was asked so often."""
        wait_until(lambda: self.attempts() >= attempts, within=within, what=f"Request {attempts} at the sink")

    def times(self) -> dict[str, list[float]]:
        """When each key was asked for, in seconds of the sink's monotonic clock."""
        found: dict[str, list[float]] = self._ask("times", None)
        return found

    def _received(self) -> dict[str, tuple[int, int]]:
        received: dict[str, tuple[int, int]] = self._ask("received", None)["received"]
        return received

    def _ask(self, what: str, body: object) -> Any:
        request = urllib.request.Request(f"{self.url}-/{what}", data=json.dumps(body).encode())  # noqa: S310
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            return json.load(answer)


class UnkeyedSink(_Sink):
    """A mail server that takes whatever it is sent, as often as it is sent."""

    task = "smtp"
    host = "127.0.0.1"

    def __init__(self, folder: Path, *, faults: Iterable[Mapping[str, Any]] = ()) -> None:
        """`faults` are the arguments of `ScriptedSmtp.script`, one mapping each."""
        super().__init__(folder, faults=list(faults))

    def arrived(self) -> Counter[str]:
        """How often a mail of each key was taken."""
        return Counter(self._lines()[1:])


def keys_of_file(file: Path) -> Counter[str]:
    """How often each key stands in a file of JSON lines; a torn last line didn't arrive."""
    whole, _, _ = file.read_text(encoding="utf-8").rpartition("\n") if file.exists() else ("", "", "")
    return Counter(json.loads(line)["key"] for line in whole.splitlines())


# ------------------------------------------------------------------------------------ inside the process
class _TellingSmtp(ScriptedSmtp):
    def take(self, mail: Mail) -> None:
        super().take(mail)
        sys.stdout.write(f"{mail.key}\n")


def _smtp(faults: list[dict[str, Any]]) -> ScriptedSmtp:
    server = _TellingSmtp()
    for each in faults:
        stage: Stage = each.pop("stage")
        then: Then = each.pop("then", "go on")
        server.script(stage, then=then, **each)
    return server


def _http(identify: str, delay: float) -> HttpSink:
    return HttpSink(identify=identify.encode() if identify else None, delay=delay)


def main(task: str, options: str) -> None:
    """Serve until standard input ends."""
    wanted = json.loads(options)
    server = _http(**wanted) if task == "http" else _smtp(**wanted)
    server.start()
    sys.stdout.write(f"{server.port}\n")
    sys.stdout.flush()
    sys.stdin.read()
    threading.Thread(target=server.stop, daemon=True).start()


if __name__ == "__main__":
    main(*sys.argv[1:3])

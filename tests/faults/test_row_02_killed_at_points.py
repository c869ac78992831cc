"""Row 2: death at every named point: before and after each fsync, commit, rename and send."""

from __future__ import annotations

import contextlib
import itertools
import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Bar
from tests.faults.checker import Produced, account
from tests.faults.service import (
    WHEREUPON,
    System,
    Trickle,
    local,
    mail,
    setup,
    sign_ins,
    to_local,
    web_hook,
)
from tests.faults.sinks import KeyedSink, UnkeyedSink
from tests.faults.stashes import communications, left
from tests.servers.processes import Child, wait_until
from whereupon.host.crash import EXIT_CODE, VARIABLE

Report = Callable[[Mapping[str, Any]], None]
pytestmark = [pytest.mark.fault(2), pytest.mark.process, pytest.mark.slow]
CONNECTIONS = 4
"""Of each channel: so many mails may be unknown after a kill."""
BAD = b"12 00000000 no such line\n"
SPARE = 3
"""Files that a start, or a load, finds beside those of the service, so that it passes each point so often."""


# ------------------------------------------------------------------------------------------------- points
@dataclass(frozen=True)
class Doom:
    """A point, its n-th pass, and in which part of its life the process comes there."""

    point: str
    life: str
    time: int = 1

    def __str__(self) -> str:
        return f"{self.point}:{self.time} ({self.life})"


def around(*names: str) -> list[str]:
    """Before each and after each."""
    return [f"{when}-{name}" for name in names for when in ("before", "after")]


def renamed(kind: str) -> list[str]:
    """A file gets its name."""
    return [f"before-rename{kind}", f"after-rename{kind}", f"after-rename-sync{kind}"]


def written(kind: str) -> list[str]:
    """A file is written beside, then gets its name."""
    return [f"before-sync{kind}", *renamed(kind)]


def appended(kind: str) -> list[str]:
    """A record is added to a file."""
    return [f"before-append{kind}", f"before-sync{kind}", f"after-sync{kind}"]


LIVES: dict[str, tuple[int, list[str]]] = {
    "working": (
        3,
        [
            *("before-t1-commit", *around("commit-position"), "after-t1-commit"),
            *(*around("tell", "offer", "send"), "before-receipts"),
            *("before-stash", *appended(".open"), "after-stash"),
            *("before-t2", *around("commit-outcome"), "after-t2"),
        ],
    ),
    "starting": (2, [*written(".torn"), *renamed(".stash")]),
    "starting once": (1, [*around("commit-lease", "commit-tally", "commit-numbering"), *written(".wire")]),
    "stopping": (1, renamed(".stash")),
    "loading": (
        3,
        [
            *("before-load-commit", *around("commit-communications"), "after-load-commit"),
            *(*appended(".bad"), *renamed(".stash")),
        ],
    ),
    "applying": (1, around("commit-version")),
}
"""How often the points are passed at least, and which."""
MAKING = [*around("commit-part"), *written(".toml"), *written(".json")]
"""Points that a system passes when it is made."""
QUICK = 38


def dooms(chance: random.Random, *, whole: bool) -> list[Doom]:
    """Every point at every pass, or some points at their first one."""
    found = [
        Doom(point, life, time)
        for life, (times, points) in LIVES.items()
        for point in points
        for time in range(1, times + 1 if whole else 2)
    ]
    chance.shuffle(found)
    return found if whole else found[:QUICK]


# ----------------------------------------------------------------------------------------------- a system
class Doomed:
    """A system that dies again and again while events flow; each start finds what the death before has left."""

    def __init__(self, system: System, made: Callable[[str], Mapping[str, Any]], first: int) -> None:
        self.system = system
        self.survived: list[str] = []
        self._made = made
        self._stash = system.folder / "Stash"
        self._trickle = Trickle(self._send, sign_ins(itertools.count(first)), rate=8)
        self._numbers = itertools.count()

    def meet(self, fates: Sequence[Doom]) -> list[Produced]:
        """Die of each of these, then work to the end; what was produced meanwhile."""
        ways = {
            "working": self._working,
            "starting": self._starting,
            "starting once": self._starting,
            "stopping": self._stopping,
            "loading": self._loading,
            "applying": self._applying,
        }
        with self._trickle:
            # What a start or a load finds is made of a line that was really written.
            self.system.start()
            wait_until(self._begun, within=90, what="A message")
            self.system.stop()
            for each in fates:
                ways[each.life](each)
        self.system.start()
        self.system.settle(events=len(self._trickle.produced), within=120)
        self.system.stop()
        self.system.command("load-communications")
        assert not left(self._stash)
        return self._trickle.produced

    def _send(self, values: Sequence[bytes]) -> None:
        if values:
            to_local(self.system)(values)

    def _working(self, doom: Doom) -> None:
        self._dies(doom, doomed(self.system, doom, "service", "run"))

    def _starting(self, doom: Doom) -> None:
        self._spare(".open", b"12 0000")
        self._working(doom)

    def _stopping(self, doom: Doom) -> None:
        there = set(self._stash.glob("*.open"))
        # The start passes the point once for each file that was left open.
        child = doomed(self.system, replace(doom, time=doom.time + len(there)), "service", "run")
        child.wait_for(lambda: self._begun() - there, within=90, what="A message")
        child.process.terminate()
        self._dies(doom, child)

    def _loading(self, doom: Doom) -> None:
        self._spare(".stash", BAD)
        self._dies(doom, doomed(self.system, doom, "load-communications"))

    def _applying(self, doom: Doom) -> None:
        changed = self._made(f"Subject {next(self._numbers)}")
        file = self.system.folder.parent / "changed.yaml"
        file.write_text(json.dumps(changed), encoding="utf-8")
        self._dies(doom, doomed(self.system, doom, "apply", str(file)))
        self.system.apply(changed)

    def _begun(self) -> set[Path]:
        return {each for each in self._stash.glob("*.open") if each.stat().st_size}

    def _spare(self, kind: str, tail: bytes) -> None:
        """Files beside those of the service: a line that stands elsewhere too, then one that nobody can read."""
        there = (line for path in self._stash.rglob("*-*") for line in path.read_bytes().splitlines(True))
        line = next(there, b"")
        for _ in range(SPARE):
            (self._stash / f"{next(self._numbers):013d}-000{kind}").write_bytes(line + tail)

    def _dies(self, doom: Doom, child: Child) -> None:
        if not dies(child):
            self.survived.append(f"{doom}: {child.process.returncode}, {child.last_words(500)}")


def doomed(system: System, doom: Doom, *words: str) -> Child:
    """A process of ours that is to die."""
    environment = {**system.environment, VARIABLE: f"{doom.point}:{doom.time}"}
    log = system.folder.parent / "doomed.log"
    return Child([*WHEREUPON, *words, "--system", str(system.folder)], log=log, environment=environment)


def dies(child: Child) -> bool:
    """Whether it dies of its own; if not within half a minute, it is ended."""
    with contextlib.suppress(AssertionError):
        wait_until(lambda: not child.alive, within=90)
    child.kill()
    return bool(child.process.returncode == EXIT_CODE)


# ------------------------------------------------------------------------------------------------ the row
@pytest.fixture
def unkeyed(tmp_path: Path) -> Iterator[UnkeyedSink]:
    """The sink that knows no key (U)."""
    sink = UnkeyedSink(tmp_path / "unkeyed")
    yield sink
    sink.stop()


def test_dead_at_any_point_it_loses_nothing_and_doubles_nothing(
    keyed: KeyedSink, unkeyed: UnkeyedSink, system_of: Callable[..., System], seed: int, bar: Bar,
    fault_report: Report,
) -> None:  # fmt: skip
    def made(subject: str) -> dict[str, Any]:
        channels = [
            web_hook(keyed.url, concurrency=CONNECTIONS), mail(unkeyed.port, concurrency=CONNECTIONS)
        ]  # fmt: skip
        return setup(stream=local(), channels=channels, subject=subject)

    fates = dooms(random.Random(seed), whole=bar(quick=False, full=True))
    began = time.monotonic()
    # Two of them, because a start is mostly one core's work. Both have keys of their own.
    victims = [Doomed(system_of(made("Welcome"), name=f"{n}"), made, n * 1_000_000) for n in range(2)]
    with ThreadPoolExecutor(2) as both:
        lives = [both.submit(each.meet, fates[n::2]) for n, each in enumerate(victims)]
        produced = [each for life in lives for each in life.result()]
    seconds = time.monotonic() - began
    activity = [line for each in victims for line in each.system.activity()]
    result = account(produced, keyed.arrived() + unkeyed.arrived(), activity)
    fault_report(result.row(2, seed=seed, kills=len(fates), seconds=seconds))
    survived = [line for each in victims for line in each.survived]
    assert not survived, "\n".join(survived)
    assert result.settled, result.problems
    assert not result.problems
    assert result.delivered + result.unknown == 2 * len(produced)
    assert result.unknown <= CONNECTIONS * len(fates)
    assert {line["channel"] for line in activity if line["outcome"] == "unknown"} <= {"Mail"}
    sent = Counter(line["key"] for line in activity if line["outcome"] == "sent")
    assert Counter(row[0] for each in victims for row in communications(each.system)) == sent


def test_a_system_whose_making_died_at_any_point_is_made_by_the_next_try(
    keyed: KeyedSink, system_of: Callable[..., System], seed: int, bar: Bar, fault_report: Report
) -> None:
    points = random.Random(seed).sample(MAKING, bar(quick=2, full=len(MAKING)))
    wanted = setup(stream=local(), channels=[web_hook(keyed.url)])
    began = time.monotonic()
    for name in points:
        system = system_of(None, name=name)
        file = system.folder.parent / "wanted.yaml"
        file.write_text(json.dumps(wanted), encoding="utf-8")
        words = ("apply", str(file), "--vault", "environment")
        assert dies(doomed(system, Doom(name, "making"), *words)), name
        system.apply(wanted)
    system.start()
    to_local(system)([value for _, value in sign_ins(range(10))])
    system.settle(events=10)
    system.stop()
    result = account([each for each, _ in sign_ins(range(10))], keyed.arrived(), system.activity())
    fault_report(result.row(2, seed=seed, kills=len(points), seconds=time.monotonic() - began))
    assert (result.delivered, result.problems) == (10, [])

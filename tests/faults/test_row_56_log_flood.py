"""Row 56: a sink that fails every other call, at 500 events a second, and what stands in the log."""

from __future__ import annotations

import itertools
import json
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Bar
from tests.faults.checker import Produced, account
from tests.servers.processes import wait_until
from tests.world import PLAIN, World, setup_of, sign_in
from whereupon.components.channels.memory import MemoryChannel
from whereupon.host.clock import FakeClock
from whereupon.host.logs import Logs, logger, start_logging
from whereupon.model.events import Message, Receipt, Result

Report = Callable[[Mapping[str, Any]], None]
pytestmark = [pytest.mark.fault(56), pytest.mark.slow, pytest.mark.usefixtures("unheard")]

RATE, HOUR = 500, 3_600
MOST = 50_000_000
"""Bytes of all log files together, in an hour."""


@pytest.fixture
def unheard() -> Iterator[None]:
    """Nobody but the product's own log keeps what is said: it is too much."""
    root = logging.getLogger()
    others = list(root.handlers)
    for each in others:
        root.removeHandler(each)
    yield
    for each in others:
        root.addHandler(each)


class Failing:
    """Lets a channel fail every other call: by what it says, or by an error that nobody expects."""

    def __init__(self, patch: pytest.MonkeyPatch, *, unexpected: bool) -> None:
        self.failures = 0
        self._calls = itertools.count()
        self._answered, self._offer = MemoryChannel._answered, MemoryChannel.offer
        name, act = ("offer", self._raise) if unexpected else ("_answered", self._refuse)
        # A bound method isn't given the channel.
        patch.setattr(MemoryChannel, name, lambda channel, given: act(channel, given))  # noqa: PLW0108

    def _refuse(self, channel: MemoryChannel, message: Message) -> Receipt:
        if next(self._calls) % 2:
            return self._answered(channel, message)
        self.failures += 1
        now = channel.context.clock.now()
        return Receipt(message, Result.UNAVAILABLE, f"Code {self.failures}", started=now, ended=now)

    def _raise(self, channel: MemoryChannel, messages: Sequence[Message]) -> int:
        if int(messages[0].person) % 2 == 0:
            return self._offer(channel, messages[:1])
        self.failures += (
            len(messages) == 1
        )  # the lane asks again with the first alone, to know which is to blame
        raise ZeroDivisionError(f"Code {self.failures}")


@pytest.mark.parametrize("unexpected", [False, True])
def test_a_sink_that_fails_every_other_call_fills_no_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unexpected: bool, bar: Bar, fault_report: Report
) -> None:
    seconds, clock, began = bar(quick=4, full=60), FakeClock(), time.monotonic()
    failing, produced = Failing(monkeypatch, unexpected=unexpected), list[Produced]()
    with start_logging(tmp_path, clock=clock) as logs, closing(World(tmp_path, clock=clock)) as world:
        world.start(setup_of(PLAIN))
        for second in range(seconds):
            numbers = range(second * RATE, (second + 1) * RATE)
            world.send(*(sign_in(each) for each in numbers))
            produced += [Produced(f"e{each}", f"{1000 + each}") for each in numbers]
            wait_until(lambda due=numbers.stop: count(world, "event") >= due, within=120)  # type: ignore[misc]
            clock.advance(1.0)
        wait_until(lambda: over(world, clock), within=120, what="The end of all messages")
        arrived = Counter(each.key for each in world.channel.sent)
        result = account(produced, arrived, world.activity())
    taken = time.monotonic() - began
    an_hour = size(logs) * HOUR // seconds
    fault_report({**result.row(56, seed=0, kills=0, seconds=taken), "an hour's log": an_hour})
    assert not result.problems
    assert failing.failures >= len(produced) / 2
    assert an_hour <= MOST
    if unexpected:
        assert told(logs, "a message can't be offered") == failing.failures
        assert result.delivered + sum(result.failed.values()) == result.produced


def test_of_an_hour_of_errors_first_and_last_are_kept_with_their_count(tmp_path: Path, bar: Bar) -> None:
    minutes, clock = bar(quick=2, full=60), FakeClock()
    log, kinds = logger("sink"), [ZeroDivisionError, KeyError]
    with start_logging(tmp_path, clock=clock) as logs:
        for number in range(minutes * 60 * RATE // 2):
            try:
                raise kinds[number % 2](f"Code {number}")
            except (ZeroDivisionError, KeyError) as error:
                log.warning("It failed again.", message=number, exc_info=error)
            if number % (RATE // 2) == RATE // 2 - 1:
                clock.advance(1.0)
    assert size(logs) <= MOST * minutes // 60
    assert told(logs, "It failed again.") == minutes * 60 * RATE // 2
    said = [line["message"] for line in lines(logs)]
    assert said[:2] == [0, 1]
    assert sorted(said)[-2:] == [minutes * 60 * RATE // 2 - each for each in (2, 1)]
    # Of both kinds two a minute.
    assert len(said) <= 2 * 2 * (minutes + 1)


def count(world: World, table: str) -> int:
    """How many rows a table of the journal has."""
    with closing(world.databases.streams.session(write=False)) as session:
        row = session.one(f"SELECT COUNT(*) FROM {table}")
    return int(row[0]) if row else 0


def over(world: World, clock: FakeClock) -> bool:
    """Let back-offs pass, and look whether anything is open still."""
    clock.advance(20.0)
    return not count(world, "outcome WHERE state IN ('queued', 'sending', 'waiting')")


def size(logs: Logs) -> int:
    """Bytes of all its files."""
    return sum(each.stat().st_size for each in logs.path.parent.iterdir())


def lines(logs: Logs) -> list[dict[str, Any]]:
    """What stands in the log."""
    return [json.loads(each) for each in logs.path.read_text(encoding="utf-8").splitlines()]


def told(logs: Logs, event: str) -> int:
    """How often something happened, as the log tells it."""
    return sum(line.get("repeated", 1) for line in lines(logs) if line["event"] == event)

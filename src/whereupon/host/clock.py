"""The time of day, time that only goes forward, and waiting; with a twin for tests that need not wait."""

from __future__ import annotations

import threading
import time

from whereupon.host.machine import machine

# Event.wait doesn't count the time a computer sleeps, so a long wait asks the clock anew from time to time.
LONGEST_WAIT = 30.0


class Clock:
    """The real clock."""

    def now(self) -> int:
        """Milliseconds since 1970 in UTC; may step when somebody sets the clock."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        """Seconds that only go forward, and go on while the computer sleeps."""
        return machine.uptime()

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Wait until `event` is set, at most `seconds`; true if it is set."""
        deadline = self.monotonic() + seconds
        while not event.is_set() and (left := deadline - self.monotonic()) > 0:
            event.wait(min(left, LONGEST_WAIT))
        return event.is_set()


class FakeClock(Clock):
    """A clock that stands until it is moved. If `hurried`, a wait moves it itself and so takes no time."""

    def __init__(self, now: int = 1_767_225_600_000, *, hurried: bool = False) -> None:
        self._now = now
        self._monotonic = 1000.0
        self._hurried = hurried
        self._waiting = 0
        self._moved = threading.Condition()

    def now(self) -> int:
        """Milliseconds since 1970 in UTC, as set or advanced to."""
        return self._now

    def monotonic(self) -> float:
        """Seconds, moved by `advance` alone."""
        return self._monotonic

    @property
    def waiting(self) -> int:
        """How many threads wait on this clock at the moment."""
        return self._waiting

    def set(self, now: int) -> None:
        """Step the time of day to `now` (UTC ms), as a person or time server does; `monotonic` stays."""
        with self._moved:
            self._now = now

    def advance(self, seconds: float) -> None:
        """Let this much time pass; wakes those whose wait is over."""
        with self._moved:
            self._now += round(seconds * 1000)
            self._monotonic += seconds
            self._moved.notify_all()

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Wait until `event` is set or the clock was moved by `seconds`; true if the event is set."""
        if self._hurried and not event.is_set():
            self.advance(max(seconds, 0.0))
            return event.is_set()
        with self._moved:
            deadline = self._monotonic + seconds
            self._waiting += 1
            while not event.is_set() and self._monotonic < deadline:
                # Nothing tells this condition of the event, so it is asked every 2 real milliseconds.
                self._moved.wait(0.002)
            self._waiting -= 1
        return event.is_set()

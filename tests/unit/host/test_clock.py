"""The real clock tells real time; the fake one stands until a test moves it."""

from __future__ import annotations

import threading
import time

from tests.servers.processes import wait_until
from whereupon.host.clock import Clock, FakeClock


def test_now_is_the_time_of_day_in_milliseconds() -> None:
    assert abs(Clock().now() - time.time() * 1000) < 1000


def test_monotonic_goes_forward_with_real_time() -> None:
    clock, never = Clock(), threading.Event()
    before = clock.monotonic()
    never.wait(0.02)
    assert 0.01 < clock.monotonic() - before < 10


def test_a_wait_ends_when_its_time_is_over_or_its_event_is_set() -> None:
    clock, event = Clock(), threading.Event()
    assert not clock.wait(event, 0.01)
    assert not clock.wait(event, -5)
    event.set()
    assert clock.wait(event, 60)


def test_an_event_ends_a_long_wait_at_once() -> None:
    clock, event = Clock(), threading.Event()
    threading.Timer(0.02, event.set).start()
    before = time.monotonic()
    assert clock.wait(event, 60)
    assert time.monotonic() - before < 10


def test_a_fake_clock_stands_until_it_is_advanced() -> None:
    clock = FakeClock(5000)
    before = clock.monotonic()
    clock.advance(1.5)
    assert (clock.now(), clock.monotonic() - before) == (6500, 1.5)


def test_setting_the_time_of_day_leaves_monotonic_time_alone() -> None:
    clock = FakeClock(5000)
    before = clock.monotonic()
    clock.set(1000)
    assert (clock.now(), clock.monotonic()) == (1000, before)


def test_advancing_wakes_whose_wait_is_over_and_no_other() -> None:
    clock, never = FakeClock(), threading.Event()
    woken: list[float] = []

    def waits(seconds: float) -> None:
        clock.wait(never, seconds)
        woken.append(seconds)

    threads = [threading.Thread(target=waits, args=(each,)) for each in (10, 20)]
    for each in threads:
        each.start()
    wait_until(lambda: clock.waiting == 2)
    clock.advance(10)
    threads[0].join(10)
    assert woken == [10]
    never.set()
    threads[1].join(10)
    assert (woken, clock.waiting) == ([10, 20], 0)


def test_waiting_on_a_hurried_clock_takes_no_time() -> None:
    clock, event = FakeClock(hurried=True), threading.Event()
    before = clock.now()
    assert not clock.wait(event, 3600)
    assert clock.now() - before == 3_600_000
    event.set()
    assert clock.wait(event, 3600)
    assert clock.now() - before == 3_600_000

from __future__ import annotations

from whereupon.engine.renewal import STALE, Renewal
from whereupon.host.clock import FakeClock


def test_without_a_lease_everything_is_always_ours() -> None:
    clock = FakeClock()
    renewal = Renewal(clock)
    clock.advance(1_000_000)
    assert renewal.fresh()


def test_a_lease_that_was_not_renewed_for_40_seconds_is_stale_until_it_is() -> None:
    clock = FakeClock()
    renewal = Renewal(clock)
    renewal.renewed()
    clock.advance(STALE - 1)
    assert renewal.fresh()
    clock.advance(1)
    assert not renewal.fresh()
    renewal.renewed()
    assert renewal.fresh()


def test_a_renewal_that_came_too_late_is_told_to_those_who_did_not_look_meanwhile() -> None:
    clock = FakeClock()
    renewal = Renewal(clock)
    for seconds in (0.0, STALE - 1):
        clock.advance(seconds)
        renewal.renewed()
    assert renewal.lapses == 0
    clock.advance(STALE)
    renewal.renewed()
    assert (renewal.fresh(), renewal.lapses) == (True, 1)

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

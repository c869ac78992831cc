from __future__ import annotations

import pytest

from whereupon.engine.pulse import Pulse, percentile
from whereupon.model.decided import (
    SENT,
    WITHHELD,
    BatchRecord,
    DeadLetter,
    Decision,
    EventRecord,
    Repeat,
    Trace,
)
from whereupon.model.events import Message
from whereupon.storage.deliveries import Ending


def test_what_is_decided_and_ended_is_counted() -> None:
    pulse = Pulse()
    event = EventRecord(1, 0, 0, 0, "ada", "e1", b"{}", {}, [Trace(1, 1, 1, WITHHELD, "limit")], [])
    record = BatchRecord(1, "SignIn", "t", 1, 0, [event], [Repeat(0, 1, 0, "ada", "e1")], {})
    pulse.decided(Decision(record, [DeadLetter("decode", "there", "bad")]))
    message = Message("k", 1, 1, "Hello", "ada", {})
    pulse.ended([Ending(message, 1, SENT, first_try=100, finished=107)])
    counts = pulse.counts()
    assert counts == {"events": 1, "repeats": 1, "dead letters": 1, "withheld": 1, "sent": 1}
    assert pulse.latencies()["send"] == {"p50": 7, "p99": 7, "n": 1}


def test_steps_have_percentiles() -> None:
    pulse = Pulse()
    for each in range(100, 0, -1):
        pulse.took("look up", each)
    assert pulse.latencies() == {"look up": {"p50": 50, "p99": 99, "n": 100}}
    assert Pulse().latencies() == {}


@pytest.mark.parametrize(("percent", "value"), [(0, 1), (50, 2), (99, 4), (100, 4)])
def test_a_percentile_is_one_of_the_values(percent: float, value: float) -> None:
    assert percentile([1, 2, 3, 4], percent) == value


def test_nothing_counts_nothing() -> None:
    pulse = Pulse()
    pulse.count("sent", 0)
    assert pulse.counts() == {}

"""How the demo's events get into local streams; into a real Kafka they go in tests/outside."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from whereupon.components.streams.local import EventFile, place
from whereupon.demo.roads import Files, Topics
from whereupon.demo.traffic import Event
from whereupon.host.clock import Clock
from whereupon.model.errors import Away


def test_events_stand_in_their_streams_in_order_with_the_person_as_key(tmp_path: Path) -> None:
    with closing(Files(tmp_path, {"SignIn": "one", "Register": "two"}, clock=Clock())) as road:
        road.send(
            [
                Event("SignIn", "e1", "1", b"a"),
                Event("Register", "e2", "2", b"b"),
                Event("SignIn", "", "", b"c"),
            ]
        )
    with closing(EventFile(place(tmp_path, "one"))) as file:
        events = file.events(0, 0, most=10, size=1000)
    assert [(each.key, each.value) for each in events] == [(b"1", b"a"), (None, b"c")]


@pytest.mark.slow
def test_a_kafka_that_is_not_there_is_said_with_what_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("whereupon.demo.roads.PATIENCE", 1.0)
    with pytest.raises(Away, match="without TLS and login"):
        Topics("127.0.0.1:1", {"SignIn": "one"}, keep=False)

"""The real service takes a changed configuration up while events flow, each event by exactly one version."""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Callable

import pytest

from tests.faults.checker import account
from tests.faults.service import System, Trickle, local, setup, sign_ins, to_local, web_hook
from tests.servers.http import HttpSink
from tests.servers.processes import slowness, wait_until
from whereupon.kit.registry import discover
from whereupon.storage.apply import apply
from whereupon.storage.files import read_text

pytestmark = [pytest.mark.process, pytest.mark.slow]


@pytest.mark.fault(48)
def test_a_publication_is_in_force_within_two_seconds_and_no_message_mixes_versions(
    http_sink: HttpSink, system_of: Callable[..., System]
) -> None:
    def version(number: int) -> dict[str, object]:
        return setup(stream=local(), channels=[web_hook(http_sink.url)], subject=f"Offer {number}")

    system = system_of(version(1))
    child = system.start()
    applied, pause = {1: time.monotonic()}, threading.Event()
    with Trickle(to_local(system), sign_ins(itertools.count()), rate=200) as trickle:
        for number in range(2, 12):
            pause.wait(0.5)
            file = read_text(json.dumps(version(number)), base=system.folder)
            assert apply(file, system.folder, author="ada", registry=discover()).revision == number
            applied[number] = time.monotonic()
        wait_until(lambda: subject(http_sink) == "Offer 11", within=15)
    system.settle(events=len(trickle.produced))
    assert child.alive
    system.stop()
    taken = http_sink.taken()
    activity = system.activity()
    result = account(trickle.produced, {key: each.taken for key, each in taken.items()}, activity)
    assert (result.problems, result.delivered) == ([], len(trickle.produced))
    for line in activity:
        fields = taken[line["key"]].json["fields"]
        assert fields["subject"] == f"Offer {line['version']}"
        assert fields["body"].startswith(f"Offer {line['version']}, ")
    versions = [line["version"] for line in activity]
    assert versions == sorted(versions)
    for number, at in applied.items():
        first = min(taken[line["key"]].times[0] for line in activity if line["version"] >= number)
        assert first - at <= 2, number


def subject(sink: HttpSink) -> str:
    """What came last."""
    last = next(reversed(sink.received.copy().values()), None)
    return str(last.json["fields"]["subject"]) if last else ""


def test_a_new_channel_and_a_moved_one_are_opened_without_a_restart(
    http_sink: HttpSink, system_of: Callable[..., System]
) -> None:
    system = system_of(setup(stream=local(), channels=[web_hook(http_sink.url + "old")]))
    system.start()
    send = to_local(system)
    send([value for _, value in sign_ins(range(1))])
    http_sink.wait_for(1)
    channels = [web_hook(http_sink.url + "new"), web_hook(http_sink.url + "second", name="Second")]
    system.apply(setup(stream=local(), channels=channels))
    applied = time.monotonic()
    wait_until(lambda: len(system.status()["channels"]) == 2, within=20)
    send([value for _, value in sign_ins(range(1, 2))])
    paths = sorted(each.path for each in http_sink.wait_for(3).values())
    assert paths == ["/new", "/old", "/second"]
    assert time.monotonic() - applied <= 4 * slowness()

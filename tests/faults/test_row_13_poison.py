"""Row 13: events that nobody can read, by the thousand, with good ones among them."""

from __future__ import annotations

import itertools
import json
import random
import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from tests.conftest import Bar
from tests.faults.checker import Produced, account
from tests.faults.service import System, on_kafka, setup, sign_in, web_hook
from tests.faults.sinks import KeyedSink
from tests.servers.kafka import Kafka
from tests.servers.processes import slowness

Report = Callable[[Mapping[str, Any]], None]
pytestmark = [pytest.mark.fault(13), pytest.mark.outside, pytest.mark.process, pytest.mark.slow]

EVERY = 100
"""So many bad events stand between two good ones."""
LARGE = 900_000
"""Bytes; a broker takes batches of a mebibyte."""


def test_every_unreadable_event_is_a_dead_letter_with_its_place_and_the_stream_goes_on(
    kafka: Kafka,
    keyed: KeyedSink,
    system_of: Callable[..., System],
    seed: int,
    bar: Bar,
    fault_report: Report,
) -> None:
    poison = [*by_hand(), *at_random(random.Random(seed), bar(quick=5_000, full=50_000))]
    good = [sign_in(each) for each in range(len(poison) // EVERY + 1)]
    values, places = mixed(poison, [value for _, value in good])
    topic = kafka.new_topic("row-13", partitions=1)
    system = system_of(setup(stream=on_kafka(kafka, topic), channels=[web_hook(keyed.url)]))
    child = system.start()
    began = time.monotonic()
    kafka.produce(topic, values, partition=0)
    system.settle(events=len(good), dead=len(poison))
    seconds = time.monotonic() - began
    assert child.alive
    assert "Traceback" not in child.last_words(100_000)
    system.stop()
    activity = system.activity()
    produced = [each for each, _ in good] + [Produced(f"{n}", "", readable=False) for n in places]
    result = account(produced, keyed.arrived(), activity)
    dead = [each for each in activity if each["outcome"] == "dead letter"]
    fault_report(result.row(13, seed=seed, kills=0, seconds=seconds))
    assert result.settled, result.problems
    assert not result.problems
    assert (result.delivered, result.dead, len(dead)) == (len(good), len(poison), len(poison))
    assert {each["place"].rpartition(" ")[2] for each in dead} == {str(each) for each in places}
    assert all(each["reason"] for each in dead)
    moments = sorted(each["at"] for each in activity)
    assert max(later - sooner for sooner, later in itertools.pairwise(moments)) <= 1_000 * slowness()


def mixed(poison: list[bytes | None], good: list[bytes]) -> tuple[list[bytes | None], list[int]]:
    """The events in their order, a good one before every hundred bad ones; and the offsets of the bad ones."""
    values: list[bytes | None] = []
    places = []
    others = iter(good)
    for number, each in enumerate(poison):
        if number % EVERY == 0:
            values.append(next(others))
        places.append(len(values))
        values.append(each)
    return [*values, *others], places


def by_hand() -> list[bytes | None]:
    """Two hundred that somebody thought of."""
    urns: list[object] = [None, [], ["a"], {}, {"urn": "a"}, "", " ", "a\0b", "\0", "\ud800"]
    wrong = [json.dumps({"id": f"x{n}", "urn": urn, "email": "a@example.org"}) for n, urn in enumerate(urns)]
    texts = [
        "", " ", "\n", "null", "true", "1", "-", '"', '"text"', "[]", "[[]]", "{}", "{", "}", "{]", "{,}",
        '{"urn"}', '{"urn":}', '{"urn":"a"', '{"urn":"a"}}', '{"urn":"a"} x', "{'urn':'a'}", '{urn:"a"}',
        '{"urn":"a",}', '{"URN":"a"}', '{"id":"x"}', '{"id":"x","email":"a@example.org"}', "NaN", "Infinity",
        '{"urn":NaN}', '{"urn":"\\x"}', '{"urn":"\\ud8"}', "\ufeff", "<urn>a</urn>", "urn=a", "urn,email", "---",
        *wrong,
    ]  # fmt: skip
    deep = [opening * 100_000 for opening in ("[", '{"urn":', '[{"a":')]
    deep += ["[" * 100_000 + "]" * 100_000, '{"urn":' + "[" * 100_000 + "]" * 100_000 + "}"]
    long = [b"x" * LARGE, b'{"id":"x","email":"' + b"e" * LARGE + b'"}', b'"' + b"\xc3" * LARGE]
    bytes_ = [
        b"\0",
        b"\xff\xfe",
        b"\x80",
        b"\xc0\x80",
        b'{"urn":"\xff"}',
        b'{"urn":"\xed\xa0\x80"}',
        b"\0\0\0\0\x01a",
    ]
    found: list[bytes | None] = [None, *bytes_, *long]
    found += [each.encode("utf-8", "surrogatepass") for each in (*texts, *deep)]
    whole = sign_in(0)[1]
    return found + [
        whole[:end] for end in itertools.islice(itertools.cycle(range(len(whole))), 200 - len(found))
    ]


def at_random(chance: random.Random, count: int) -> list[bytes | None]:
    """Bytes as they fall, and good events with bytes in their middle that are no text."""
    return [_spoiled(chance) if chance.random() < 0.5 else _bytes(chance) for _ in range(count)]


def _bytes(chance: random.Random) -> bytes:
    alphabet = chance.choice([bytes(range(256)), b'{}[]",:0123456789.eE+- truefalsn\\u"'])
    # What begins like this is no JSON object, whatever follows.
    return b"," + bytes(chance.choices(alphabet, k=chance.randrange(200)))


def _spoiled(chance: random.Random) -> bytes:
    whole = sign_in(chance.randrange(1_000))[1]
    at = chance.randrange(1, len(whole) - 1)
    return whole[:at] + chance.choice([b"\xff", b"\x80\x80", b"\x00"]) + whole[at:]

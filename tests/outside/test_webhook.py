"""The web hook against a real sink: connections, faults, and exactly one receipt for each message."""

from __future__ import annotations

import random
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.servers.authority import Authority
from tests.servers.http import DRIP, HANG, LOST, RESET, Answer, HttpSink
from tests.servers.processes import free_port
from whereupon.components.channels.webhook import Webhook, WebhookConfig
from whereupon.host.clock import Clock
from whereupon.kit.roles import Context, Nothing
from whereupon.model.events import Message, Receipt, Result

pytestmark = pytest.mark.outside
Open = Callable[..., Webhook]


@pytest.fixture
def opened() -> Iterator[Open]:
    made: list[Webhook] = []

    def make(url: str, **settings: Any) -> Webhook:
        config = WebhookConfig.model_validate({"url": url, "timeout": 1, **settings})
        made.append(Webhook(Nothing(), config, Context("ESP", "TealHols", Path(), "id", Clock())))
        return made[-1]

    yield make
    for each in made:
        each.close()


def message(key: str, **fields: str) -> Message:
    return Message(key, 1, 1, "Welcome back", f"urn of {key}", {"email": "ada@example.org"} | fields)


def sent(channel: Webhook, *messages: Message) -> list[Receipt]:
    """All receipts; offers as there is room."""
    left, receipts = list(messages), list[Receipt]()
    deadline = time.monotonic() + 60
    while len(receipts) < len(messages):
        del left[: channel.offer(left)]
        receipts.extend(channel.collect(0.5))
        assert time.monotonic() < deadline, f"{len(receipts)} of {len(messages)} receipts"
    return receipts


def results(receipts: Sequence[Receipt]) -> dict[str, Result]:
    return {each.message.key: each.result for each in receipts}


@pytest.mark.req("RTT-12")
def test_messages_arrive_with_their_key_and_a_length_over_connections_that_are_kept(
    opened: Open, http_sink: HttpSink
) -> None:
    messages = [message(f"k{number}") for number in range(200)]
    receipts = sent(opened(http_sink.url + "send", concurrency=8, token="s3cret"), *messages)
    assert results(receipts) == {each.key: Result.ACCEPTED for each in messages}
    assert {each.attempts for each in http_sink.received.values()} == {1}
    assert set(http_sink.received) == {each.key for each in messages}
    assert (http_sink.chunked, http_sink.connections <= 8) == (0, True)
    seen = http_sink.received["k7"]
    assert seen.path == "/send"
    assert seen.json == {
        "campaign": "Welcome back",
        "key": "k7",
        "urn": "urn of k7",
        "fields": {"email": "ada@example.org"},
    }
    assert seen.headers["authorization"] == "Bearer s3cret"
    assert int(seen.headers["content-length"]) == len(seen.body)
    assert "expect" not in seen.headers


def test_as_many_requests_wait_at_once_as_were_set(opened: Open, http_sink: HttpSink) -> None:
    http_sink.delay = 0.1
    began = time.monotonic()
    sent(opened(http_sink.url, concurrency=64), *(message(f"k{number}") for number in range(256)))
    assert time.monotonic() - began < 12  # one after the other would take 25.6 s
    assert http_sink.connections <= 64


def test_a_receipt_is_there_as_soon_as_the_answer_is(opened: Open, http_sink: HttpSink) -> None:
    channel = opened(http_sink.url)
    sent(channel, message("first"))
    channel.offer([message("second")])
    began = time.monotonic()
    assert results(channel.collect(30)) == {"second": Result.ACCEPTED}
    assert time.monotonic() - began < 5


@pytest.mark.fault(24)
@pytest.mark.parametrize(
    ("answer", "known", "unknown"),
    [
        (Answer(429, retry_after="3"), Result.AWAY, Result.AWAY),
        (Answer(500), Result.UNAVAILABLE, Result.ANSWER_LOST),
        (Answer(502), Result.UNAVAILABLE, Result.ANSWER_LOST),
        (Answer(503, retry_after="3"), Result.UNAVAILABLE, Result.UNAVAILABLE),
        (Answer(401), Result.AWAY, Result.AWAY),
        (Answer(400), Result.REFUSED, Result.REFUSED),
        (Answer(302, location="/elsewhere"), Result.REFUSED, Result.REFUSED),
        (Answer(200, body='{"error": "no such template"}'), Result.ACCEPTED, Result.ACCEPTED),
        (DRIP, Result.ANSWER_LOST, Result.ANSWER_LOST),
        (HANG, Result.ANSWER_LOST, Result.ANSWER_LOST),
        (LOST, Result.ANSWER_LOST, Result.ANSWER_LOST),
        (RESET, Result.ANSWER_LOST, Result.ANSWER_LOST),
    ],
    ids=str,
)
@pytest.mark.parametrize("deduplicates", [True, False])
def test_a_fault_is_told_as_what_it_is_and_the_next_message_goes(
    opened: Open, http_sink: HttpSink, answer: Answer, known: Result, unknown: Result, deduplicates: bool
) -> None:
    channel = opened(http_sink.url, deduplicates=deduplicates)
    http_sink.script("k1", answer)
    (receipt,) = sent(channel, message("k1"))
    assert receipt.result is (known if deduplicates else unknown)
    assert receipt.retry_after == (3.0 if answer.retry_after else None)
    assert results(sent(channel, message("k2"))) == {"k2": Result.ACCEPTED}
    assert not any(each.path == "/elsewhere" for each in http_sink.received.values())


@pytest.mark.fault(24)
@pytest.mark.parametrize("deduplicates", [True, False])
def test_a_kept_connection_that_dies_unanswered_is_an_answer_lost_and_no_second_post(
    opened: Open, http_sink: HttpSink, deduplicates: bool
) -> None:
    channel = opened(http_sink.url, deduplicates=deduplicates, concurrency=1)
    assert results(sent(channel, message("k1"))) == {"k1": Result.ACCEPTED}
    http_sink.script("k2", LOST)
    (receipt,) = sent(channel, message("k2"))
    taken = http_sink.received["k2"].taken
    if deduplicates:  # the receiver knows the key again, so a second post from below does no harm
        assert receipt.result in {Result.ANSWER_LOST, Result.ACCEPTED}
    else:
        assert (receipt.result, taken) == (Result.ANSWER_LOST, 1)


def test_a_message_that_nobody_reads_has_not_left(opened: Open) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        channel = opened(f"http://127.0.0.1:{deaf.getsockname()[1]}/", largest=10_000_000)
        (receipt,) = sent(channel, message("k1", body="x" * 30_000_000))
    assert receipt.result is Result.UNAVAILABLE


def test_nobody_there_is_away(opened: Open) -> None:
    channel = opened(f"http://127.0.0.1:{free_port()}/")
    (receipt,) = sent(channel, message("k1"))
    assert (receipt.result, receipt.denied) == (Result.AWAY, False)
    assert [(stage.name, stage.ok) for stage in channel.check()] == [("Name", True), ("Port", False)]


def test_a_certificate_that_nobody_signed_is_away(opened: Open, authority: Authority) -> None:
    sink = HttpSink(authority=authority)
    sink.start()
    try:
        channel = opened(sink.url)
        assert results(sent(channel, message("k1"))) == {"k1": Result.AWAY}
        assert [(stage.name, stage.ok) for stage in channel.check()] == [
            ("Name", True),
            ("Port", True),
            ("Encryption", False),
        ]
        assert sink.received == {}
        trusting = opened(sink.url, ca_file=str(authority.ca))
        assert results(sent(trusting, message("k1"))) == {"k1": Result.ACCEPTED}
        assert all(stage.ok for stage in trusting.check())
    finally:
        sink.stop()


def test_the_test_asks_the_receiver_and_sends_no_message(opened: Open, http_sink: HttpSink) -> None:
    stages = list(opened(http_sink.url).check())
    assert [(stage.name, stage.ok) for stage in stages] == [("Name", True), ("Port", True), ("Answer", True)]
    assert [(key, each.body) for key, each in http_sink.received.items()] == [("", b"")]


@pytest.mark.fault(24)
def test_of_a_thousand_messages_with_faults_each_has_one_receipt_and_none_is_lost(
    opened: Open, http_sink: HttpSink
) -> None:
    chance = random.Random(24)
    faults = [Answer(429), Answer(500), Answer(502), Answer(503), Answer(302), LOST, RESET]
    messages = [message(f"k{number}") for number in range(1000)]
    for each in chance.sample(messages, 300):
        http_sink.script(each.key, chance.choice(faults))
    receipts = sent(opened(http_sink.url, deduplicates=False), *messages)
    assert Counter(each.message.key for each in receipts) == Counter(each.key for each in messages)
    told = results(receipts)
    for key, seen in http_sink.received.items():
        assert seen.attempts == 1
        assert told[key] in (
            {Result.ACCEPTED, Result.ANSWER_LOST} if seen.taken else set(Result) - {Result.ACCEPTED}
        )


def test_closing_does_not_wait_for_a_receiver_that_hangs(opened: Open, http_sink: HttpSink) -> None:
    http_sink.script("k1", HANG)
    channel = opened(http_sink.url, timeout=60)
    channel.offer([message("k1")])
    assert list(channel.collect(0.05)) == []
    began = time.monotonic()
    channel.close()
    assert time.monotonic() - began < 10

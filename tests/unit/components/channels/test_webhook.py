"""The web hook: what is posted, and what follows from each answer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from whereupon.components.channels import webhook as webhook_module
from whereupon.components.channels.webhook import LONGEST_WAIT, Webhook, WebhookConfig, pause, provider_id
from whereupon.connect import probe
from whereupon.connect.http import Answer, Call, Failure
from whereupon.connect.tls import Tls
from whereupon.host.clock import FakeClock
from whereupon.kit.roles import Context, Nothing, Stage
from whereupon.model.events import Message, Receipt, Result

NOW = 1_767_268_800_000


class FakeHttp:
    """Keeps what it is asked to send, and answers as it is told."""

    def __init__(self, *, connections: int, once_only: bool, tls: Tls) -> None:
        self.connections, self.once_only, self.tls = connections, once_only, tls
        self.calls: list[Call] = []
        self.under_way = 0
        self.ready: list[Answer] = []
        self.closed = False

    def room(self) -> int:
        """As many as there are connections, without those under way."""
        return self.connections - self.under_way

    def send(self, call: Call) -> None:
        """Keep it."""
        self.calls.append(call)
        self.under_way += 1

    def answers(self, wait: float) -> Sequence[Answer]:
        """What the test put there."""
        ready, self.ready = self.ready, []
        self.under_way -= len(ready)
        return ready

    def close(self) -> None:
        """Remember it."""
        self.closed = True


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook_module, "Http", FakeHttp)
    for name in ("resolve", "reach", "tls"):
        monkeypatch.setattr(
            probe, name, lambda *_, _name=name, **__: Stage(_name.title(), ok=True, message="well")
        )


def opened(**settings: Any) -> tuple[Webhook, FakeHttp]:
    config = WebhookConfig.model_validate({"url": "https://esp.example/send", **settings})
    channel = Webhook(Nothing(), config, Context("ESP", "TealHols", Path(), "id", FakeClock(NOW)))
    http = channel._http
    assert isinstance(http, FakeHttp)
    return channel, http


def message(key: str = "k1") -> Message:
    return Message(
        key, 1, 1, "Welcome back", "42", {"email": "ada@example.org", "body": "Grüße"}, "ada@example.org"
    )


def answered(
    status: int = 0,
    *,
    failure: Failure | None = None,
    headers: dict[str, str] | None = None,
    body: bytes = b"",
    tag: object = None,
) -> Answer:
    lines = [f"{name}: {value}\r\n".encode() for name, value in (headers or {}).items()]
    return Answer(tag, status, body, [b"HTTP/1.1 200 OK\r\n", *lines, b"\r\n"], failure, NOW - 5, NOW)


def receipt(answer: Answer, **settings: Any) -> Receipt:
    channel, http = opened(**settings)
    channel.offer([message()])
    answer.tag = http.calls[0].tag
    http.ready = [answer]
    (made,) = channel.collect(1)
    return made


def test_what_is_posted() -> None:
    channel, http = opened(token="s3cret", timeout=7)
    channel.offer([message()])
    (call,) = http.calls
    assert (call.method, call.url, call.timeout) == ("POST", "https://esp.example/send", 7)
    assert json.loads(call.body or b"") == {
        "campaign": "Welcome back",
        "key": "k1",
        "urn": "42",
        "fields": {"email": "ada@example.org", "body": "Grüße"},
    }
    assert sorted(call.headers) == [
        "Accept: application/json",
        "Authorization: Bearer s3cret",
        "Content-Type: application/json",
        "Idempotency-Key: k1",
    ]


def test_without_a_token_none_is_sent() -> None:
    channel, http = opened()
    channel.offer([message()])
    assert not any(each.startswith("Authorization") for each in http.calls[0].headers)


def test_it_takes_as_many_as_may_wait_for_an_answer() -> None:
    channel, http = opened(concurrency=2)
    assert (channel.connections, http.connections) == (2, 2)
    assert channel.offer([message("a"), message("b"), message("c")]) == 2
    assert channel.offer([message("c")]) == 0
    http.ready = [answered(200, tag=http.calls[0].tag)]
    assert [each.message.key for each in channel.collect(1)] == ["a"]
    assert channel.offer([message("c"), message("d")]) == 1


@pytest.mark.parametrize(("deduplicates", "once_only"), [(True, False), (False, True)])
def test_a_receiver_that_knows_no_message_again_gets_each_once_from_below_too(
    deduplicates: bool, once_only: bool
) -> None:
    channel, http = opened(deduplicates=deduplicates)
    assert (channel.deduplicates, http.once_only) == (deduplicates, once_only)


def test_an_accepted_message_carries_the_receiver_s_number_and_the_times() -> None:
    made = receipt(answered(202, headers={"x-message-id": "esp-7"}))
    assert made == Receipt(message(), Result.ACCEPTED, provider_id="esp-7", started=NOW - 5, ended=NOW)


@pytest.mark.parametrize(
    ("body", "number"),
    [
        (b'{"id": "esp-8", "more": [1]}', "esp-8"),
        (b'{"id": 9}', "9"),
        (b'{"id": null}', ""),
        (b'{"number": 9}', ""),
        (b'["id"]', ""),
        (b'{"id": ', ""),
        (b"", ""),
        (b'\xff"id"', ""),
    ],
)
def test_the_receiver_s_number_is_read_where_there_is_one(body: bytes, number: str) -> None:
    assert provider_id(answered(200, body=body)) == number


@pytest.mark.fault(24)
@pytest.mark.parametrize(
    ("status", "known", "unknown"),
    [
        (200, "accepted", "accepted"),
        (204, "accepted", "accepted"),
        (301, "refused", "refused"),
        (302, "refused", "refused"),
        (400, "refused", "refused"),
        (401, "away", "away"),
        (403, "away", "away"),
        (404, "refused", "refused"),
        (409, "refused", "refused"),
        (422, "refused", "refused"),
        (429, "away", "away"),
        (500, "unavailable", "answer lost"),
        (502, "unavailable", "answer lost"),
        (503, "unavailable", "unavailable"),
        (504, "unavailable", "answer lost"),
    ],
)
def test_what_follows_from_a_status(status: int, known: str, unknown: str) -> None:
    for deduplicates, result in ((True, known), (False, unknown)):
        made = receipt(answered(status), deduplicates=deduplicates)
        assert made.result.value == result
        assert made.denied is (status in {401, 403})
        assert made.throttled is (status == 429)


@pytest.mark.fault(24)
@pytest.mark.parametrize(
    ("failure", "result"),
    [
        (Failure.CANNOT_CONNECT, Result.AWAY),
        (Failure.TLS, Result.AWAY),
        (Failure.BEFORE_BODY, Result.UNAVAILABLE),
        (Failure.ANSWER_LOST, Result.ANSWER_LOST),
    ],
)
def test_what_follows_from_a_failure(failure: Failure, result: Result) -> None:
    made = receipt(answered(failure=failure))
    assert (made.result, made.retry_after, made.denied) == (result, None, False)
    assert made.answer.endswith(".")


@pytest.mark.parametrize(
    "answer", [answered(429), answered(failure=Failure.CANNOT_CONNECT), answered(failure=Failure.TLS)]
)
def test_throttling_and_lost_connections_count_as_tries_where_that_is_set(answer: Answer) -> None:
    made = receipt(answer, counts_429_as_try=True)
    assert made.result is Result.UNAVAILABLE
    assert made.throttled is (answer.status == 429)
    assert receipt(answered(401), counts_429_as_try=True).result is Result.AWAY


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("120", 120.0),
        (" 7 ", 7.0),
        ("99999999", LONGEST_WAIT),
        ("9" * 400, LONGEST_WAIT),
        ("Thu, 01 Jan 2026 12:01:30 GMT", 90.0),
        ("Thu, 01 Jan 2026 11:00:00 GMT", 0.0),
        ("Thu, 01 Jan 2027 11:00:00 GMT", LONGEST_WAIT),
        ("soon", None),
        ("-5", None),
        ("²", None),
        ("", None),
    ],
)
def test_how_long_a_retry_after_means(value: str, seconds: float | None) -> None:
    assert pause(value, NOW) == seconds
    assert receipt(answered(503, headers={"retry-after": value})).retry_after == seconds


def test_what_a_receiver_says_is_kept_short_and_without_the_token() -> None:
    made = receipt(answered(400, body=b"bad token s3cret\n " + b"x" * 5000), token="s3cret")
    assert made.answer.startswith("The receiver answers 400: bad token *** xxx")
    assert len(made.answer) == 500


def test_a_redirect_is_refused_and_says_where_it_points() -> None:
    made = receipt(answered(302, headers={"location": "https://other.example/"}))
    assert "points to https://other.example/" in made.answer
    assert "enter the last address" in made.answer


@pytest.mark.parametrize(
    ("url", "token", "warned"),
    [
        ("https://esp.example/", "x", ()),
        ("http://localhost:8080/", "x", ()),
        ("http://127.0.0.1/", "", ()),
        ("http://[::1]/", "", ()),
        ("http://esp.example/", "", ("Messages travel to esp.example unencrypted",)),
        ("https://10.1.2.3/", "x", ("10.1.2.3 is an address of a private network",)),
        ("http://[fd00::1]/", "", ("unencrypted", "private network")),
        ("https://169.254.169.254/", "", ("private network",)),
    ],
)
def test_weak_addresses_are_allowed_with_a_warning(url: str, token: str, warned: tuple[str, ...]) -> None:
    warnings = opened(url=url, token=token)[0].warnings()
    assert len(warnings) == len(warned)
    assert all(each in text for each, text in zip(warned, warnings, strict=True))


def test_whom_a_message_goes_to_is_read_from_the_field_that_was_set() -> None:
    assert opened()[0].address({"email": "ada@example.org"}) == "ada@example.org"
    assert opened(address_field="phone")[0].address({"email": "ada@example.org", "phone": "+44 1"}) == "+44 1"
    assert opened(address_field="phone")[0].address({}) == ""


def test_the_largest_message_is_as_set() -> None:
    assert opened(largest=2_000_000)[0].largest == 2_000_000


@pytest.mark.parametrize("url", ["ftp://esp.example/", "esp.example", "https://", ""])
def test_what_is_no_web_address_is_a_mistake(url: str) -> None:
    with pytest.raises(ValueError, match="url"):
        opened(url=url)


@pytest.mark.parametrize(
    ("answer", "stages"),
    [
        (answered(204), ["Resolve", "Reach", "Tls", "Answer"]),
        (answered(405), ["Resolve", "Reach", "Tls", "Answer"]),
        (answered(401), ["Resolve", "Reach", "Tls", "Answer: Correct the token."]),
        (answered(302), ["Resolve", "Reach", "Tls", "Answer: Correct the address."]),
        (answered(404), ["Resolve", "Reach", "Tls", "Answer: Correct the address."]),
        (
            answered(500),
            ["Resolve", "Reach", "Tls", "Answer: Try again later, or ask those who run the receiver."],
        ),
        (
            answered(failure=Failure.ANSWER_LOST),
            ["Resolve", "Reach", "Tls", "Answer: Look whether the receiver runs, or give it more time."],
        ),
    ],
)
def test_its_test_ends_at_the_stage_that_fails(
    answer: Answer, stages: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    channel, _ = opened()
    made: list[FakeHttp] = []

    def http(*, connections: int, once_only: bool, tls: Tls) -> FakeHttp:
        made.append(FakeHttp(connections=connections, once_only=once_only, tls=tls))
        made[-1].ready = [answer]
        return made[-1]

    monkeypatch.setattr(webhook_module, "Http", http)
    found = list(channel.check())
    assert [each.name if each.ok else f"{each.name}: {each.hint}" for each in found] == stages
    assert [call.method for call in made[0].calls] == ["OPTIONS"]
    assert made[0].closed


def test_its_test_goes_no_further_than_the_way_there(monkeypatch: pytest.MonkeyPatch) -> None:
    lost = Stage("Port", ok=False, message="nobody there")
    monkeypatch.setattr(probe, "reach", lambda _host, _port: lost)
    assert list(opened()[0].check())[1:] == [lost]


def test_its_test_advises_against_plain_http_and_needs_no_certificate_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(FakeHttp, "answers", lambda _http, _wait: [answered(200)])
    stages = list(opened(url="http://esp.example/")[0].check())
    assert [(each.name, each.advice) for each in stages] == [
        ("Resolve", False),
        ("Reach", False),
        ("Answer", False),
        ("Address", True),
    ]


def test_closing_gives_the_connections_back() -> None:
    channel, http = opened()
    channel.close()
    assert http.closed
    http.ready = [answered(200, tag=message())]
    assert list(channel.collect(0)) == []


def test_a_token_is_taken_as_it_was_pasted_and_never_spills_into_other_headers() -> None:
    channel, http = opened(token=" s3cret\r\n")
    channel.offer([message()])
    assert "Authorization: Bearer s3cret" in http.calls[0].headers
    for token in ("a\r\nX-Admin: 1", "a b", "geheimnisträger", "a\0"):
        with pytest.raises(ValueError, match="one word") as raised:
            opened(token=token)
        assert token not in str(raised.value)

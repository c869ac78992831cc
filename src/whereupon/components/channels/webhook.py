"""Deliver by calling a web address."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import Annotated, cast

import msgspec
from pydantic import Field, HttpUrl, SecretStr, field_validator

from whereupon.connect import probe
from whereupon.connect.http import Answer, Call, Failure, Http
from whereupon.connect.tls import Tls
from whereupon.connect.vetting import warnings_for
from whereupon.kit.config import SendingConfig, TrustingConfig, Ui
from whereupon.kit.registry import channel
from whereupon.kit.roles import Channel, Context, Nothing, Stage
from whereupon.model.events import Message, Receipt, Result

LONGEST_WAIT = 3600.0
"""A Retry-After is honoured up to an hour, in seconds (line.md, Errors)."""


class WebhookConfig(SendingConfig, TrustingConfig):
    """Calls an address once for every message."""

    url: HttpUrl = Field(
        title="Address",
        description="Where each message is posted.",
        examples=["https://esp.example.com/send"],
    )
    token: SecretStr = Field(
        SecretStr(""), title="Bearer token", description="Sent as Authorization; kept in the vault."
    )
    concurrency: int = Field(
        64, ge=1, le=512, title="Requests at once", description="How many may wait for an answer."
    )
    deduplicates: bool = Field(
        True,
        title="Knows a message again",
        description="The receiver takes each Idempotency-Key once. If not, a message whose answer was lost is not sent "
        "again by itself.",
    )
    address_field: str = Field(
        "email",
        title="Address field",
        description="The field that says whom a message goes to, for the records.",
    )
    timeout: Annotated[int, Ui(advanced=True)] = Field(
        10, ge=1, le=120, title="Time-out (s)", description="How long an answer is waited for."
    )
    counts_429_as_try: Annotated[bool, Ui(advanced=True)] = Field(
        False,
        title="Count 429 and lost connections as tries",
        description="Each costs the message one of its tries, instead of stopping the channel for a while.",
    )

    @field_validator("token")
    @classmethod
    def _one_word(cls, value: SecretStr) -> SecretStr:
        token = value.get_secret_value().strip()
        if not (token.isascii() and token.isprintable()) or " " in token:
            raise ValueError("must be one word of ASCII letters, digits and signs")
        return SecretStr(token)


class Body(msgspec.Struct, gc=False):
    """What is posted."""

    campaign: str
    key: str
    urn: str
    fields: dict[str, str]


class Said(msgspec.Struct, gc=False):
    """What an answer may say about the message: the receiver's own number for it."""

    id: str | int = ""


@channel("webhook", title="Web hook", config=WebhookConfig)
class Webhook(Channel[Nothing, WebhookConfig]):
    """One POST a message: JSON of campaign, key, urn and fields, under the header Idempotency-Key; 2xx = accepted."""

    def __init__(self, provider: Nothing, config: WebhookConfig, context: Context) -> None:
        super().__init__(provider, config, context)
        self.deduplicates = config.deduplicates
        self._url = str(config.url)
        self._token = config.token.get_secret_value()
        self._headers = ["Content-Type: application/json", "Accept: application/json"]
        if self._token:
            self._headers.append(f"Authorization: Bearer {self._token}")
        self._encode = msgspec.json.Encoder().encode
        self._closed = False
        self._timeout = float(config.timeout)
        self._trust = Tls(config.ca_file)
        self._http = Http(connections=config.concurrency, once_only=not config.deduplicates, tls=self._trust)

    @property
    def connections(self) -> int:
        """As set."""
        return self.config.concurrency

    @property
    def largest(self) -> int:
        """As set."""
        return self.config.largest

    def address(self, fields: Mapping[str, str]) -> str:
        """The field that was set to say whom it goes to."""
        return fields.get(self.config.address_field, "")

    def warnings(self) -> Sequence[str]:
        """Plain HTTP, and addresses of a private network."""
        return warnings_for(self._url)

    def check(self) -> Iterator[Stage]:
        """Name, port, certificate, and the answer to OPTIONS, which sends no message."""
        for stage in self._way_there():
            yield stage
            if not stage.ok:
                return
        yield self._answered(self._asked())
        yield from (Stage("Address", ok=True, message=each, advice=True) for each in self.warnings())

    def offer(self, messages: Sequence[Message]) -> int:
        """Post as many as there are free connections."""
        taken = min(len(messages), self._http.room())
        for each in messages[:taken]:
            body = self._encode(Body(each.campaign_name, each.key, each.person, each.fields))
            headers = [*self._headers, f"Idempotency-Key: {each.key}"]
            self._http.send(Call(each, "POST", self._url, headers, body, self._timeout))
        return taken

    def collect(self, wait: float) -> Sequence[Receipt]:
        """What was answered, or the first answer that comes within `wait` seconds."""
        return [] if self._closed else [self._receipt(each) for each in self._http.answers(wait)]

    def close(self) -> None:
        """Break what is still under way, and give the connections back."""
        self._closed = True
        self._http.close()

    def _receipt(self, answer: Answer) -> Receipt:
        message = cast(Message, answer.tag)
        if answer.failure is None and 200 <= answer.status < 300:
            number = provider_id(answer)
            return Receipt(message, Result.ACCEPTED, "", None, number, answer.started, answer.ended)
        result = self._result(answer)
        return Receipt(
            message,
            result,
            self._words(answer),
            pause(answer.header("retry-after"), answer.ended) if answer.failure is None else None,
            started=answer.started,
            ended=answer.ended,
            denied=result is Result.AWAY and answer.status in DENIED,
            throttled=answer.status == 429,
        )

    def _result(self, answer: Answer) -> Result:
        """What follows from an answer that isn't a 2xx (line.md, *Errors*)."""
        away = Result.UNAVAILABLE if self.config.counts_429_as_try else Result.AWAY
        if answer.failure is not None:
            return away if answer.failure in UNREACHED else _FAILED[answer.failure]
        if answer.status in DENIED:
            return Result.AWAY
        if answer.status == 429:
            return away
        if answer.status == 503 or (answer.status >= 500 and self.deduplicates):
            return Result.UNAVAILABLE
        return Result.ANSWER_LOST if answer.status >= 500 else Result.REFUSED

    def _words(self, answer: Answer) -> str:
        if answer.failure is not None:
            return _WORDS[answer.failure]
        said = f"The receiver answers {answer.status}"
        if 300 <= answer.status < 400:
            place = answer.header("location") or "elsewhere"
            return self._safe(
                f"{said} and points to {place}. Redirects aren't followed: enter the last address."
            )
        text = " ".join(answer.body[:1000].decode("utf-8", "replace").split())
        return self._safe(f"{said}: {text}" if text else f"{said}.")

    def _safe(self, text: str) -> str:
        return (text.replace(self._token, "***") if self._token else text)[:500]

    def _way_there(self) -> Iterator[Stage]:
        host, port = (self.config.url.host or "").strip("[]"), self.config.url.port or 443
        yield probe.resolve(host)
        yield probe.reach(host, port)
        if self.config.url.scheme == "https":
            yield probe.tls(host, port, trust=self._trust)

    def _asked(self) -> Answer:
        http = Http(connections=1, once_only=False, tls=self._trust)
        try:
            http.send(Call(None, "OPTIONS", self._url, self._headers, b"", self._timeout))
            answers: Sequence[Answer] = ()
            while not answers:
                answers = http.answers(self._timeout)
            return answers[0]
        finally:
            http.close()

    def _answered(self, answer: Answer) -> Stage:
        if answer.failure is not None:
            hint = "Look whether the receiver runs, or give it more time."
            return Stage("Answer", ok=False, message=_WORDS[answer.failure], hint=hint)
        hint = ""
        if answer.status in DENIED:
            hint = "Correct the token."
        elif 300 <= answer.status < 400 or answer.status in {404, 410}:
            hint = "Correct the address."
        elif answer.status == 429 or answer.status >= 500:
            hint = "Try again later, or ask those who run the receiver."
        # Many receivers know nothing but POST: a 400, 405 or 415 to OPTIONS says that somebody listens.
        return Stage("Answer", ok=not hint, message=self._words(answer), hint=hint)


DENIED = frozenset({401, 403})
UNREACHED = frozenset({Failure.CANNOT_CONNECT, Failure.TLS})
_FAILED = {Failure.BEFORE_BODY: Result.UNAVAILABLE, Failure.ANSWER_LOST: Result.ANSWER_LOST}
_WORDS = {
    Failure.CANNOT_CONNECT: "The receiver can't be reached.",
    Failure.TLS: "The receiver's certificate can't be trusted, or it doesn't speak TLS.",
    Failure.BEFORE_BODY: "The receiver didn't take the message in time.",
    Failure.ANSWER_LOST: "The message went out, but the receiver's answer was lost.",
}
_said = msgspec.json.Decoder(Said)


def provider_id(answer: Answer) -> str:
    """The receiver's own number for a message: header X-Message-Id, else `id` of a JSON body; empty if it says none."""
    if number := answer.header("x-message-id"):
        return number[:200]
    if b'"id"' not in answer.body:
        return ""
    try:
        return str(_said.decode(answer.body).id)[:200]
    except msgspec.DecodeError:
        return ""


def pause(value: str, now: int) -> float | None:
    """Seconds of a Retry-After, which is a number of them or an HTTP date (RFC 9110, 10.2.3); at most an hour.

    `now` is UTC ms. None if it says nothing that can be read.
    """
    try:
        seconds = (
            float(value) if value.strip().isdigit() else parsedate_to_datetime(value).timestamp() - now / 1000
        )
    except (ValueError, OverflowError):
        return None
    return min(max(seconds, 0.0), LONGEST_WAIT)

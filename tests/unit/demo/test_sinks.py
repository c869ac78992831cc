"""The demo's receiving ends."""

from __future__ import annotations

import http.client
import json
import queue
import smtplib
from collections.abc import Iterator
from email.message import EmailMessage

import pytest

from whereupon.demo.sinks import Arrival, Sinks
from whereupon.host.clock import Clock

Came = queue.Queue[Arrival]


@pytest.fixture
def came() -> Came:
    """What arrived, in order."""
    return queue.Queue()


@pytest.fixture
def sinks(came: Came) -> Iterator[Sinks]:
    """Both servers."""
    with Sinks(came.put, clock=Clock()) as both:
        yield both


def test_the_esp_takes_message_after_message_on_one_connection(sinks: Sinks, came: Came) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", sinks.esp, timeout=10)
    for key in ("k1", "k2"):
        fields = {"email": "ada@example.org", "subject": "Hello", "body": "Grüße"}
        body = json.dumps({"campaign": "C", "key": key, "urn": "1", "fields": fields})
        connection.request("POST", "/send", body.encode(), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (200, b"{}")
    connection.close()
    first, second = came.get(timeout=10), came.get(timeout=10)
    assert (first.key, first.sink, first.to, first.text) == ("k1", "ESP", "ada@example.org", "Grüße")
    assert second.key == "k2"
    assert second.at >= first.at


def test_whatever_else_the_esp_is_asked_it_answers_and_takes_nothing(sinks: Sinks, came: Came) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", sinks.esp, timeout=10)
    connection.request("OPTIONS", "/send")
    assert connection.getresponse().status == 200
    connection.close()
    assert came.empty()


def test_the_mail_catcher_takes_mail_after_mail_with_its_dots_as_they_were(sinks: Sinks, came: Came) -> None:
    with smtplib.SMTP("127.0.0.1", sinks.mail, timeout=10) as client:
        for key in ("k1", "k2"):
            mail = EmailMessage()
            mail["Message-ID"], mail["To"], mail["Subject"] = (
                f"<{key}@teal.example>",
                "bo@example.org",
                "Grüße",
            )
            mail["From"] = "offers@teal.example"
            mail.set_content("first\n.second\n")
            assert client.send_message(mail) == {}
    first, second = came.get(timeout=10), came.get(timeout=10)
    assert (first.key, first.sink, first.to, first.subject) == ("k1", "Mail", "bo@example.org", "Grüße")
    assert first.text == "first\n.second"
    assert second.key == "k2"


def test_a_connection_that_is_open_at_the_end_is_closed(came: Came) -> None:
    with Sinks(came.put, clock=Clock()) as both:
        client = smtplib.SMTP("127.0.0.1", both.mail, timeout=10)
    with pytest.raises(smtplib.SMTPException):
        client.noop()
    client.close()

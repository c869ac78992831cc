"""The sinks in processes of their own count what arrives."""

from __future__ import annotations

import smtplib
import urllib.error
import urllib.request
from email.message import EmailMessage
from pathlib import Path

import pytest

from tests.faults.sinks import KeyedSink, UnkeyedSink, keys_of_file
from tests.servers.http import Answer

pytestmark = pytest.mark.process


def post(url: str, key: str) -> int:
    """The status that a post gets."""
    request = urllib.request.Request(url, data=b'{"urn": "u1"}', headers={"Idempotency-Key": key})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return int(error.code)


def test_a_keyed_sink_sees_each_key_once(tmp_path: Path) -> None:
    sink = KeyedSink(tmp_path, identify='"urn": *"([^"]*)"')
    sink.script({"u1": [Answer(503)]})
    assert [post(sink.url, "a"), post(sink.url, "a"), post(sink.url, "a")] == [503, 200, 200]
    assert (sink.arrived(), sink.attempts()) == ({"a": 1}, 3)
    sink.stop()


def test_an_unkeyed_sink_sees_every_mail(tmp_path: Path) -> None:
    sink = UnkeyedSink(tmp_path, faults=[{"stage": "end", "then": "close"}])
    message = EmailMessage()
    message["From"], message["To"], message["Message-ID"] = (
        "a@example.org",
        "b@example.org",
        "<k1@example.org>",
    )
    with pytest.raises(smtplib.SMTPServerDisconnected), smtplib.SMTP(sink.host, sink.port) as client:
        client.send_message(message)
    with smtplib.SMTP(sink.host, sink.port) as client:
        client.send_message(message)
    assert sink.arrived() == {"k1": 2}
    sink.stop()


def test_a_torn_line_of_a_file_did_not_arrive(tmp_path: Path) -> None:
    file = tmp_path / "messages.jsonl"
    file.write_text('{"key": "a"}\n{"key": "a"}\n{"key": "b"', encoding="utf-8")
    assert keys_of_file(file) == {"a": 2}
    assert keys_of_file(tmp_path / "nothing") == {}

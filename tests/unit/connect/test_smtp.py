"""Judging a mail server's replies and errors; what happens on a real connection stands in tests/outside."""

from __future__ import annotations

import smtplib
import socket
import ssl

import pytest

from whereupon.connect.smtp import Broken, Denied, Line, Mail, Server, dotted, judge, unreachable
from whereupon.model.errors import Away, Refused, Unavailable

MAIL = Mail("a@example.org", "b@example.org", b"Subject: x\r\n\r\ny\r\n", raw=False)


@pytest.mark.parametrize("code", [200, 250, 251, 299])
def test_a_reply_of_the_two_hundreds_is_well(code: int) -> None:
    judge("recipient", code, "ok")


def test_content_may_only_follow_on_354() -> None:
    judge("mail", 354, "go on", wanted=354)
    with pytest.raises(Broken):
        judge("mail", 250, "what?", wanted=354)


@pytest.mark.parametrize(
    ("what", "code", "kind"),
    [
        ("recipient", 421, Away),
        ("mail", 421, Away),
        ("recipient", 450, Unavailable),
        ("mail", 452, Unavailable),
        ("sender", 451, Unavailable),
        ("recipient", 550, Refused),
        ("recipient", 552, Refused),
        ("mail", 554, Refused),
        ("sender", 552, Refused),
        ("sender", 550, Denied),
        ("sender", 501, Denied),
        ("recipient", 530, Denied),
        ("mail", 535, Denied),
        ("recipient", 354, Broken),
        ("recipient", -1, Broken),
        ("recipient", 999, Broken),
    ],
)
def test_what_follows_from_a_reply(what: str, code: int, kind: type[Exception]) -> None:
    with pytest.raises(kind, match=str(code)) as raised:
        judge(what, code, "said so")
    assert type(raised.value) is kind


@pytest.mark.parametrize(
    ("content", "travels"),
    [
        (b".\r\n", b"..\r\n"),
        (b"a\r\n.b\r\n..c\r\n", b"a\r\n..b\r\n...c\r\n"),
        (b"a.b\r\n", b"a.b\r\n"),
        (b"no end", b"no end\r\n"),
    ],
)
def test_a_dot_at_the_beginning_of_a_line_is_doubled(content: bytes, travels: bytes) -> None:
    assert dotted(content) == travels


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (socket.gaierror(-2, "Name or service not known"), "There is no mail server called mail.example"),
        (ConnectionRefusedError(111, "Connection refused"), "can't be reached: Connection refused"),
        (TimeoutError("timed out"), "can't be reached: timed out"),
        (OSError(), "can't be reached: OSError"),
        (smtplib.SMTPServerDisconnected("Connection unexpectedly closed"), "unexpectedly closed"),
        (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number"), "doesn't speak TLS"),
    ],
)
def test_why_there_is_no_connection_is_said_in_words(error: OSError, said: str) -> None:
    away = unreachable("mail.example", error)
    assert said in away.message
    assert away.hint


def test_a_line_that_was_never_opened_takes_nothing_and_can_be_left() -> None:
    line = Line(Server("mail.example", 587), None)
    with pytest.raises(smtplib.SMTPServerDisconnected):
        line.begin(MAIL)
    line.interrupt()
    line.leave()
    line.drop()
    with pytest.raises(Away, match="doesn't return our greeting"):
        dict(line.opening())["Greeting"]()


def test_a_password_is_not_shown() -> None:
    assert "hush" not in repr(Server("mail.example", 587, password="hush"))

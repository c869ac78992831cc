"""Secrets are hidden by name, by shape and by value; what is no secret stays readable."""

from __future__ import annotations

import time
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whereupon.host.redaction import HIDDEN, Redactor, names_a_secret

PEM = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADAN\nBgkqhkiG9w0B\n-----END PRIVATE KEY-----"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"


@pytest.mark.parametrize(
    "name",
    ["password", "Password", "smtp_password", "PASSWD", "token", "accessToken", "client_secret", "authorization",
     "sasl.password", "sasl", "p8", "key", "api_key", "apiKey", "apikey", "ssl.key", "pwd", "proxyAuthorization"],
)  # fmt: skip
def test_these_names_hold_a_secret(name: str) -> None:
    assert names_a_secret(name)


@pytest.mark.parametrize(
    "name", ["monkey", "keyboard", "keys_window", "event", "person", "address", "passes"]
)
def test_these_names_hold_none(name: str) -> None:
    assert not names_a_secret(name)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://ada:s3cret@db/people", "postgresql://•••@db/people"),
        ("amqp://ada:a@b/c@host/x", "amqp://•••@host/x"),
        ("https://sometoken@host/x", "https://•••@host/x"),
        ("Driver=ODBC;UID=ada;PWD=hunter2;Port=5", "Driver=ODBC;UID=ada;PWD=•••;Port=5"),
        ("PWD={semi;colon};x=1", "PWD=•••;x=1"),
        ("host=db password='two words' user=ada", "host=db password=••• user=ada"),
        ('{"password": "with \\" quote", "user": "ada"}', '{"password": •••, "user": "ada"}'),
        ("sasl.password=hunter2,acks=all", "sasl.password=•••,acks=all"),
        ("Authorization: Basic YWRhOnMzY3JldA==", "Authorization: •••"),
        ("sent with Bearer abcdefghij.klm", "sent with Bearer •••"),
        (f"jwt {JWT} refused", "jwt ••• refused"),
        (f"read {PEM} from disk", "read ••• from disk"),
        ("cut off -----BEGIN RSA PRIVATE KEY-----\nMIIE", "cut off •••"),
        ("paid by 4111 1111 1111 1111 today", "paid by ••• today"),
        ("paid by 5500-0000-0000-0004", "paid by •••"),
    ],
)
def test_secrets_are_known_by_their_shape(text: str, shown: str) -> None:
    assert Redactor().text(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "https://host:8080/path?email=ada@example.org",
        "ada@example.org went to https://example.org/a",
        "at 1763711123456 in 4111111111111112 steps",
        "The basic settings of the keyboard hold no token.",
        "a 12-digit number 411111111111",
        "Write postgresql://user@host:5432/name or mssql://user@host/name?Driver=ODBC Driver 18 for SQL Server.",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert Redactor().text(text) == text


@pytest.mark.parametrize("secret", ["plain-canary", 'quo"te\\d', "ümläut & space", "a+b/c=?d"])
def test_a_known_value_is_hidden_however_it_is_written(secret: str) -> None:
    import json
    from urllib.parse import quote, quote_plus

    redactor = Redactor()
    redactor.add(secret)
    for written in (secret, json.dumps(secret), repr(secret), quote(secret), quote_plus(secret)):
        assert redactor.text(f"<{written}>").strip("<>\"'") == HIDDEN


def test_a_value_that_begins_with_another_is_hidden_whole() -> None:
    redactor = Redactor()
    redactor.add("canary")
    redactor.add("canary-long")
    assert redactor.text("canary-long canary") == "••• •••"


def test_a_value_of_three_letters_is_left_to_names_and_shapes() -> None:
    redactor = Redactor()
    redactor.add("abc")
    assert redactor.text("abc password=abc") == "abc password=•••"


def test_values_are_cleaned_at_every_depth() -> None:
    redactor = Redactor()
    redactor.add("canary")
    logged: Mapping[str, object] = {
        "token": "x1",
        "empty": None,
        "password": "",
        "count": 7,
        "card": 4111111111111111,
        "ok": True,
        "share": 0.5,
        "parts": [{"sasl.password": b"x"}, ("my canary",), {"canary"}],
        "error": ValueError("canary"),
    }
    assert redactor.value(logged) == {
        "token": HIDDEN,
        "empty": None,
        "password": "",
        "count": 7,
        "card": HIDDEN,
        "ok": True,
        "share": 0.5,
        "parts": [{"sasl.password": HIDDEN}, [f"my {HIDDEN}"], [HIDDEN]],
        "error": HIDDEN,
    }


@given(st.text(min_size=4), st.text(), st.text())
def test_no_known_value_ever_comes_through(secret: str, before: str, after: str) -> None:
    redactor = Redactor()
    redactor.add(secret)
    shown = redactor.text(before + secret + after)
    assert secret not in shown or secret in before + HIDDEN + after or HIDDEN in secret


@pytest.mark.parametrize(
    "text", ["a." * 100_000, "://" * 60_000, "password=" * 20_000, "eyJaaaaa." * 20_000, "4 " * 100_000]
)
def test_a_long_text_takes_no_long_time(text: str) -> None:
    before = time.process_time()
    Redactor().text(text)
    assert time.process_time() - before < 5


def test_the_mention_of_a_secret_tells_its_name_and_may_be_read() -> None:
    said = "Write ${secret:NAME} in its place, not secret: hush, and ${secret:esp/token}."
    assert (
        Redactor().text(said)
        == "Write ${secret:NAME} in its place, not secret: •••, and ${secret:esp/token}."
    )

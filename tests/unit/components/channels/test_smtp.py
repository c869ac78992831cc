"""Messages as mails: headers, encodings, addresses, and what must never get into a header."""

from __future__ import annotations

import email
import email.policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whereupon.components.channels.smtp import Smtp, SmtpConfig, carried, composed, parsed
from whereupon.host.clock import FakeClock
from whereupon.kit.roles import Context, Nothing
from whereupon.model.errors import Refused, SetupError
from whereupon.model.events import Message

NOW = 1_767_268_800_000
KEY = "0f" * 32


def config(**settings: Any) -> SmtpConfig:
    return SmtpConfig.model_validate(
        {"host": "mail.example", "sender": "offers@tealgreen.example", **settings}
    )


def opened(**settings: Any) -> Smtp:
    return Smtp(Nothing(), config(**settings), Context("Mail", "TealHols", Path(), "id", FakeClock()))


def message(**fields: str) -> Message:
    given = {"email": "ada@example.org", "subject": "Welcome", "body": "Good to have you."} | fields
    return Message(KEY, 1, 1, "Welcome", "42", given, given["email"])


def mail(*, settings: SmtpConfig | None = None, **fields: str) -> EmailMessage:
    made = composed(message(**fields), settings or config(), NOW)
    return email.message_from_bytes(made.content, policy=email.policy.default)


def test_a_message_is_a_mail_with_all_that_a_mail_needs() -> None:
    settings = config(sender_name="Teal Gréen, Ltd", reply_to="help@tealgreen.example")
    made = mail(settings=settings, subject="Wëlcome back")
    assert made["From"] == '"Teal Gréen, Ltd" <offers@tealgreen.example>'
    assert made["To"] == "ada@example.org"
    assert made["Reply-To"] == "help@tealgreen.example"
    assert made["Subject"] == "Wëlcome back"
    assert made["Date"].datetime.timestamp() * 1000 == NOW
    assert made.get_content() == "Good to have you.\r\n"


@pytest.mark.req("RTT-12")
def test_the_message_id_is_the_key_at_the_sender_s_domain_at_every_try() -> None:
    tries = [composed(message(), config(), now) for now in (NOW, NOW + 60_000)]
    ids = {email.message_from_bytes(each.content)["Message-ID"] for each in tries}
    assert ids == {f"<{KEY}@tealgreen.example>"}


def test_html_comes_beside_the_text() -> None:
    made = mail(html="<p>Grüße</p>")
    assert made.get_content_type() == "multipart/alternative"
    parts = {part.get_content_type(): part.get_content() for part in made.iter_parts()}
    assert parts == {"text/plain": "Good to have you.\r\n", "text/html": "<p>Grüße</p>\r\n"}


def test_an_empty_html_field_is_no_part() -> None:
    assert mail(html="").get_content_type() == "text/plain"


@pytest.mark.parametrize("sign", ["\r\n", "\n", "\r", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029"])
def test_no_line_break_gets_into_a_header(sign: str) -> None:
    with pytest.raises(Refused, match="subject"):
        mail(subject=f"Hello{sign}Bcc: everybody@example.org")
    with pytest.raises(Refused, match="is not an e-mail address"):
        mail(email=f"ada@example.org{sign}Bcc: everybody@example.org")


@pytest.mark.parametrize("field", ["subject", "body", "html"])
def test_a_zero_byte_is_refused(field: str) -> None:
    with pytest.raises(Refused, match=field):
        composed(message(**{field: "a\0b"}), config(), NOW)


@pytest.mark.parametrize(
    "address",
    ["", "ada", "ada@", "@example.org", "a b@example.org", "a@example.org, b@example.org", "<a@example.org>",
     "Ada <a@example.org>", "a@b..org", "a..b@example.org", ".a@example.org", "a@example.org (Ada)", "a@b@c.org"],
)  # fmt: skip
def test_what_is_no_single_address_is_refused(address: str) -> None:
    with pytest.raises(Refused, match="is not an e-mail address"):
        mail(email=address)


@pytest.mark.parametrize(
    ("address", "recipient", "raw"),
    [
        ("ada@example.org", "ada@example.org", False),
        (" ada+1@Example.ORG ", "ada+1@Example.ORG", False),
        ('"ada l"@example.org', '"ada l"@example.org', False),
        ("ada@[192.0.2.1]", "ada@[192.0.2.1]", False),
        ("ada@müller.example", "ada@xn--mller-kva.example", False),
        ("jörg@example.org", "jörg@example.org", True),
        ("ada@straße.example", "ada@straße.example", True),
    ],
)
def test_an_address_travels_in_ascii_where_that_means_the_same(
    address: str, recipient: str, raw: bool
) -> None:
    made = composed(message(email=address), config(), NOW)
    assert (made.recipient, made.raw) == (recipient, raw)
    parsed_back = email.message_from_string(made.content.decode("utf-8"), policy=email.policy.SMTPUTF8)
    assert parsed_back["To"].addresses[0].addr_spec == recipient


def test_a_domain_that_can_not_be_one_is_refused() -> None:
    with pytest.raises(Refused, match="is not a domain"):
        carried(parsed("ada@" + "ü" * 70 + ".example"))


def test_without_letters_outside_ascii_in_addresses_a_mail_is_ascii() -> None:
    made = composed(message(subject="Grüße \U0001f600", body="Grüße\n" * 50, html="<p>ü</p>"), config(), NOW)
    assert made.content.isascii()
    assert max(map(len, made.content.split(b"\r\n"))) <= 998
    assert b"\n" not in made.content.replace(b"\r\n", b"")


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=300))
def test_every_text_arrives_as_it_was_written(text: str) -> None:
    made = mail(body=text)
    assert made.get_content().split() == text.split()


@given(st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp", "Cn"]), max_size=200))
def test_every_subject_makes_one_header_and_no_other(subject: str) -> None:
    made = mail(subject=subject)
    assert sorted(made.keys()) == sorted(
        [
            "Message-ID",
            "Date",
            "From",
            "To",
            "Subject",
            "MIME-Version",
            "Content-Type",
            "Content-Transfer-Encoding",
        ]
    )
    assert "".join(str(made["Subject"]).split()) == "".join(subject.split())


@pytest.mark.parametrize("field", ["sender", "reply_to"])
def test_a_wrong_address_in_the_settings_is_a_mistake(field: str) -> None:
    with pytest.raises(ValueError, match="is not an e-mail address"):
        config(**{field: "offers"})


def test_a_sender_is_needed_and_its_name_is_one_line() -> None:
    with pytest.raises(ValueError, match="sender"):
        config(sender="")
    with pytest.raises(ValueError, match="one line"):
        config(sender_name="Teal\r\nBcc: everybody@example.org")
    assert config(reply_to="", sender_name=" Teal ").sender_name == "Teal"


def test_a_password_that_no_server_takes_is_said_when_the_channel_is_opened() -> None:
    with pytest.raises(SetupError, match="ASCII"):
        opened(username="mailer", password="geheimnisträger")


@pytest.mark.parametrize(
    ("settings", "warned"),
    [
        ({"security": "starttls"}, ""),
        ({"security": "tls"}, ""),
        ({"security": "none", "host": "localhost"}, ""),
        ({"security": "none", "host": "127.0.0.1"}, ""),
        ({"security": "none", "host": "::1"}, ""),
        ({"security": "none"}, "Mails travel to mail.example unencrypted"),
        ({"security": "none", "username": "mailer"}, "the user name and the password"),
    ],
)
def test_mail_in_the_open_is_warned_of_unless_it_stays_on_this_computer(
    settings: dict[str, str], warned: str
) -> None:
    warnings = " ".join(opened(**settings).warnings())
    assert (warned in warnings) if warned else warnings == ""


def test_what_campaigns_have_to_know_of_mail() -> None:
    channel = opened(concurrency=7, largest=2_000_000)
    assert channel.traits.requires == {"email", "subject", "body"}
    assert channel.traits.html == {"html"}
    assert (channel.connections, channel.largest, channel.deduplicates) == (7, 2_000_000, False)
    assert channel.address({"email": "ada@example.org"}) == "ada@example.org"

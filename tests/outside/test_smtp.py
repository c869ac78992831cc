"""The mail channel on real connections: every stage at which a server can fail, and what it leaves."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest

from tests.servers.authority import Authority
from tests.servers.processes import wait_until
from tests.servers.scripted_smtp import ScriptedSmtp, Stage
from tests.servers.smtp import PASSWORD, USER, SmtpServer
from whereupon.components.channels.smtp import Smtp, SmtpConfig
from whereupon.host.clock import Clock
from whereupon.kit.roles import Context, Nothing
from whereupon.model.events import Message, Receipt, Result

if TYPE_CHECKING:
    from tests.conftest import Logs

pytestmark = pytest.mark.outside
# aiosmtpd doesn't see that a connection which is TLS from the first byte needs no STARTTLS.
NOT_IN_THE_OPEN = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
Open = Callable[..., Smtp]
Server = ScriptedSmtp | SmtpServer


@pytest.fixture
def opened() -> Iterator[Open]:
    made: list[Smtp] = []

    def make(server: Server, **settings: Any) -> Smtp:
        given = {
            "host": server.host,
            "port": server.port,
            "security": "none",
            "sender": "offers@tealgreen.example",
            "concurrency": 1,
            "timeout": 5,
        }
        config = SmtpConfig.model_validate(given | settings)
        made.append(Smtp(Nothing(), config, Context("Mail", "TealHols", Path(), "id", Clock())))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def secure(authority: Authority, request: pytest.FixtureRequest) -> Iterator[SmtpServer]:
    server = SmtpServer(authority=authority, login=True, tls=getattr(request, "param", "starttls") == "tls")
    server.start()
    yield server
    server.stop()


def message(key: str, to: str = "ada@example.org", **fields: str) -> Message:
    content = {"email": to, "subject": f"Welcome {key}", "body": "Good to have you.\n.\n..dots"} | fields
    return Message(key, 1, 1, "Welcome", "42", content, to)


def sent(channel: Smtp, *messages: Message) -> list[Receipt]:
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


# ------------------------------------------------------------------------------------------- as it should be
@pytest.mark.req("RTT-12")
@NOT_IN_THE_OPEN
@pytest.mark.parametrize("secure", ["starttls", "tls"], indirect=True)
def test_a_mail_goes_encrypted_and_after_a_login(
    secure: SmtpServer, opened: Open, authority: Authority
) -> None:
    security = "tls" if secure._controller.ssl_context else "starttls"
    channel = opened(secure, security=security, username=USER, password=PASSWORD, ca_file=str(authority.ca))
    (receipt,) = sent(channel, message("k1", subject="Wëlcome"))
    assert (receipt.result, receipt.answer) == (Result.ACCEPTED, "250 OK")
    (mail,) = secure.wait_for(1)
    assert (mail.key, mail.sender, mail.recipients) == (
        "k1",
        "offers@tealgreen.example",
        ("ada@example.org",),
    )
    assert mail.message["Subject"] == "Wëlcome"
    assert mail.message.get_content().splitlines() == ["Good to have you.", ".", "..dots"]


@NOT_IN_THE_OPEN
@pytest.mark.parametrize("secure", ["starttls", "tls"], indirect=True)
def test_the_test_goes_through_every_stage_and_sends_nothing(
    secure: SmtpServer, opened: Open, authority: Authority
) -> None:
    security: Literal["tls", "starttls"] = "tls" if secure._controller.ssl_context else "starttls"
    channel = opened(secure, security=security, username=USER, password=PASSWORD, ca_file=str(authority.ca))
    stages = list(channel.check())
    names = [
        "Connection",
        "Greeting",
        *(["Encryption"] if security == "starttls" else []),
        "Login",
        "Answer",
        "Farewell",
    ]
    assert [(stage.name, stage.ok) for stage in stages] == [(name, True) for name in names]
    assert "TLSv1" in " ".join(stage.message for stage in stages)
    assert secure.mails == []


def test_a_wrong_password_ends_the_test_and_stops_the_lane(
    secure: SmtpServer, opened: Open, authority: Authority
) -> None:
    channel = opened(secure, security="starttls", username=USER, password="wr0ng", ca_file=str(authority.ca))
    last = list(channel.check())[-1]
    assert (last.name, last.ok, last.hint) == ("Login", False, "Correct the user name and the password.")
    (receipt,) = sent(channel, message("k1"))
    assert (receipt.result, receipt.denied) == (Result.AWAY, True)
    assert "wr0ng" not in receipt.answer + last.message


@pytest.mark.parametrize("security", ["tls", "starttls"])
def test_a_certificate_that_nobody_signed_is_not_trusted(
    opened: Open, authority: Authority, logs: Logs, security: str
) -> None:
    logs.allow("SSL handshake|Connection lost|_handle_client")
    server = SmtpServer(authority=authority, tls=security == "tls")
    server.start()
    try:
        channel = opened(server, security=security)
        last = list(channel.check())[-1]
        assert not last.ok
        assert "certificate" in last.message
        (receipt,) = sent(channel, message("k1"))
        assert (receipt.result, receipt.denied) == (Result.AWAY, False)
        assert server.mails == []
    finally:
        server.stop()


def test_a_login_that_the_server_does_not_ask_for_stops_the_lane(
    opened: Open, scripted_smtp: ScriptedSmtp
) -> None:
    scripted_smtp.script("ehlo", "250 test")
    (receipt,) = sent(opened(scripted_smtp, username=USER, password=PASSWORD), message("k1"))
    assert (receipt.result, receipt.denied) == (Result.AWAY, True)


def test_a_server_without_starttls_gets_nothing_in_the_open(
    opened: Open, scripted_smtp: ScriptedSmtp
) -> None:
    channel = opened(scripted_smtp, security="starttls", username=USER, password=PASSWORD)
    (receipt,) = sent(channel, message("k1"))
    assert receipt.result is Result.AWAY
    assert "doesn't offer STARTTLS" in receipt.answer
    assert scripted_smtp.mails == []
    assert list(channel.check())[-1].ok is False


def test_mail_in_the_open_is_advised_against_by_the_test(opened: Open, scripted_smtp: ScriptedSmtp) -> None:
    channel = opened(scripted_smtp)
    assert [(stage.ok, stage.advice) for stage in channel.check()] == [(True, False)] * 4
    elsewhere = opened(scripted_smtp, host="127.1")
    assert list(elsewhere.check())[-1].advice


def test_nobody_there_is_away(opened: Open, scripted_smtp: ScriptedSmtp) -> None:
    scripted_smtp.stop()
    channel = opened(scripted_smtp)
    assert results(sent(channel, message("k1"))) == {"k1": Result.AWAY}
    (stage,) = channel.check()
    assert (stage.name, stage.ok) == ("Connection", False)


# --------------------------------------------------------------------------------- row 27: fails at each stage
AWAY, LATER, LOST = Result.AWAY, Result.UNAVAILABLE, Result.ANSWER_LOST
FAULTS: list[tuple[Stage, dict[str, Any], Result]] = [
    ("connect", {"reply": "421 4.3.2 going down", "then": "close"}, AWAY),
    ("connect", {"reply": "554 5.7.1 no service for you", "then": "close"}, AWAY),
    ("connect", {"then": "close"}, AWAY),
    ("connect", {"then": "hang"}, AWAY),
    ("ehlo", {"then": "close"}, AWAY),
    ("ehlo", {"reply": "554 5.7.1 who are you?", "times": 2}, AWAY),
    ("auth", {"reply": "535 5.7.8 wrong password"}, AWAY),
    ("auth", {"reply": "454 4.7.0 try later"}, AWAY),
    ("auth", {"then": "close"}, AWAY),
    ("mail", {"reply": "451 4.3.0 later"}, LATER),
    ("mail", {"reply": "421 4.3.2 going down", "then": "close"}, AWAY),
    ("mail", {"reply": "550 5.7.1 not your address"}, AWAY),
    ("mail", {"reply": "552 5.3.4 too big"}, Result.REFUSED),
    ("mail", {"then": "close"}, LATER),
    ("rcpt", {"reply": "451 4.2.1 mailbox busy"}, LATER),
    ("rcpt", {"reply": "550 5.1.1 no such person"}, Result.REFUSED),
    ("rcpt", {"reply": "550 5.1.1 no such person", "then": "close"}, Result.REFUSED),
    ("rcpt", {"then": "close"}, LATER),
    ("rcpt", {"then": "hang"}, LATER),
    ("data", {"reply": "451 4.3.0 later"}, LATER),
    ("data", {"reply": "554 5.5.1 no"}, Result.REFUSED),
    ("data", {"then": "close"}, LATER),
    ("end", {"reply": "451 4.3.0 disk full"}, LATER),
    ("end", {"reply": "421 4.3.2 going down", "then": "close"}, AWAY),
    ("end", {"reply": "554 5.7.1 that is spam"}, Result.REFUSED),
    ("end", {"reply": "552 5.3.4 too big"}, Result.REFUSED),
    ("end", {"then": "close"}, LOST),
    ("end", {"then": "hang"}, LOST),
    ("end", {"then": "close", "taken": False}, LOST),
    ("end", {"reply": "what?", "taken": True}, LOST),
    ("quit", {"then": "close"}, Result.ACCEPTED),
    ("quit", {"then": "hang"}, Result.ACCEPTED),
]


@pytest.mark.fault(27)
@pytest.mark.parametrize(
    ("stage", "fault", "result"), FAULTS, ids=[f"{stage}-{fault}" for stage, fault, _ in FAULTS]
)
def test_a_fault_at_each_stage_is_told_as_what_it_is(
    opened: Open, scripted_smtp: ScriptedSmtp, stage: Stage, fault: dict[str, Any], result: Result
) -> None:
    scripted_smtp.script(stage, **fault)
    channel = opened(scripted_smtp, username=USER, password=PASSWORD, timeout=1)
    (receipt,) = sent(channel, message("k1"))
    assert receipt.result is result
    assert receipt.denied is ("535" in receipt.answer or "550 5.7.1" in receipt.answer)
    # What comes next goes, whatever the first left behind; and nothing went twice.
    if stage != "quit":
        assert results(sent(channel, message("k2"))) == {"k2": Result.ACCEPTED}
    channel.close()
    taken = scripted_smtp.keys()
    assert taken["k1"] == (result is Result.ACCEPTED or (result is LOST and fault.get("taken", True)))
    assert taken["k2"] == (stage != "quit")
    assert scripted_smtp.keys().total() == len(scripted_smtp.keys())


@pytest.mark.fault(27)
def test_a_server_that_goes_while_the_content_is_sent_surely_has_not_got_it(
    opened: Open, scripted_smtp: ScriptedSmtp
) -> None:
    scripted_smtp.script("body", then="close")
    (receipt,) = sent(opened(scripted_smtp), message("k1", body=("x" * 900 + "\n") * 20_000))
    assert receipt.result is LATER
    assert scripted_smtp.mails == []


@pytest.mark.fault(27)
@pytest.mark.parametrize(
    "fault",
    [{"reply": "454 4.7.0 no TLS now"}, {"reply": "501 5.5.4 no parameters"}, {"then": "close"}],
    ids=str,
)
def test_encryption_that_does_not_begin_is_away_and_nothing_goes_in_the_open(
    opened: Open, authority: Authority, fault: dict[str, Any]
) -> None:
    server = ScriptedSmtp(authority=authority)
    server.start()
    try:
        server.script("starttls", **fault)
        channel = opened(server, security="starttls", host="localhost", ca_file=str(authority.ca))
        assert results(sent(channel, message("k1"))) == {"k1": AWAY}
        assert results(sent(channel, message("k1"))) == {"k1": Result.ACCEPTED}
        channel.close()
    finally:
        server.stop()


# ------------------------------------------------------------------------------------------ row 28: one bad one
@pytest.mark.fault(28)
def test_one_bad_recipient_in_500_harms_no_other(opened: Open, scripted_smtp: ScriptedSmtp) -> None:
    scripted_smtp.script("rcpt", "550 5.1.1 no such person", recipient="nobody@example.org")
    messages = [message(f"k{number}", f"p{number}@example.org") for number in range(499)]
    messages.insert(250, message("bad", "nobody@example.org"))
    told = results(sent(opened(scripted_smtp, concurrency=4), *messages))
    assert Counter(told.values()) == {Result.ACCEPTED: 499, Result.REFUSED: 1}
    assert told["bad"] is Result.REFUSED
    assert scripted_smtp.keys() == Counter(f"k{number}" for number in range(499))


# ------------------------------------------------------------------------------------------------ connections
def test_connections_are_kept_and_given_back_after_a_hundred_mails(
    opened: Open, scripted_smtp: ScriptedSmtp
) -> None:
    sent(opened(scripted_smtp), *(message(f"k{number}") for number in range(250)))
    assert scripted_smtp.connections == 3


def test_a_connection_that_the_server_gave_up_is_opened_anew_and_nothing_goes_twice(
    opened: Open, scripted_smtp: ScriptedSmtp
) -> None:
    channel = opened(scripted_smtp)
    sent(channel, message("k1"))
    scripted_smtp.script("mail", "421 4.4.2 idle for too long", then="close")
    assert results(sent(channel, message("k2"))) == {"k2": Result.ACCEPTED}
    scripted_smtp.script("mail", then="close")
    assert results(sent(channel, message("k3"))) == {"k3": Result.ACCEPTED}
    assert scripted_smtp.keys() == Counter(["k1", "k2", "k3"])
    assert scripted_smtp.connections == 3


def test_a_refused_recipient_leaves_the_connection_open(opened: Open, scripted_smtp: ScriptedSmtp) -> None:
    channel = opened(scripted_smtp)
    scripted_smtp.script("rcpt", "550 5.1.1 no such person")
    assert list(results(sent(channel, message("k1"), message("k2"))).values()) == [
        Result.REFUSED,
        Result.ACCEPTED,
    ]
    assert scripted_smtp.connections == 1


def test_a_refused_and_a_deferred_recipient_are_forgotten_before_the_next_mail(
    smtp: SmtpServer, opened: Open
) -> None:
    smtp.refuse, smtp.defer = {"nobody@example.org"}, {"busy@example.org"}
    mails = message("k1", "nobody@example.org"), message("k2", "busy@example.org"), message("k3")
    told = results(sent(opened(smtp), *mails))
    assert told == {"k1": Result.REFUSED, "k2": LATER, "k3": Result.ACCEPTED}
    assert smtp.keys() == Counter(["k3"])


def test_an_idle_connection_is_left_politely(opened: Open, scripted_smtp: ScriptedSmtp) -> None:
    channel = opened(scripted_smtp)
    channel.rest_after = 0.05
    sent(channel, message("k1"))
    wait_until(lambda: not scripted_smtp._live, what="the farewell")
    assert results(sent(channel, message("k2"))) == {"k2": Result.ACCEPTED}
    assert scripted_smtp.connections == 2


# --------------------------------------------------------------------------------------------- what it can carry
def test_a_mail_larger_than_the_server_takes_is_refused_before_it_is_sent(
    opened: Open, scripted_smtp: ScriptedSmtp
) -> None:
    scripted_smtp.script("ehlo", "250-test\r\n250 SIZE 2000")
    channel = opened(scripted_smtp)
    told = results(sent(channel, message("k1", body="x " * 2000), message("k2")))
    assert told == {"k1": Result.REFUSED, "k2": Result.ACCEPTED}


def test_an_address_outside_ascii_goes_where_the_server_can_carry_it(
    opened: Open, scripted_smtp: ScriptedSmtp
) -> None:
    channel = opened(scripted_smtp)
    assert results(sent(channel, message("k1", "jörg@example.org"))) == {"k1": Result.ACCEPTED}
    assert scripted_smtp.mails[0].recipients == ("jörg@example.org",)


def test_an_address_outside_ascii_is_refused_where_the_server_can_not_carry_it(
    opened: Open, scripted_smtp: ScriptedSmtp
) -> None:
    scripted_smtp.script("ehlo", "250 test")
    channel = opened(scripted_smtp)
    told = results(sent(channel, message("k1", "jörg@example.org"), message("k2", "ada@müller.example")))
    assert told == {"k1": Result.REFUSED, "k2": Result.ACCEPTED}
    assert scripted_smtp.mails[0].recipients == ("ada@xn--mller-kva.example",)


def test_the_number_that_the_server_gives_a_mail_is_kept(opened: Open, scripted_smtp: ScriptedSmtp) -> None:
    scripted_smtp.script("end", "250 2.0.0 Ok: queued as 4F2a9")
    (receipt,) = sent(opened(scripted_smtp), message("k1"))
    assert receipt.provider_id == "4F2a9"


# --------------------------------------------------------------------------------------------------- the end
@pytest.mark.parametrize(("stage", "result"), [("rcpt", Result.NOT_OFFERED), ("end", LOST)])
def test_closing_breaks_what_hangs_within_seconds_and_says_how_far_it_came(
    opened: Open, scripted_smtp: ScriptedSmtp, stage: Stage, result: Result
) -> None:
    scripted_smtp.script(stage, then="hang")
    channel = opened(scripted_smtp, timeout=60)
    channel.patience = 0.3
    channel.offer([message("k1")])
    wait_until(lambda: any(each.times == 0 for each in scripted_smtp._faults), what="the fault")
    began = time.monotonic()
    channel.close()
    assert time.monotonic() - began < 10
    assert results(channel.collect(0)) == {"k1": result}
    assert not any(each.name.startswith("Mail-") for each in threading.enumerate())

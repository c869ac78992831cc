"""One connection to a mail server, stage by stage: of every mail it's known whether the server has it."""

from __future__ import annotations

import contextlib
import re
import smtplib
import socket
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from whereupon.model.errors import Away, Refused, Unavailable, WhereuponError

MAILS_A_CONNECTION = 100
"""After so many a connection is given back; servers end longer ones by themselves, and not always politely."""


@dataclass(frozen=True, slots=True)
class Server:
    """Where a mail server is and how it lets us in; `timeout`, in seconds, is for each of its answers."""

    host: str
    port: int
    security: Literal["none", "starttls", "tls"] = "starttls"
    username: str = ""
    password: str = field(default="", repr=False)
    timeout: float = 30.0


class Denied(Away):
    """The server won't take anything from us until a person has changed something."""


class AnswerLost(WhereuponError):
    """The mail went out whole, and nobody said whether it was taken."""


class Broken(WhereuponError):
    """The conversation with the server ended in the middle, or makes no sense."""


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail ready to go: its envelope and content. `raw` marks addresses that only SMTPUTF8 can carry."""

    sender: str
    recipient: str
    content: bytes
    raw: bool


class Line:
    """One connection to the server, from the greeting to the farewell."""

    def __init__(self, server: Server, tls: ssl.SSLContext | None) -> None:
        self._server = server
        self._tls = tls
        self._client: smtplib.SMTP | None = None
        self._mails = 0
        self._lost = False

    @property
    def spent(self) -> bool:
        """True if the next mail needs another connection."""
        return self._lost or self._mails >= MAILS_A_CONNECTION

    def opening(self) -> list[tuple[str, Callable[[], str]]]:
        """The steps to a connection that takes mails, each saying what it found. Raises Away, Denied."""
        steps = [("Connection", self._connect), ("Greeting", self._greet)]
        if self._server.security == "starttls":
            steps.append(("Encryption", self._encrypt))
        if self._server.username:
            steps.append(("Login", self._log_in))
        return steps

    def begin(self, mail: Mail) -> None:
        """Announce a mail. Raises Refused, Unavailable, Away, Denied."""
        options = self._options(mail)
        with self._before_the_mail():
            judge("sender", *self._said(lambda: self._there.mail(mail.sender, options)))

    def finish(self, mail: Mail) -> str:
        """Name the recipient and hand over the content; what the server said when it took it.

        Raises AnswerLost once the content is whole, and before that Refused, Unavailable, Away, Denied.
        """
        with self._before_the_mail():
            judge("recipient", *self._said(lambda: self._there.rcpt(mail.recipient)))
            judge("mail", *self._said(lambda: self._there.docmd("DATA")), wanted=354)
            # The dot goes by itself: what fails before it surely isn't taken.
            self._tell(lambda: self._there.send(dotted(mail.content)))
            self._tell(lambda: self._there.putcmd("."))
        self._mails += 1
        try:
            code, text = self._said(self._there.getreply)
            self._lost = code == 421
            judge("mail", code, text)
        except Broken as error:
            self._lost = True
            raise AnswerLost(
                f"The mail went out, but the server's answer was lost: {error.message}."
            ) from error
        return f"{code} {text}"

    @contextlib.contextmanager
    def _before_the_mail(self) -> Iterator[None]:
        """What goes wrong in here goes wrong before the server has the mail."""
        try:
            yield
        except Broken as error:
            self._lost = True
            raise Unavailable(f"The mail server was lost before it had the mail: {error.message}.") from error
        except (Refused, Unavailable) as error:
            self._lost = self._lost or isinstance(error, Away) or not self._reset()
            raise

    def _reset(self) -> bool:
        """Forget the mail that was begun; true if the connection can take another."""
        try:
            return self._said(self._there.rset)[0] == 250
        except Broken:
            return False

    def _options(self, mail: Mail) -> list[str]:
        there = self._there
        size = there.esmtp_features.get("size", "")
        if size.isdigit() and 0 < int(size) < len(mail.content):
            raise Refused(f"The mail has {len(mail.content):,} bytes; the server takes {int(size):,}.")
        if mail.raw and not there.has_extn("smtputf8"):
            raise Refused("The address has letters that this mail server can't carry (it has no SMTPUTF8).")
        options = [f"SIZE={len(mail.content)}"] if there.has_extn("size") else []
        return [*options, "SMTPUTF8", "BODY=8BITMIME"] if mail.raw else options

    def ask(self) -> str:
        """Ask for a sign of life."""
        return self._answered(self._there.noop)

    def part(self) -> str:
        """Say goodbye and hear it."""
        return self._answered(self._there.quit)

    def leave(self) -> None:
        """Say goodbye; what the server says to it changes nothing."""
        with contextlib.suppress(Broken, OSError):
            if self._client is not None and self._client.sock is not None and not self._lost:
                self._client.sock.settimeout(min(2, self._server.timeout))
                self._said(self._there.quit)

    def drop(self) -> None:
        """Hang up; a second time does nothing."""
        if self._client is not None:
            self._client.close()

    def interrupt(self) -> None:
        """Break the connection under a thread that waits on it."""
        connection = self._client.sock if self._client is not None else None
        with contextlib.suppress(OSError):
            if connection is not None:
                # Not SSLSocket's own shutdown: that takes the encryption away from under the waiting thread.
                socket.socket.shutdown(connection, socket.SHUT_RDWR)

    @property
    def _there(self) -> smtplib.SMTP:
        if self._client is None:
            raise smtplib.SMTPServerDisconnected("not connected")
        return self._client

    def _connect(self) -> str:
        server, place = self._server, f"{self._server.host}, port {self._server.port}"
        name = socket.gethostname()
        name = name if "." in name else "[127.0.0.1]"
        try:
            if server.security == "tls":
                self._client = smtplib.SMTP_SSL(
                    server.host, server.port, name, timeout=server.timeout, context=self._tls
                )
            else:
                self._client = smtplib.SMTP(server.host, server.port, name, timeout=server.timeout)
        except smtplib.SMTPConnectError as error:
            said = f"{error.smtp_code} {_text(error.smtp_error)}"
            raise Away(f"The mail server at {place} won't talk: {said}.") from error
        except OSError as error:
            raise unreachable(place, error) from error
        if self._client.sock is not None:
            # The lone dot would otherwise wait until the server has acknowledged the content.
            self._client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return f"{place} answers{self._cipher()}."

    def _greet(self) -> str:
        try:
            self._there.ehlo_or_helo_if_needed()
        except (smtplib.SMTPException, OSError) as error:
            raise Away(f"The mail server doesn't return our greeting: {_words(error)}.") from error
        offers = ", ".join(sorted(each.upper() for each in self._there.esmtp_features))
        return f"It greets us and offers {offers}." if offers else "It greets us."

    def _encrypt(self) -> str:
        hint = "Choose tls (usually port 465), or ask for a certificate that carries the server's name."
        try:
            self._there.starttls(context=self._tls)
            self._there.ehlo_or_helo_if_needed()
        except smtplib.SMTPNotSupportedError as error:
            said = "The mail server doesn't offer STARTTLS, and nothing is sent in the open."
            raise Away(said, hint="Choose tls (usually port 465).") from error
        except ssl.SSLError as error:
            raise unreachable(self._server.host, error) from error
        except (smtplib.SMTPException, OSError) as error:
            raise Away(f"The encryption can't be begun: {_words(error)}.", hint=hint) from error
        return f"The connection is encrypted{self._cipher()}."

    def _log_in(self) -> str:
        client = self._there
        client.user, client.password = self._server.username, self._server.password
        ways: dict[str, Any] = {
            "PLAIN": client.auth_plain,
            "LOGIN": client.auth_login,
            "CRAM-MD5": client.auth_cram_md5,
        }
        offered = client.esmtp_features.get("auth", "").upper().split()
        # One way, one try: each refused one brings the account nearer to being locked.
        way = next((each for each in ways if each in offered), None)
        if way is None:
            said = "The mail server asks for no login, or for one of a kind that Whereupon doesn't know."
            raise Denied(said, hint="Leave the user name empty, or choose another encryption.")
        try:
            client.auth(way, ways[way])
        except smtplib.SMTPAuthenticationError as error:
            kind = Denied if error.smtp_code >= 500 else Away
            said = _words(error).replace(client.password or "\0", "***")
            hint = "Correct the user name and the password."
            raise kind(f"The mail server doesn't let us in: {said}.", hint=hint) from error
        except (smtplib.SMTPException, OSError, ValueError) as error:
            raise Away(f"The mail server went away during the login: {_words(error)}.") from error
        return f"{self._server.username} is let in."

    def _cipher(self) -> str:
        connection = self._there.sock
        return f" ({connection.version()})" if isinstance(connection, ssl.SSLSocket) else ""

    def _answered(self, ask: Callable[[], tuple[int, bytes]]) -> str:
        try:
            code, text = self._said(ask)
        except Broken as error:
            raise Away(f"The mail server doesn't answer: {error.message}.") from error
        return f"It answers: {code} {text}."

    def _said(self, ask: Callable[[], tuple[int, bytes]]) -> tuple[int, str]:
        try:
            code, text = ask()
        except (smtplib.SMTPException, OSError, ValueError) as error:
            raise Broken(_words(error)) from error
        return code, _text(text)

    def _tell(self, tell: Callable[[], None]) -> None:
        try:
            tell()
        except (smtplib.SMTPException, OSError, ValueError) as error:
            raise Broken(_words(error)) from error


def judge(what: str, code: int, text: str, *, wanted: int = 250) -> None:
    """What follows from a reply (RFC 5321, 4.2.1): nothing if the step is done, else the error that says who acts."""
    if code == wanted or (wanted == 250 and 200 <= code < 300):
        return
    said = f"The mail server answers to the {what}: {code} {text}"
    if code == 421:
        raise Away(said)
    if 400 <= code < 500:
        raise Unavailable(said)
    if not 500 <= code < 600:
        raise Broken(f"it answers {code} {text}")
    # The sender is the same for all mails, and a login is missing for all; only 552 (size) speaks of this mail.
    if code in {530, 535, 538} or (what == "sender" and code != 552):
        raise Denied(said, hint="Correct the sender, or the user name and password.")
    raise Refused(said)


def dotted(content: bytes) -> bytes:
    """Content as it travels: a dot at the beginning of a line is doubled (RFC 5321, 4.5.2)."""
    return re.sub(rb"(?m)^\.", b"..", content if content.endswith(b"\r\n") else content + b"\r\n")


def unreachable(place: str, error: OSError) -> Away:
    """Why there is no connection, in words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        hint = "Use the name that stands in the certificate, or have the server's authority trusted by this computer."
        return Away(f"The certificate of {place} can't be trusted: {error.verify_message}.", hint=hint)
    if isinstance(error, ssl.SSLError):
        hint = "Port 465 usually wants tls, and port 587 starttls."
        return Away(f"{place} doesn't speak TLS as we do: {_words(error)}.", hint=hint)
    if isinstance(error, socket.gaierror):
        return Away(f"There is no mail server called {place}.", hint="Correct the server's name.")
    hint = "Look at the server's name and port, and at the firewall."
    return Away(f"The mail server at {place} can't be reached: {_words(error)}.", hint=hint)


def _words(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        return f"{error.smtp_code} {_text(error.smtp_error)}"
    return str(getattr(error, "strerror", None) or str(error) or type(error).__name__)


def _text(reply: bytes | str) -> str:
    text = reply.decode("utf-8", "replace") if isinstance(reply, bytes) else reply
    return " ".join(text.split())[:300]

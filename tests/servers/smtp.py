"""A mail server as one should be, with STARTTLS or TLS and a login; what it took can be looked at."""

from __future__ import annotations

import email
import email.policy
from collections import Counter
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.servers.authority import Authority
from tests.servers.processes import free_port, wait_until

USER, PASSWORD = "mailer", "mailer's secret"


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail that a server took: the envelope and what came in it."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes

    @property
    def message(self) -> EmailMessage:
        """The content, parsed."""
        return email.message_from_bytes(self.content, policy=email.policy.default)

    @property
    def key(self) -> str:
        """What stands before the @ in its Message-ID."""
        return str(self.message["Message-ID"] or "").strip("<> \r\n").partition("@")[0]


@dataclass
class Mailbox:
    """What a server took, in the order it came."""

    mails: list[Mail] = field(default_factory=list)

    def wait_for(self, count: int, *, within: float = 30.0) -> list[Mail]:
        """The mails, as soon as there are `count`."""
        wait_until(lambda: len(self.mails) >= count, within=within, what=f"{count} mails ({len(self.mails)})")
        return list(self.mails)

    def keys(self) -> Counter[str]:
        """How often each Message-ID was taken."""
        return Counter(each.key for each in list(self.mails))


class SmtpServer(Mailbox):
    """A server as one should be: STARTTLS is required where it has an `authority` (or TLS from the first byte, `tls`),
    and a login where `login` is asked for.

    `refuse` holds recipients that get a 550, `defer` those that get a 451.
    """

    host = "localhost"

    def __init__(self, *, authority: Authority | None = None, login: bool = False, tls: bool = False) -> None:
        super().__init__()
        self.port = free_port()
        self.refuse: set[str] = set()
        self.defer: set[str] = set()
        context = authority.context() if authority is not None else None
        ways: dict[str, Any] = (
            {"tls_context": context, "require_starttls": True} if context and not tls else {}
        )
        if login:
            ways |= {"authenticator": self._knows, "auth_required": True, "auth_require_tls": not tls}
        self._controller = Controller(
            self, hostname="127.0.0.1", port=self.port, ssl_context=context if tls else None, **ways
        )

    @staticmethod
    def _knows(
        _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, said: object
    ) -> AuthResult:
        known = isinstance(said, LoginPassword) and (said.login, said.password) == (
            USER.encode(),
            PASSWORD.encode(),
        )
        return AuthResult(success=known, handled=False)

    async def handle_RCPT(
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        """aiosmtpd asks about one recipient."""
        if address in self.refuse:
            return "550 5.1.1 nobody of that name here"
        if address in self.defer:
            return "451 4.2.1 mailbox busy, try again later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:
        """aiosmtpd hands over one mail."""
        content = envelope.content if isinstance(envelope.content, bytes) else b""
        self.mails.append(Mail(envelope.mail_from or "", tuple(envelope.rcpt_tos), content))
        return "250 OK"

    def start(self) -> None:
        """Listen."""
        self._controller.start()

    def stop(self) -> None:
        """Listen no more; twice is fine."""
        self._controller.stop(no_assert=True)

"""Deliver as mail: by SMTP, stage by stage, so that it's known of every mail whether the server has it."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from email import policy
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_validator

from whereupon.connect.smtp import AnswerLost, Denied, Line, Mail, Server
from whereupon.connect.tls import Tls
from whereupon.connect.vetting import loopback
from whereupon.kit.config import SendingConfig, TrustingConfig, Ui
from whereupon.kit.one_by_one import OneByOne
from whereupon.kit.registry import channel
from whereupon.kit.roles import Context, Nothing, Stage
from whereupon.model.content import ChannelTraits
from whereupon.model.errors import Refused, SetupError, Unavailable
from whereupon.model.events import Message, Receipt, Result


class SmtpConfig(SendingConfig, TrustingConfig):
    """Sends each message as a mail to the address in its field email."""

    host: str = Field(
        min_length=1,
        title="Server",
        description="The mail server's name or address.",
        examples=["mail.example.com"],
    )
    port: int = Field(
        587, ge=1, le=65535, title="Port", description="587 with STARTTLS, 465 with TLS, 25 between servers."
    )
    security: Literal["none", "starttls", "tls"] = Field(
        "starttls",
        title="Encryption",
        description="starttls: begun in the open, then encrypted or given up; tls: from the first byte; none: never.",
    )
    username: str = Field("", title="User name", description="Empty if the server asks for no login.")
    password: SecretStr = Field(SecretStr(""), title="Password", description="Kept in the vault.")
    sender: str = Field(
        min_length=1,
        title="Sender",
        description="The address that mails come from, and that bounces go to.",
        examples=["news@example.com"],
    )
    sender_name: str = Field("", title="Sender's name", description="What people see beside the address.")
    reply_to: str = Field("", title="Reply to", description="Where answers go, if not to the sender.")
    concurrency: int = Field(
        4, ge=1, le=64, title="Connections", description="How many mails are sent at once."
    )
    timeout: Annotated[int, Ui(advanced=True)] = Field(
        30,
        ge=1,
        le=600,
        title="Time-out (s)",
        description="How long each answer of the server is waited for.",
    )

    @field_validator("sender_name")
    @classmethod
    def _one_line(cls, value: str) -> str:
        if len(value.splitlines()) > 1:
            raise ValueError("must be one line")
        return value.strip()

    @field_validator("sender", "reply_to")
    @classmethod
    def _an_address(cls, value: str) -> str:
        if value:
            try:
                parsed(value)
            except Refused as error:
                raise ValueError(error.message) from None
        return value


@channel("smtp", title="Mail (SMTP)", config=SmtpConfig)
class Smtp(OneByOne[Nothing, SmtpConfig]):
    """A server doesn't know a mail again: where its last answer is lost, a person decides."""

    deduplicates = False
    traits = ChannelTraits(requires=frozenset({"email", "subject", "body"}), html=frozenset({"html"}))

    def __init__(self, provider: Nothing, config: SmtpConfig, context: Context) -> None:
        super().__init__(provider, config, context)
        if not f"{config.username}{config.password.get_secret_value()}".isascii():
            raise SetupError(
                "Mail servers take no letters outside ASCII in a user name or password.",
                hint="Choose a password without accents and umlauts.",
            )
        self._server = Server(
            config.host,
            config.port,
            config.security,
            config.username,
            config.password.get_secret_value(),
            config.timeout,
        )
        self._tls = None if config.security == "none" else Tls(config.ca_file).context()
        self._mine = threading.local()
        self._open: set[Line] = set()

    @property
    def connections(self) -> int:
        """As set."""
        return self.config.concurrency

    @property
    def largest(self) -> int:
        """As set."""
        return self.config.largest

    def warnings(self) -> Sequence[str]:
        """Mail in the open."""
        if self.config.security != "none" or loopback(self.config.host):
            return ()
        what = "Mails, the user name and the password" if self.config.username else "Mails"
        return (f"{what} travel to {self.config.host} unencrypted; choose starttls or tls.",)

    def check(self) -> Iterator[Stage]:
        """Everything but a mail: connection, greeting, encryption, login, an answer, and a farewell."""
        line = Line(self._server, self._tls)
        steps = [*line.opening(), ("Answer", line.ask), ("Farewell", line.part)]
        try:
            for name, step in steps:
                yield Stage(name, ok=True, message=step())
        except Unavailable as error:
            yield Stage(name, ok=False, message=error.message, hint=error.hint)
        finally:
            line.drop()
        yield from (Stage("Encryption", ok=True, message=each, advice=True) for each in self.warnings())

    def send(self, message: Message) -> Receipt:
        """One mail on this thread's connection."""
        mail = composed(message, self.config, self.context.clock.now())
        try:
            said = self._delivered(mail)
        except Denied as error:
            return Receipt(message, Result.AWAY, str(error)[:500], denied=True)
        except AnswerLost as error:
            return Receipt(message, Result.ANSWER_LOST, str(error)[:500])
        queued = re.search(r"queued as (\S+)", said)
        return Receipt(message, Result.ACCEPTED, said, provider_id=queued[1] if queued else "")

    def rest(self) -> None:
        """Say goodbye to the server."""
        if (line := self._line()) is not None:
            line.leave()
            self._forget(line)

    def interrupt(self) -> None:
        """Break the connections that still wait for an answer."""
        for each in tuple(self._open):
            each.interrupt()

    def _delivered(self, mail: Mail) -> str:
        try:
            return self._begun(mail).finish(mail)
        finally:
            if (line := self._line()) is not None and line.spent:
                self.rest()

    def _begun(self, mail: Mail) -> Line:
        if (line := self._line()) is not None:
            try:
                line.begin(mail)
                return line
            except Unavailable:
                if not line.spent:
                    raise
            # The server gave up the idle connection meanwhile, and nothing has gone yet.
            self._forget(line)
        line = self._opened()
        line.begin(mail)
        return line

    def _opened(self) -> Line:
        line = self._mine.line = Line(self._server, self._tls)
        self._open.add(line)
        try:
            for _, step in line.opening():
                step()
        except BaseException:
            self._forget(line)
            raise
        return line

    def _line(self) -> Line | None:
        line: Line | None = getattr(self._mine, "line", None)
        return line

    def _forget(self, line: Line) -> None:
        line.drop()
        self._open.discard(line)
        self._mine.line = None


def composed(message: Message, config: SmtpConfig, now: int) -> Mail:
    """A message as a mail of text, and HTML if it has that; `now` (UTC ms) is its date. Raises Refused.

    Its Message-ID is the message's key at the sender's domain, at every try the same.
    """
    fields = message.fields
    recipient, sender = carried(parsed(fields.get("email", ""))), carried(parsed(config.sender))
    reply_to = carried(parsed(config.reply_to)) if config.reply_to else None
    raw = not all(each.addr_spec.isascii() for each in (recipient, sender, reply_to) if each is not None)
    _refuse_what_breaks_a_mail(fields)
    mail = EmailMessage(policy=_RAW if raw else _PLAIN)
    try:
        mail["Message-ID"] = f"<{message.key}@{sender.domain}>"
        mail["Date"] = datetime.fromtimestamp(now / 1000, UTC)
        mail["From"] = Address(config.sender_name, sender.username, sender.domain)
        mail["To"] = recipient
        if reply_to is not None:
            mail["Reply-To"] = reply_to
        mail["Subject"] = fields.get("subject", "")
        mail.set_content(fields.get("body", ""))
        if fields.get("html"):
            mail.add_alternative(fields["html"], subtype="html")
        content = mail.as_bytes()
    except (ValueError, MessageError) as error:
        raise Refused(f"The message can't be written as a mail: {error}.") from error
    return Mail(sender.addr_spec, recipient.addr_spec, content, raw)


def _refuse_what_breaks_a_mail(fields: Mapping[str, str]) -> None:
    for name in ("subject", "body", "html"):
        text = fields.get(name, "")
        if "\0" in text or (name == "subject" and len(text.splitlines()) > 1):
            raise Refused(f"The {name} has a line break or another character that a mail can't have there.")


_PLAIN = policy.SMTP.clone(cte_type="7bit")
_RAW = _PLAIN.clone(utf8=True)


def parsed(address: str) -> Address:
    """An address alone, without name, comment or company. Raises Refused."""
    plain = address.strip()
    # The parser knows the rules for ASCII; letters outside it may stand wherever an ordinary letter may (RFC 6531).
    alike = re.sub(r"[^\x00-\x7f]", "x", plain)
    try:
        if Address(addr_spec=alike).addr_spec == alike and len(plain.splitlines()) == 1:
            username, _, domain = plain.rpartition("@")
            return Address(username=username.removeprefix('"').removesuffix('"'), domain=domain)
    except (ValueError, IndexError, MessageError):
        pass
    raise Refused(f"{address!r} is not an e-mail address.")


def carried(address: Address) -> Address:
    """The address with its domain in ASCII, where that names the same domain for everybody."""
    if address.domain.isascii():
        return address
    try:
        domain = address.domain.encode("idna").decode("ascii")
    except UnicodeError as error:
        raise Refused(f"{address.domain!r} is not a domain.") from error
    same = domain.encode("ascii").decode("idna") == address.domain.lower()
    return Address(username=address.username, domain=domain) if same else address

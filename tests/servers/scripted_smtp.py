"""A mail server that fails at the stage it is told, with a reply, a closed connection or silence."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import ssl
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any, Literal

from tests.servers.authority import Authority
from tests.servers.smtp import Mail, Mailbox

Stage = Literal["connect", "ehlo", "starttls", "auth", "mail", "rcpt", "data", "body", "end", "quit"]
Then = Literal["go on", "close", "hang"]


@dataclass
class _Fault:
    stage: Stage
    reply: str | None
    then: Then
    taken: bool
    times: int
    recipient: str | None


class ScriptedSmtp(Mailbox):
    """Takes everything but what its script says; without a script it takes everything.

    Stages in order: connect, ehlo, starttls, auth, mail, rcpt, data, body (while the content still comes),
    end (after the final dot) and quit. `mails` are those it took, whether or not it could say so.
    """

    host = "127.0.0.1"

    def __init__(self, *, authority: Authority | None = None, port: int = 0) -> None:
        super().__init__()
        self.connections = 0
        self.context = authority.context() if authority is not None else None
        self.closing = threading.Event()
        self._faults: list[_Fault] = []
        self._lock = threading.Lock()
        self._live: set[socket.socket] = set()
        self._server = _Server((self.host, port), self)
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def script(
        self,
        stage: Stage,
        reply: str | None = None,
        *,
        then: Then = "go on",
        taken: bool | None = None,
        times: int = 1,
        recipient: str | None = None,
    ) -> None:
        """The next `times` that `stage` is reached (for mail to `recipient`, if given): say `reply`, do `then`.

        Without a reply nothing is said. At the end the mail counts as taken unless the reply is an error.
        """
        kept = taken if taken is not None else stage == "end" and (reply is None or reply.startswith("2"))
        with self._lock:
            self._faults.append(_Fault(stage, reply, then, kept, times, recipient))

    def take(self, mail: Mail) -> None:
        """A mail is ours now."""
        self.mails.append(mail)

    def due(self, stage: Stage, recipients: list[str]) -> _Fault | None:
        """The fault that is due at this stage, counted as used."""
        with self._lock:
            for each in self._faults:
                meant = each.recipient is None or each.recipient in recipients
                if each.stage == stage and each.times > 0 and meant:
                    each.times -= 1
                    return each
        return None

    @contextlib.contextmanager
    def serving(self, connection: socket.socket) -> Iterator[None]:
        """Counts a connection, and keeps it at hand for `stop`."""
        with self._lock:
            self.connections += 1
            self._live.add(connection)
        try:
            yield
        finally:
            with self._lock:
                self._live.discard(connection)

    def start(self) -> None:
        """Listen."""
        self._thread.start()

    def stop(self) -> None:
        """Drop every connection and listen no more; twice is fine."""
        if self.closing.is_set():
            return
        self.closing.set()
        self._server.shutdown()
        self._thread.join(5)
        with self._lock:
            live = list(self._live)
        for each in live:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        self._server.server_close()


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    request_queue_size = 256

    def __init__(self, address: tuple[str, int], script: ScriptedSmtp) -> None:
        self.script = script
        super().__init__(address, _Conversation)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away in the middle is nothing to report; all else is."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Over(Exception):
    """The conversation is over."""


class _Conversation(socketserver.BaseRequestHandler):
    """One connection, from the banner to its end."""

    server: _Server

    def handle(self) -> None:
        self.script = self.server.script
        self.connection: socket.socket = self.request
        self.lines: IO[bytes] = self.connection.makefile("rb")
        self.sender, self.recipients = "", list[str]()
        with self.script.serving(self.request), contextlib.suppress(_Over):
            self._converse()

    def finish(self) -> None:
        self.lines.close()
        self.connection.close()

    def _converse(self) -> None:
        self._stage("connect", "220 test ready")
        while line := self.lines.readline():
            word, _, rest = line.decode("utf-8", "replace").strip().partition(" ")
            self._obey(word.upper(), rest)

    def _obey(self, word: str, rest: str) -> None:
        match word:
            case "EHLO" | "HELO":
                self._stage("ehlo", self._offers())
            case "STARTTLS":
                self._secure()
            case "AUTH":
                self._login(rest)
            case "MAIL":
                self.sender, self.recipients = _address(rest), []
                self._stage("mail", "250 2.1.0 OK")
            case "RCPT":
                self.recipients.append(_address(rest))
                if not self._stage("rcpt", "250 2.1.5 OK", self.recipients[-1:]):
                    self.recipients.pop()
            case "DATA":
                self._content()
            case "QUIT":
                self._stage("quit", "221 2.0.0 bye")
                raise _Over
            case "RSET" | "NOOP":
                self._say("250 2.0.0 OK")
            case _:
                self._say("502 5.5.2 what?")

    def _offers(self) -> str:
        offers = ["test", "8BITMIME", "SMTPUTF8", "AUTH PLAIN LOGIN"]
        if self.script.context is not None and not isinstance(self.connection, ssl.SSLSocket):
            offers.append("STARTTLS")
        return "\r\n".join([*(f"250-{each}" for each in offers[:-1]), f"250 {offers[-1]}"])

    def _secure(self) -> None:
        if self.script.context is not None and self._stage("starttls", "220 2.0.0 go ahead"):
            self.lines.close()
            self.connection = self.script.context.wrap_socket(self.connection, server_side=True)
            self.lines = self.connection.makefile("rb")

    def _login(self, rest: str) -> None:
        method, _, first = rest.partition(" ")
        questions = ["334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6"] if method.upper() == "LOGIN" else ["334 "]
        for question in questions[1 if first else 0 :]:
            self._say(question)
            self.lines.readline()
        self._stage("auth", "235 2.7.0 welcome")

    def _content(self) -> None:
        if not self._stage("data", "354 go on"):
            return
        lines: list[bytes] = []
        while (line := self.lines.readline()) not in {b".\r\n", b""}:
            if not lines:
                self._stage("body", None)
            lines.append(line.removeprefix(b"."))
        if line:
            mail = Mail(self.sender, tuple(self.recipients), b"".join(lines))
            self._stage("end", "250 2.0.0 taken", mail=mail)

    def _stage(
        self,
        stage: Stage,
        reply: str | None,
        recipients: list[str] | None = None,
        *,
        mail: Mail | None = None,
    ) -> bool:
        """Answer at a stage, as usual or as the script says; true if the client may go on."""
        fault = self.script.due(stage, self.recipients if recipients is None else recipients)
        if mail is not None and (fault is None or fault.taken):
            self.script.take(mail)
        said = reply if fault is None else fault.reply
        if said is not None:
            self._say(said)
        if fault is not None and fault.then == "hang":
            self.script.closing.wait()
        if fault is not None and fault.then != "go on":
            raise _Over
        return fault is None or said is None or said[0] in "23"

    def _say(self, reply: str) -> None:
        self.connection.sendall(reply.encode() + b"\r\n")


def _address(rest: str) -> str:
    return rest.partition("<")[2].partition(">")[0]

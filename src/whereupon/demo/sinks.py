"""The receiving ends of the demo: an ESP that takes JSON and a mail catcher, in one thread; they refuse nothing."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from types import TracebackType
from typing import Self

from whereupon.host.clock import Clock

LONGEST = 16_000_000
"""Bytes of a request or mail after which the other side is sent away."""
_LENGTH = re.compile(rb"(?i)^content-length:\s*(\d+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message that arrived: its key, when (monotonic seconds), and what a person sees of it."""

    key: str
    at: float
    sink: str
    to: str
    subject: str
    text: str
    fields: Mapping[str, str] = field(default_factory=dict)


class Sinks:
    """Both servers on free ports of this machine; `arrived` is called in their thread, once for every arrival."""

    def __init__(self, arrived: Callable[[Arrival], None], *, clock: Clock) -> None:
        self.esp = self.mail = 0
        self._arrived = arrived
        self._clock = clock
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="sinks", daemon=True)
        self.open: set[asyncio.Transport] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def took(self, sink: str, key: str, to: str, subject: str, text: str, fields: Mapping[str, str]) -> None:
        """A message is here."""
        self._arrived(Arrival(key, self._clock.monotonic(), sink, to, subject, text, fields))

    def _run(self) -> None:
        listen = self._loop.create_server
        servers = [
            self._loop.run_until_complete(listen(lambda: _Esp(self), "127.0.0.1", 0, backlog=512)),
            self._loop.run_until_complete(listen(lambda: _Mail(self), "127.0.0.1", 0, backlog=512)),
        ]
        self.esp, self.mail = (each.sockets[0].getsockname()[1] for each in servers)
        self._ready.set()
        self._loop.run_forever()
        for server in servers:
            server.close()
        for each in list(self.open):
            each.abort()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()


class _Talk(asyncio.Protocol, ABC):
    """One connection; what has come and isn't understood yet stands in `buffer`."""

    transport: asyncio.Transport

    def __init__(self, sinks: Sinks) -> None:
        self.sinks = sinks
        self.buffer = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Somebody called."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - for the types
        self.transport = transport
        self.sinks.open.add(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """They have gone."""
        self.sinks.open.discard(self.transport)

    def data_received(self, data: bytes) -> None:
        """Answer whatever is whole."""
        self.buffer += data
        while self.one():
            pass
        if len(self.buffer) > LONGEST:
            self.transport.close()

    @abstractmethod
    def one(self) -> bool:
        """Answer one request or command, if it is whole."""


class _Esp(_Talk):
    """Takes every POST."""

    def one(self) -> bool:
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return False
        head = bytes(self.buffer[:end])
        length = _LENGTH.search(head)
        whole = end + 4 + (int(length[1]) if length else 0)
        if len(self.buffer) < whole:
            return False
        body = bytes(self.buffer[end + 4 : whole])
        del self.buffer[:whole]
        if head.startswith(b"POST "):
            self._take(body)
        self.transport.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
        )
        return True

    def _take(self, body: bytes) -> None:
        message = json.loads(body)
        fields = message["fields"]
        to, subject = fields.get("email", ""), fields.get("subject", "")
        self.sinks.took("ESP", message["key"], to, subject, fields.get("body", ""), fields)


class _Mail(_Talk):
    """Takes every mail, and speaks as much SMTP as that needs."""

    content = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._say("220 the demo's mail catcher")

    def one(self) -> bool:
        mark = b"\r\n.\r\n" if self.content else b"\r\n"
        end = self.buffer.find(mark)
        if end < 0:
            return False
        line = bytes(self.buffer[:end])
        del self.buffer[: end + len(mark)]
        if self.content:
            self.content = False
            self._take(line.replace(b"\r\n..", b"\r\n."))
            self._say("250 taken")
        else:
            self._obey(line.decode("utf-8", "replace"))
        return True

    def _obey(self, line: str) -> None:
        verb = line[:4].upper()
        if verb == "EHLO":
            self._say("250-here\r\n250-8BITMIME\r\n250-PIPELINING\r\n250 SMTPUTF8")
        elif verb == "DATA":
            self.content = True
            self._say("354 go on")
        elif verb == "QUIT":
            self._say("221 good-bye")
            self.transport.close()
        else:
            self._say("250 fine")

    def _take(self, data: bytes) -> None:
        mail = message_from_bytes(data, policy=policy.default)
        key = str(mail["Message-ID"]).strip().strip("<>").partition("@")[0]
        body = mail.get_body(("plain", "html"))
        text = body.get_content() if body is not None else ""
        self.sinks.took(
            "Mail", key, str(mail["To"]), str(mail["Subject"]), "\n".join(text.split("\r\n")).strip(), {}
        )

    def _say(self, words: str) -> None:
        self.transport.write(words.encode() + b"\r\n")

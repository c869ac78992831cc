"""An HTTP sink: takes what is posted, knows a key again, and answers as its script says."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import ssl
import struct
import threading
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.servers.authority import Authority
from tests.servers.processes import wait_until

Then = Literal["answer", "lose", "reset", "hang", "drip"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the sink does with one request. A 2xx takes the message; so does `lose`, which then says nothing.

    `lose` reads everything and closes the connection; `reset` breaks it (RST) and takes nothing; `hang` takes nothing
    and says nothing until the client gives up; `drip` answers a byte every 0.2 s.
    `wait` is in seconds, before the answer.
    """

    status: int = 200
    then: Then = "answer"
    wait: float = 0.0
    retry_after: str = ""
    location: str = ""
    body: str = "{}"

    @property
    def takes(self) -> bool:
        """True if the message counts as delivered, whatever the client hears."""
        return self.then == "lose" or (self.then in {"answer", "drip"} and 200 <= self.status < 300)


OK, LOST, RESET, HANG, DRIP = Answer(), *(Answer(then=each) for each in ("lose", "reset", "hang", "drip"))


@dataclass(slots=True)
class Received:
    """All requests with one key: how often it was tried, how often taken, and when (monotonic seconds)."""

    attempts: int = 0
    taken: int = 0
    times: list[float] = field(default_factory=list)
    headers: Mapping[str, str] = field(default_factory=dict)
    path: str = ""
    body: bytes = b""

    @property
    def json(self) -> Any:
        """The body of the last request, parsed."""
        return json.loads(self.body)


class HttpSink:
    """Listens on 127.0.0.1 in a thread of its own and keeps connections alive.

    Messages are told apart by their Idempotency-Key, and where there is none by their body. `identify` finds in a
    body the name by which `script` means a message, e.g. `rb'"urn": *"([^"]*)'`; without it the key is the name.
    `delay` in seconds comes before every answer, as an ESP's would.
    """

    def __init__(
        self,
        *,
        identify: bytes | None = None,
        delay: float = 0.0,
        authority: Authority | None = None,
        port: int = 0,
    ) -> None:
        self.received: dict[str, Received] = {}
        self.connections = 0
        self.chunked = 0
        self.delay = delay
        self.otherwise = OK
        self._scripts: dict[str, list[Answer]] = defaultdict(list)
        self._pattern = re.compile(identify) if identify is not None else None
        self._context: ssl.SSLContext | None = authority.context() if authority is not None else None
        self._wanted_port = port
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="http-sink", daemon=True)
        self.live: set[_Connection] = set()
        self.port = port

    @property
    def url(self) -> str:
        """Where to post to; any path is taken."""
        return f"https://localhost:{self.port}/" if self._context else f"http://127.0.0.1:{self.port}/"

    def script(self, name: str, *answers: Answer) -> None:
        """The next requests of that name get these answers, one each; then `otherwise` (200) again."""
        self._scripts[name].extend(answers)

    def answer(self, head: Mapping[str, str], path: str, body: bytes) -> Answer:
        """Count a request and say what it gets."""
        key = head.get("idempotency-key") or body.decode("utf-8", "replace")
        found = self._pattern.search(body) if self._pattern is not None else None
        waiting = self._scripts.get(found.group(1).decode() if found else key)
        answer = waiting.pop(0) if waiting else self.otherwise
        seen = self.received.setdefault(key, Received())
        seen.attempts += 1
        seen.taken += answer.takes
        seen.times.append(time.monotonic())
        seen.headers, seen.path, seen.body = head, path, body
        return answer

    def wait_for(self, count: int, *, within: float = 30.0) -> dict[str, Received]:
        """What was taken, by key, as soon as `count` different messages were."""
        wait_until(lambda: len(self.taken()) >= count, within=within, what=f"{count} messages at the sink")
        return self.taken()

    def taken(self) -> dict[str, Received]:
        """The messages that were taken at least once, by key."""
        return {key: each for key, each in self.received.copy().items() if each.taken}

    @property
    def attempts(self) -> int:
        """All requests."""
        return sum(each.attempts for each in self.received.copy().values())

    def start(self) -> None:
        """Listen; `port` is known then."""
        self._thread.start()
        if not self._ready.wait(10):
            raise AssertionError("The HTTP sink did not start.")

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(
            self._loop.create_server(
                lambda: _Connection(self), "127.0.0.1", self._wanted_port, ssl=self._context, backlog=1024
            )
        )
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        for each in list(self.live):
            each.transport.abort()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    def stop(self) -> None:
        """Break every connection and listen no more; twice is fine."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(10)


class _Connection(asyncio.Protocol):
    def __init__(self, sink: HttpSink) -> None:
        self.sink = sink
        self.buffer = bytearray()
        self.busy = False
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.sink.connections += 1
        self.sink.live.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.sink.live.discard(self)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        self._next()

    def _next(self) -> None:
        end = self.buffer.find(b"\r\n\r\n")
        if self.busy or end < 0:
            return
        path, head = _head(bytes(self.buffer[:end]))
        if "chunked" in head.get("transfer-encoding", ""):
            self.sink.chunked += 1
            self._say(Answer(411), close=True)
            return
        size = int(head.get("content-length") or 0)
        if len(self.buffer) < end + 4 + size:
            if head.get("expect", "").lower() == "100-continue":
                self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            return
        body = bytes(self.buffer[end + 4 : end + 4 + size])
        del self.buffer[: end + 4 + size]
        self._obey(path, head, body)

    def _obey(self, path: str, head: Mapping[str, str], body: bytes) -> None:
        if path.startswith("/-/"):
            self._say(_administer(self.sink, path, body))
            return
        self.busy = True
        answer = self.sink.answer(head, path, body)
        wait = answer.wait or self.sink.delay
        if wait:
            asyncio.get_running_loop().call_later(wait, self._act, answer)
        else:
            self._act(answer)

    def _act(self, answer: Answer) -> None:
        if self.transport.is_closing():
            return
        if answer.then == "answer":
            self._say(answer)
        elif answer.then == "lose":
            self.transport.close()
        elif answer.then == "reset":
            self._reset()
        elif answer.then == "drip":
            self._drip(_answer_bytes(answer, close=False))

    def _say(self, answer: Answer, *, close: bool = False) -> None:
        self.transport.write(_answer_bytes(answer, close=close))
        self.busy = False
        if close:
            self.transport.close()
        elif self.buffer:
            self._next()

    def _reset(self) -> None:
        # Closing with no time to linger sends an RST instead of a FIN.
        plain: socket.socket = self.transport.get_extra_info("socket")
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    def _drip(self, rest: bytes) -> None:
        if self.transport.is_closing() or not rest:
            self.busy = False
            return
        self.transport.write(rest[:1])
        asyncio.get_running_loop().call_later(0.2, self._drip, rest[1:])


def _head(head: bytes) -> tuple[str, dict[str, str]]:
    first, *lines = head.decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines)
    return first.split(" ")[1], {name.lower(): value.strip() for name, _, value in pairs}


def _answer_bytes(answer: Answer, *, close: bool) -> bytes:
    lines = [f"HTTP/1.1 {answer.status} said", f"Content-Length: {len(answer.body.encode())}"]
    lines += [f"Retry-After: {answer.retry_after}"] if answer.retry_after else []
    lines += [f"Location: {answer.location}"] if answer.location else []
    lines += ["Connection: close"] if close else []
    return ("\r\n".join(lines) + "\r\n\r\n" + answer.body).encode()


def _administer(sink: HttpSink, path: str, body: bytes) -> Answer:
    """What a test asks of a sink in another process: `received` is counted, `times` are told, `script` is taken."""
    if path == "/-/script":
        for name, answers in json.loads(body).items():
            sink.script(name, *(Answer(**each) for each in answers))
        return OK
    if path == "/-/times":
        return Answer(body=json.dumps({key: each.times for key, each in sink.received.items()}))
    counts = {key: [each.attempts, each.taken] for key, each in sink.received.items()}
    return Answer(body=json.dumps({"received": counts, "connections": sink.connections}))

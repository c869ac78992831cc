"""An HTTP sink that does as little as one can: it counts requests, remembers keys, answers 200; in its own process.

`python -m tests.bench.sink` says its port in the first line and ends with its standard input. `GET /figures` answers
{"count", "keys", "first", "last", "cpu"}: requests, different keys, the times (ns) of the first and the last.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


class Figures:
    """What arrived."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Begin anew."""
        self.count, self.first, self.last = 0, 0, 0
        self.keys: set[bytes] = set()

    def note(self, key: bytes) -> None:
        """One request."""
        now = time.monotonic_ns()
        self.first = self.first or now
        self.last = now
        self.count += 1
        self.keys.add(key)

    def encoded(self) -> bytes:
        """As JSON."""
        figures = {
            "count": self.count,
            "keys": len(self.keys),
            "first": self.first,
            "last": self.last,
            "cpu": time.process_time(),
        }
        return json.dumps(figures).encode()


class Sink(asyncio.Protocol):
    """One connection."""

    def __init__(self, figures: Figures, delay: float) -> None:
        self._figures = figures
        self._delay = delay
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer every whole request."""
        self._data = self._data + data if self._data else data
        while True:
            end = self._data.find(b"\r\n\r\n")
            if end < 0:
                return
            head = self._data[:end].lower()
            size = 0
            at = head.find(b"content-length:")
            if at >= 0:
                size = int(head[at + 15 : head.find(b"\r\n", at) if head.find(b"\r\n", at) > 0 else None])
            if len(self._data) < end + 4 + size:
                return
            self._data = self._data[end + 4 + size :]
            self._answer(head)
            if not self._data:
                return

    def _answer(self, head: bytes) -> None:
        if head.startswith(b"get "):
            if head.startswith(b"get /clear"):
                self._figures.clear()
            body = self._figures.encoded()
            self._write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
            return
        at = head.find(b"idempotency-key:")
        self._figures.note(head[at + 16 : at + 82].strip() if at >= 0 else b"")
        if self._delay:
            asyncio.get_running_loop().call_later(self._delay, self._write, ANSWER)
        else:
            self._write(ANSWER)

    def _write(self, data: bytes) -> None:
        self._transport.write(data)  # type: ignore[attr-defined]


async def serve(delay: float) -> None:
    """Serve until standard input ends."""
    loop = asyncio.get_running_loop()
    figures = Figures()
    server = await loop.create_server(lambda: Sink(figures, delay), "127.0.0.1", 0, backlog=1024)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(float(sys.argv[1]) if len(sys.argv) > 1 else 0.0))

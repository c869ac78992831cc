"""An HTTP sink that does as little as one can: it counts requests, remembers keys, answers 200; in its own process.

`python -m tests.bench.sink '{"delay", "timed"}'` says its port in the first line and ends with its standard input.
It answers after `delay` seconds, as an ESP would. With `timed` it reads from each body when its event was made,
`t<nanoseconds>@`, and knows how long each message was under way. `GET /figures` and `GET /times` tell
what came, `GET /clear` begins anew.
"""

from __future__ import annotations

import json
import re
import select
import socket
import sys
import threading
import time
from collections import deque

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
MADE = re.compile(rb"t(\d{12,})@")


class Figures:
    """What arrived; times are of the monotonic clock, in nanoseconds, `last` is when the last one had its answer."""

    def __init__(self, *, timed: bool, delay: float) -> None:
        self._timed = timed
        self._delay = int(delay * 1e9)
        self.clear()

    def clear(self) -> None:
        """Begin anew."""
        self.count, self.first, self.last = 0, 0, 0
        self.keys: set[bytes] = set()
        self.under_way: list[float] = []

    def note(self, key: bytes, request: bytes) -> None:
        """One request."""
        now = time.monotonic_ns()
        self.first = self.first or now
        self.last = now + self._delay
        self.count += 1
        self.keys.add(key)
        if self._timed and (made := MADE.search(request)):
            self.under_way.append((now - int(made[1])) / 1e6)

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


class Sink:
    """One thread over all connections."""

    def __init__(self, *, delay: float = 0.0, timed: bool = False) -> None:
        self._figures = Figures(timed=timed, delay=delay)
        self._delay = delay
        self._due: deque[tuple[float, socket.socket]] = deque()
        self._open: dict[int, socket.socket] = {}
        self._begun: dict[int, bytes] = {}
        self._ready = select.epoll()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self._listener.setblocking(False)
        self._ready.register(self._listener, select.EPOLLIN)
        self.port = int(self._listener.getsockname()[1])

    def serve(self) -> None:
        """For ever."""
        while True:
            for number, _ in self._ready.poll(self._patience()):
                if number == self._listener.fileno():
                    self._accept()
                else:
                    self._receive(number)
            self._answer_due()

    def _patience(self) -> float | None:
        return max(0.0, self._due[0][0] - time.monotonic()) if self._due else None

    def _accept(self) -> None:
        connection, _ = self._listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._open[connection.fileno()] = connection
        self._ready.register(connection, select.EPOLLIN)

    def _receive(self, number: int) -> None:
        connection = self._open[number]
        try:
            data = connection.recv(65_536)
        except ConnectionError:
            data = b""
        if not data:
            del self._open[number]
            self._ready.unregister(connection)
            connection.close()
            return
        if number in self._begun:
            data = self._begun.pop(number) + data
        end = data.find(b"\r\n\r\n")
        if end < 0 or len(data) < end + 4 + _number_after(data, b"ontent-Length:", end):
            self._begun[number] = data
            return
        self._answer(connection, data, end)

    def _answer(self, connection: socket.socket, data: bytes, end: int) -> None:
        if data.startswith(b"GET "):
            if data.startswith(b"GET /clear"):
                self._figures.clear()
            times = data.startswith(b"GET /times")
            body = json.dumps(self._figures.under_way).encode() if times else self._figures.encoded()
            connection.setblocking(True)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
            return
        self._figures.note(_value_after(data, b"dempotency-Key:", end), data)
        if self._delay:
            self._due.append((time.monotonic() + self._delay, connection))
        else:
            connection.send(ANSWER)

    def _answer_due(self) -> None:
        now = time.monotonic() + 0.0005
        while self._due and self._due[0][0] <= now:
            _, connection = self._due.popleft()
            if connection.fileno() >= 0:
                connection.send(ANSWER)


def _value_after(data: bytes, name: bytes, end: int) -> bytes:
    at = data.find(name, 0, end)
    if at < 0:
        return b""
    begin = at + len(name)
    return data[begin : data.find(b"\r\n", begin)].strip()


def _number_after(data: bytes, name: bytes, end: int) -> int:
    return int(_value_after(data, name, end) or 0)


def main() -> None:
    """Serve until standard input ends."""
    sink = Sink(**json.loads(sys.argv[1] if len(sys.argv) > 1 else "{}"))
    sys.stdout.write(f"{sink.port}\n")
    sys.stdout.flush()
    threading.Thread(target=sink.serve, daemon=True).start()
    sys.stdin.read()


if __name__ == "__main__":
    main()

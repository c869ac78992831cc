"""A server of bare sockets: what it says to each connection is the test's."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from types import TracebackType

Talk = Callable[["Raw", socket.socket, int], None]


class Raw:
    """Listens on 127.0.0.1 and hands each connection, with its number from 0 on, to `talk` in a thread of its own.

    `requests` holds every request that was read to its end.
    """

    def __init__(self, talk: Talk, *, context: ssl.SSLContext | None = None) -> None:
        self._talk, self._context = talk, context
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = int(self._socket.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}/"
        self.requests: list[bytes] = []
        self.accepted = 0
        self.over = threading.Event()
        self._refusing = threading.Event()
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._listen)]

    def __enter__(self) -> Raw:
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.over.set()
        self.refuse()
        for each in self._open:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads[1:]:
            thread.join()
        for each in self._open:
            each.close()

    def refuse(self) -> None:
        """Take no new connection from now on."""
        self._refusing.set()
        # A thread that waits in accept isn't woken by closing the socket.
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            pass
        self._threads[0].join()

    def _listen(self) -> None:
        while True:
            taken, _ = self._socket.accept()
            if self._refusing.is_set():
                taken.close()
                self._socket.close()
                return
            self._open.append(taken)
            thread = threading.Thread(target=self._serve, args=(taken, self.accepted))
            self.accepted += 1
            self._threads.append(thread)
            thread.start()

    def _serve(self, taken: socket.socket, number: int) -> None:
        with contextlib.suppress(OSError):
            if self._context is not None:
                taken = self._context.wrap_socket(taken, server_side=True)
                self._open.append(taken)
            self._talk(self, taken, number)

    def read(self, taken: socket.socket) -> bytes:
        """One whole request with its body; raises OSError when the client is gone."""
        data = b""
        while b"\r\n\r\n" not in data:
            data += _more(taken)
        head, _, body = data.partition(b"\r\n\r\n")
        lengths = [
            line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")
        ]
        while len(body) < int(lengths[0] if lengths else 0):
            body += _more(taken)
        self.requests.append(head + b"\r\n\r\n" + body)
        return self.requests[-1]


def _more(taken: socket.socket) -> bytes:
    found = taken.recv(65_536)
    if not found:
        raise ConnectionError("the client closed")
    return found


def answer(body: bytes = b"{}", *, status: str = "200 OK", headers: tuple[str, ...] = ()) -> bytes:
    """A whole answer."""
    head = "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers])
    return head.encode("latin-1") + b"\r\n\r\n" + body


def reset(taken: socket.socket) -> None:
    """Break the connection (RST)."""
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    taken.close()

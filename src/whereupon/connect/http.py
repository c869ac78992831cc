"""HTTP calls, many at once over kept connections, by libcurl; one thread."""

from __future__ import annotations

import io
import time
from collections import deque
from collections.abc import Mapping, Sequence
from enum import Enum
from threading import Event
from urllib.parse import urlsplit

import msgspec
import pycurl

from whereupon.connect.tls import Tls
from whereupon.connect.vetting import Vetting

KEPT = 65_536
"""Bytes of an answer's body that are kept; the rest is read and dropped."""
UNASKED = 1_000_000
"""Bytes of a body up to which libcurl asks for nothing before it sends it (its threshold is 1 MiB)."""
IDLE = 3
"""Seconds after which an idle connection isn't used again where an answer lost can't be asked for anew. Servers close
theirs after 5 s or more, and libcurl looks for closed ones once a second at most."""
_TLS = {
    pycurl.E_SSL_CONNECT_ERROR, pycurl.E_PEER_FAILED_VERIFICATION, pycurl.E_SSL_CERTPROBLEM, pycurl.E_SSL_CIPHER,
    pycurl.E_SSL_CACERT_BADFILE, pycurl.E_SSL_ISSUER_ERROR,
}  # fmt: skip


class Failure(Enum):
    """Why there is no answer. BEFORE_BODY: the request surely wasn't taken; ANSWER_LOST: it perhaps was."""

    CANNOT_CONNECT = "cannot connect"
    TLS = "no trusted encryption"
    BEFORE_BODY = "the request was not taken"
    ANSWER_LOST = "the answer was lost"


class Call(msgspec.Struct, frozen=True):
    """A request. `tag` comes back with the answer; `headers` are lines without their ends; `timeout` is in seconds, for
    the whole of it."""

    tag: object
    method: str
    url: str
    headers: Sequence[str] = ()
    body: bytes | None = None
    timeout: float = 10.0


class Answer:
    """What came back: a status, or a failure. `lines` are the raw lines of its head; `started` and `ended` are UTC
    milliseconds."""

    __slots__ = ("body", "ended", "failure", "lines", "started", "status", "tag", "text")

    def __init__(
        self, tag: object, status: int, body: bytes, lines: Sequence[bytes], failure: Failure | None, started: int,
        ended: int, text: str = "",
    ) -> None:  # fmt: skip
        self.tag = tag
        self.status = status
        self.body = body
        self.lines = lines
        self.failure = failure
        self.started = started
        self.ended = ended
        self.text = text

    def header(self, name: str) -> str:
        """One header by its name in lower case, empty if it isn't there: cheaper than all of `headers`."""
        head = b"".join(self.lines)
        begin = head.lower().rfind(b"\n%b:" % name.encode())
        if begin < 0:
            return ""
        begin += len(name) + 2
        return head[begin : head.find(b"\n", begin)].decode("latin-1").strip()

    @property
    def headers(self) -> Mapping[str, str]:
        """All headers, names in lower case; of equal names the last."""
        pairs = (line.decode("latin-1").partition(":") for line in self.lines)
        return {name.strip().lower(): value.strip() for name, colon, value in pairs if colon}


class _Handle:
    """A reused easy handle, and the call it carries. Options that are as the last call left them aren't set again."""

    __slots__ = (
        "_once_only",
        "_tls",
        "call",
        "curl",
        "kept",
        "lines",
        "shape",
        "size",
        "started",
        "timeout",
        "url",
    )

    def __init__(self, tls: Tls, *, once_only: bool) -> None:
        self.curl = pycurl.Curl()
        self.kept: list[bytes] = []
        self.lines: list[bytes] = []
        self.size = 0
        self.shape: tuple[str, bool] | None = None
        self.url, self.timeout = "", 0.0
        self._tls = tls
        self._once_only = once_only

    def carry(self, call: Call, pinned: str | None) -> None:
        curl, body = self.curl, call.body
        if pinned or self.shape != (call.method, bool(body)):
            self._prepare(call.method, bool(body))
        if self.url != call.url:
            curl.setopt(pycurl.URL, call.url)
            self.url = call.url
        if self.timeout != call.timeout:
            curl.setopt(pycurl.TIMEOUT_MS, max(1, int(call.timeout * 1000)))
            self.timeout = call.timeout
        if pinned:
            curl.setopt(pycurl.RESOLVE, [_resolution(call.url, pinned)])
        plain = call.headers and len(body or b"") <= UNASKED
        curl.setopt(pycurl.HTTPHEADER, call.headers if plain else [*call.headers, "Expect:"])
        if body and self._once_only:
            # libcurl sends a request again by itself when a kept connection dies unanswered, if it can rewind the
            # body. A body that can only be read forward makes that error 65 instead.
            curl.setopt(pycurl.POSTFIELDSIZE_LARGE, len(body))
            curl.setopt(pycurl.READFUNCTION, io.BytesIO(body).read)
        elif body:
            curl.setopt(pycurl.POSTFIELDS, body)
        self.call = call
        self.started = int(time.time() * 1000)

    def answer(self, ended: int, code: int, text: str) -> Answer:
        failure = self._failure(code) if code else None
        status = 0 if failure else self.curl.getinfo(pycurl.RESPONSE_CODE)
        lines, body = self.lines.copy(), b"".join(self.kept)
        self.lines.clear()
        self.kept.clear()
        self.size = 0
        return Answer(self.call.tag, status, body, lines, failure, self.started, ended, text)

    def _prepare(self, method: str, body: bool) -> None:
        curl = self.curl
        curl.reset()
        curl.setopt(pycurl.NOSIGNAL, 1)
        curl.setopt(pycurl.TCP_NODELAY, 1)
        curl.setopt(pycurl.TCP_KEEPALIVE, 1)
        curl.setopt(pycurl.FOLLOWLOCATION, 0)
        curl.setopt(pycurl.CONNECTTIMEOUT_MS, 5_000)
        curl.setopt(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
        curl.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)
        curl.setopt(pycurl.NOPROXY, "*")
        curl.setopt(pycurl.WRITEFUNCTION, self._keep)
        curl.setopt(pycurl.HEADERFUNCTION, self.lines.append)
        if self._once_only:
            curl.setopt(pycurl.MAXAGE_CONN, IDLE)
        self._tls.apply(curl)
        self._speak(method, body)
        self.shape, self.url, self.timeout = (method, body), "", 0.0

    def _speak(self, method: str, body: bool) -> None:
        if method == "HEAD":
            self.curl.setopt(pycurl.NOBODY, 1)
        if method in ("GET", "HEAD"):
            return
        self.curl.setopt(pycurl.POST, 1)
        if method != "POST":
            self.curl.setopt(pycurl.CUSTOMREQUEST, method)
        if not body:
            self.curl.setopt(pycurl.POSTFIELDS, b"")
            # Where there is nothing to rewind, only a new connection keeps libcurl from sending twice.
            self.curl.setopt(pycurl.FRESH_CONNECT, int(self._once_only))

    def _keep(self, data: bytes) -> None:
        if self.size < KEPT:
            self.kept.append(data[: KEPT - self.size])
            self.size += len(data)

    def _failure(self, code: int) -> Failure:
        sent = self.curl.getinfo(pycurl.REQUEST_SIZE)  # head and body, of all copies
        if not sent:
            return Failure.TLS if code in _TLS else Failure.CANNOT_CONNECT
        # A receiver can't take a request of which it doesn't have every byte that Content-Length promised.
        whole = sent > len(self.call.body or b"")
        return Failure.ANSWER_LOST if whole else Failure.BEFORE_BODY


def _resolution(url: str, pinned: str) -> str:
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port or 443}:{pinned}"


class Http:
    """Up to `connections` calls under way. With `once_only` no call is ever sent twice by the library itself: for
    receivers that don't know a request again. Redirects are never followed. Raises SetupError if there is no such file
    of authorities."""

    def __init__(
        self, *, connections: int, once_only: bool, tls: Tls | None = None, vetting: Vetting | None = None
    ) -> None:  # fmt: skip
        trust = tls or Tls()
        trust.authorities()
        self._vetting = vetting
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_MAXCONNECTS, connections)
        self._idle = deque(_Handle(trust, once_only=once_only) for _ in range(connections))
        self._busy: dict[pycurl.Curl, _Handle] = {}
        self._never = Event()
        self._closed = False

    def room(self) -> int:
        """How many calls may be sent now."""
        return len(self._idle)

    def send(self, call: Call) -> None:
        """Begin a call; there must be room. Raises Refused if its address was not written by an admin and is not
        to be trusted."""
        pinned = self._vetting.vet(call.url).pinned if self._vetting else None
        handle = self._idle[0]
        handle.carry(call, pinned)
        self._busy[handle.curl] = self._idle.popleft()
        self._multi.add_handle(handle.curl)

    def answers(self, wait: float) -> list[Answer]:
        """What has come; waits up to `wait` seconds for the first while calls are under way."""
        until = time.monotonic() + wait
        while self._busy:
            self._multi.perform()
            if found := self._finished():
                return found
            left = until - time.monotonic()
            if left <= 0:
                break
            self._pause(left)
        return []

    def close(self) -> None:
        """Break what is under way; a second call does nothing."""
        if self._closed:
            return
        self._closed = True
        for curl in self._busy:
            self._multi.remove_handle(curl)
        for handle in (*self._busy.values(), *self._idle):
            handle.curl.close()
        self._busy.clear()
        self._idle.clear()
        self._multi.close()

    def _pause(self, left: float) -> None:
        """Until something comes, or libcurl wants to look at the time, which its select doesn't know by itself."""
        due = self._multi.timeout()
        if self._multi.select(min(left, due / 1000) if due >= 0 else left) < 0:
            self._never.wait(min(left, 0.001))

    def _finished(self) -> list[Answer]:
        found = []
        left = 1
        while left:
            left, good, bad = self._multi.info_read()
            ended = int(time.time() * 1000)
            found += [self._take(curl, ended) for curl in good]
            found += [self._take(curl, ended, code, text) for curl, code, text in bad]
        return found

    def _take(self, curl: pycurl.Curl, ended: int, code: int = 0, text: str = "") -> Answer:
        handle = self._busy.pop(curl)
        answer = handle.answer(ended, code, text)
        self._multi.remove_handle(curl)
        self._idle.append(handle)
        return answer

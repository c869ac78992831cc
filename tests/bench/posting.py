"""The bare client: posts over kept connections, as the prototype does, and nothing else.

`python -m tests.bench.posting '{"url", "count", "handles"}'` posts so many messages of the prototype's size.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Iterator

import pycurl

HEADERS = ["Content-Type: application/json", "Expect:"]


class Poster:
    """Reused handles on one pycurl multi."""

    def __init__(self, url: str, handles: int) -> None:
        self._multi = pycurl.CurlMulti()
        self._all = handles
        self._idle = [_handle(url) for _ in range(handles)]

    def post(self, messages: Iterable[tuple[str, str]]) -> None:
        """Post each (key, body), as many at once as there are handles; returns when all have their answer."""
        waiting, more = iter(messages), True
        while more or len(self._idle) < self._all:
            while more and self._idle:
                message = next(waiting, None)
                if message is None:
                    more = False
                    break
                self._begin(*message)
            self._turn()

    def _begin(self, key: str, body: str) -> None:
        curl = self._idle.pop()
        curl.setopt(pycurl.POSTFIELDS, body)
        curl.setopt(pycurl.HTTPHEADER, [*HEADERS, f"Idempotency-Key: {key}"])
        self._multi.add_handle(curl)

    def _turn(self) -> None:
        self._multi.perform()
        _, good, bad = self._multi.info_read(self._all)
        if bad:
            raise ConnectionError(bad[0][2])
        for curl in good:
            self._multi.remove_handle(curl)
            self._idle.append(curl)
        if not good and len(self._idle) < self._all:
            self._multi.select(0.05)


def _handle(url: str) -> pycurl.Curl:
    curl = pycurl.Curl()
    curl.setopt(pycurl.URL, url)
    curl.setopt(pycurl.POST, 1)
    curl.setopt(pycurl.NOSIGNAL, 1)
    curl.setopt(pycurl.WRITEFUNCTION, lambda data: None)
    return curl


def _messages(count: int) -> Iterator[tuple[str, str]]:
    body = json.dumps(
        {"campaign": "Welcome back", "key": "e1732190400000-12345", "urn": "u12345", "fields": "x" * 240}
    )
    return ((f"e1732190400000-{each}", body) for each in range(count))


def main() -> None:
    """Post, and say what CPU time it took."""
    words = json.loads(sys.argv[1])
    Poster(words["url"], words.get("handles", 64)).post(_messages(words["count"]))
    sys.stdout.write(json.dumps({"cpu": time.process_time()}) + "\n")


if __name__ == "__main__":
    main()

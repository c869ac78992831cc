"""Calls against bare sockets: what travels, what comes back, and what every kind of end means."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import pycurl
import pytest

from tests.servers.processes import free_port
from tests.unit.connect.raw import Raw, answer, reset
from whereupon.connect import http as http_module
from whereupon.connect.http import KEPT, Answer, Call, Failure, Http
from whereupon.connect.vetting import Vetting
from whereupon.model.errors import Refused

Open = Callable[..., Http]


@pytest.fixture
def opened() -> Iterator[Open]:
    made: list[Http] = []

    def make(*, connections: int = 1, once_only: bool = False, **more: Any) -> Http:
        made.append(Http(connections=connections, once_only=once_only, **more))
        return made[-1]

    yield make
    for each in made:
        each.close()


def post(url: str, body: bytes = b'{"n": 1}', *, timeout: float = 5.0, tag: object = None) -> Call:
    return Call(tag, "POST", url, ["Content-Type: application/json"], body, timeout)


def answered(http: Http, *calls: Call) -> list[Answer]:
    """One after the other."""
    found: list[Answer] = []
    for call in calls:
        http.send(call)
        found += arrived(http, 1)
    return found


def arrived(http: Http, count: int) -> list[Answer]:
    found: list[Answer] = []
    deadline = time.monotonic() + 20
    while len(found) < count:
        found += http.answers(1)
        assert time.monotonic() < deadline
    return found


def friendly(raw: Raw, taken: socket.socket, number: int) -> None:
    """Answers every request."""
    while raw.read(taken):
        taken.sendall(answer())


def after(count: int, then: Callable[[socket.socket], object]) -> Callable[[Raw, socket.socket, int], None]:
    """Answers so many requests of the first connection; the next is read, then `then` comes. Other connections are
    friendly."""

    def talk(raw: Raw, taken: socket.socket, number: int) -> None:
        if number:
            return friendly(raw, taken, number)
        for _ in range(count):
            raw.read(taken)
            taken.sendall(answer())
        raw.read(taken)
        then(taken)
        return None

    return talk


def silent(raw: Raw, taken: socket.socket, number: int) -> None:
    raw.read(taken)
    raw.over.wait(20)


# -------------------------------------------------------------------------------------------------- what travels
def test_a_post_has_a_length_and_asks_for_nothing_first(opened: Open) -> None:
    with Raw(friendly) as raw:
        (found,) = answered(opened(), post(raw.url + "send?x=1", b"x" * 2_000_000))
    head, _, body = raw.requests[0].partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    assert (found.status, first, len(body)) == (200, "POST /send?x=1 HTTP/1.1", 2_000_000)
    assert headers["content-length"] == "2000000"
    assert headers["content-type"] == "application/json"
    assert not {"expect", "transfer-encoding"} & headers.keys()


@pytest.mark.parametrize("once_only", [False, True])
def test_a_connection_is_kept_and_what_one_call_had_does_not_stick_to_the_next(
    opened: Open, once_only: bool
) -> None:
    def talk(raw: Raw, taken: socket.socket, number: int) -> None:
        for each in (b"one", b"two", b"three"):
            raw.read(taken)
            taken.sendall(answer(each, headers=(f"X-Number: {each.decode()}",)))

    with Raw(talk) as raw:
        found = answered(
            opened(once_only=once_only),
            post(raw.url + "a", b"long body"),
            Call(7, "POST", raw.url + "b", ["X-Own: 1"], b"short", 3.0),
            Call(8, "POST", raw.url + "b", [], b"s", 3.0),
        )
    assert raw.accepted == 1
    assert [each.body for each in found] == [b"one", b"two", b"three"]
    assert [each.header("x-number") for each in found] == ["one", "two", "three"]
    assert [each.tag for each in found] == [None, 7, 8]
    assert [each.rpartition(b"\r\n")[2] for each in raw.requests] == [b"long body", b"short", b"s"]
    assert b"x-own" in raw.requests[1].lower()
    assert b"x-own" not in raw.requests[2].lower()


@pytest.mark.parametrize("once_only", [False, True])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"])
def test_every_method_is_said_as_it_is(opened: Open, method: str, once_only: bool) -> None:
    def talk(raw: Raw, taken: socket.socket, number: int) -> None:
        while request := raw.read(taken):
            taken.sendall(answer(b"" if request.startswith(b"HEAD") else b"well"))

    with Raw(talk) as raw:
        http = opened(once_only=once_only)
        found = answered(http, post(raw.url), Call(None, method, raw.url), post(raw.url))
    assert [each.status for each in found] == [200, 200, 200]
    assert raw.requests[1].startswith(f"{method} / HTTP/1.1\r\n".encode())
    assert raw.requests[1].endswith(b"\r\n\r\n")
    if method not in ("GET", "HEAD"):
        assert b"content-length: 0\r\n" in raw.requests[1].lower()


def test_no_proxy_of_the_environment_sees_a_call(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    with Raw(friendly) as raw:
        assert answered(opened(), post(raw.url))[0].status == 200


# ----------------------------------------------------------------------------------------------- what comes back
def test_headers_have_names_in_lower_case_and_the_last_of_equal_ones_counts(opened: Open) -> None:
    lines = (
        "X-Message-Id:  m-1 ",
        "RETRY-AFTER: 3",
        "X-Tricky: a:b",
        "X-Umlaut: Gr\xfc\xdfe",
        "Retry-After: 5",
    )

    def talk(raw: Raw, taken: socket.socket, number: int) -> None:
        raw.read(taken)
        taken.sendall(b"HTTP/1.1 103 Early Hints\r\nRetry-After: 99\r\n\r\n")
        taken.sendall(answer(headers=lines))

    with Raw(talk) as raw:
        (found,) = answered(opened(), post(raw.url))
    expected = {"x-message-id": "m-1", "retry-after": "5", "x-tricky": "a:b", "x-umlaut": "Grüße"}
    assert expected.items() <= found.headers.items()
    assert {name: found.header(name) for name in expected} == expected
    assert (found.header("message-id"), found.header("x-none"), found.header("http/1.1 200 ok")) == (
        "",
        "",
        "",
    )
    assert found.lines[0] == b"HTTP/1.1 103 Early Hints\r\n"


def test_an_answer_without_lines_has_no_headers() -> None:
    none = Answer(None, 0, b"", (), Failure.TLS, 1, 2)
    assert (none.headers, none.header("date")) == ({}, "")


def test_a_body_is_cut_and_the_connection_still_kept(opened: Open) -> None:
    def talk(raw: Raw, taken: socket.socket, number: int) -> None:
        raw.read(taken)
        taken.sendall(answer(b"ab" * KEPT))
        friendly(raw, taken, number)

    with Raw(talk) as raw:
        found = answered(opened(), post(raw.url), post(raw.url))
    assert [len(each.body) for each in found] == [KEPT, 2]
    assert raw.accepted == 1


def test_the_times_of_a_call_enclose_it(opened: Open) -> None:
    def talk(raw: Raw, taken: socket.socket, number: int) -> None:
        raw.read(taken)
        raw.over.wait(0.1)
        taken.sendall(answer())

    begin = int(time.time() * 1000)
    with Raw(talk) as raw:
        (found,) = answered(opened(), post(raw.url))
    assert begin <= found.started <= found.ended - 99 <= int(time.time() * 1000) - 99


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See", "307 Again", "308 There"])
@pytest.mark.fault(53)
def test_a_redirect_is_an_answer_and_is_never_followed(opened: Open, status: str) -> None:
    def talk(raw: Raw, taken: socket.socket, number: int) -> None:
        raw.read(taken)
        taken.sendall(answer(status=status, headers=(f"Location: {raw.url}latest/meta-data/",)))
        friendly(raw, taken, number)

    with Raw(talk) as raw:
        (found,) = answered(opened(), post(raw.url))
        assert opened().answers(0.05) == []
    assert str(found.status) == status[:3]
    assert found.header("location").endswith("meta-data/")
    assert len(raw.requests) == raw.accepted == 1


# ---------------------------------------------------------------------------------------------------- what fails
@pytest.mark.parametrize("once_only", [False, True])
class TestWhatFails:
    """Each end of a call has its meaning, with both ways of giving the body."""

    def failure(self, http: Http, call: Call) -> Failure | None:
        (found,) = answered(http, call)
        assert (found.status, bool(found.text)) == (0, True)
        return found.failure

    def test_nobody_there(self, opened: Open, once_only: bool) -> None:
        http = opened(once_only=once_only)
        assert self.failure(http, post(f"http://127.0.0.1:{free_port()}/")) is Failure.CANNOT_CONNECT

    def test_a_name_that_nobody_knows(self, opened: Open, once_only: bool) -> None:
        assert (
            self.failure(opened(once_only=once_only), post("http://nowhere.invalid/"))
            is Failure.CANNOT_CONNECT
        )

    @pytest.mark.parametrize("url", ["ftp://127.0.0.1/", "file:///etc/passwd", "gopher://127.0.0.1/"])
    def test_what_is_not_http(self, opened: Open, once_only: bool, url: str) -> None:
        assert self.failure(opened(once_only=once_only), post(url)) is Failure.CANNOT_CONNECT

    def test_no_answer_in_time(self, opened: Open, once_only: bool) -> None:
        with Raw(silent) as raw:
            assert (
                self.failure(opened(once_only=once_only), post(raw.url, timeout=0.2)) is Failure.ANSWER_LOST
            )

    def test_an_answer_that_drips(self, opened: Open, once_only: bool) -> None:
        def talk(raw: Raw, taken: socket.socket, number: int) -> None:
            raw.read(taken)
            for each in answer(b"x" * 100):
                taken.sendall(bytes([each]))
                if raw.over.wait(0.05):
                    return

        with Raw(talk) as raw:
            assert (
                self.failure(opened(once_only=once_only), post(raw.url, timeout=0.4)) is Failure.ANSWER_LOST
            )

    def test_a_body_that_is_not_read_in_time(self, opened: Open, once_only: bool) -> None:
        def deaf(raw: Raw, taken: socket.socket, number: int) -> None:
            raw.over.wait(20)

        with Raw(deaf) as raw:
            call = post(raw.url, b"x" * 30_000_000, timeout=0.4)
            assert self.failure(opened(once_only=once_only), call) is Failure.BEFORE_BODY

    def test_a_small_body_that_is_not_read_in_time_may_have_arrived(
        self, opened: Open, once_only: bool
    ) -> None:
        def deaf(raw: Raw, taken: socket.socket, number: int) -> None:
            raw.over.wait(20)

        with Raw(deaf) as raw:
            call = post(raw.url, timeout=0.2)
            assert self.failure(opened(once_only=once_only), call) is Failure.ANSWER_LOST

    def test_a_connection_that_ends_in_the_middle_of_the_body(self, opened: Open, once_only: bool) -> None:
        def talk(raw: Raw, taken: socket.socket, number: int) -> None:
            taken.recv(1000)
            reset(taken)

        with Raw(talk) as raw:
            call = post(raw.url, b"x" * 30_000_000)
            assert self.failure(opened(once_only=once_only), call) is Failure.BEFORE_BODY

    @pytest.mark.parametrize("end", [socket.socket.close, reset], ids=["close", "reset"])
    def test_a_new_connection_that_ends_unanswered(
        self, opened: Open, once_only: bool, end: Callable[[socket.socket], None]
    ) -> None:
        with Raw(after(0, end)) as raw:
            assert self.failure(opened(once_only=once_only), post(raw.url)) is Failure.ANSWER_LOST
        assert len(raw.requests) == 1

    @pytest.mark.parametrize(
        "half",
        [
            b"",
            b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
            b"nonsense\r\n\r\n",
        ],
    )
    def test_half_an_answer(self, opened: Open, once_only: bool, half: bytes) -> None:
        def say(taken: socket.socket) -> None:
            taken.sendall(half)
            taken.shutdown(socket.SHUT_RDWR)

        with Raw(after(0, say)) as raw:
            assert self.failure(opened(once_only=once_only), post(raw.url)) is Failure.ANSWER_LOST

    def test_a_port_that_does_not_speak_tls(self, opened: Open, once_only: bool) -> None:
        def plain(raw: Raw, taken: socket.socket, number: int) -> None:
            taken.recv(1000)
            taken.sendall(b"220 mail.example ESMTP\r\n")

        with Raw(plain) as raw:
            call = post(f"https://127.0.0.1:{raw.port}/")
            assert self.failure(opened(once_only=once_only), call) is Failure.TLS

    def test_a_handshake_that_hangs(self, opened: Open, once_only: bool) -> None:
        def deaf(raw: Raw, taken: socket.socket, number: int) -> None:
            raw.over.wait(20)

        with Raw(deaf) as raw:
            call = post(f"https://127.0.0.1:{raw.port}/", timeout=0.3)
            assert self.failure(opened(once_only=once_only), call) is Failure.CANNOT_CONNECT

    def test_a_failed_call_leaves_its_handle_as_good_as_new(self, opened: Open, once_only: bool) -> None:
        with Raw(after(0, reset)) as raw:
            first, second = answered(opened(once_only=once_only), post(raw.url), post(raw.url))
        assert (first.failure, second.failure, second.status) == (Failure.ANSWER_LOST, None, 200)
        assert (second.body, second.text) == (b"{}", "")


# ----------------------------------------------------------------------------------------------------- once only
@pytest.mark.fault(24)
@pytest.mark.parametrize("end", [socket.socket.close, reset], ids=["close", "reset"])
def test_once_only_sends_a_request_once_though_its_kept_connection_died_unanswered(
    opened: Open, end: Callable[[socket.socket], None]
) -> None:
    with Raw(after(1, end)) as raw:
        first, second = answered(opened(once_only=True), post(raw.url, b"first"), post(raw.url, b"second"))
    assert (first.status, second.failure) == (200, Failure.ANSWER_LOST)
    assert [each.rpartition(b"\r\n")[2] for each in raw.requests] == [b"first", b"second"]


def test_otherwise_libcurl_sends_it_again_by_itself_and_says_nothing(opened: Open) -> None:
    with Raw(after(1, socket.socket.close)) as raw:
        first, second = answered(opened(once_only=False), post(raw.url, b"first"), post(raw.url, b"second"))
    assert (first.status, second.status) == (200, 200)
    assert [each.rpartition(b"\r\n")[2] for each in raw.requests] == [b"first", b"second", b"second"]


def test_once_only_holds_for_a_request_without_a_body_too(opened: Open) -> None:
    def talk(raw: Raw, taken: socket.socket, number: int) -> None:
        if raw.read(taken).startswith(b"DELETE"):
            return taken.close()
        taken.sendall(answer())
        return talk(raw, taken, number)

    with Raw(talk) as raw:
        calls = post(raw.url), Call(None, "DELETE", raw.url), post(raw.url)
        found = answered(opened(once_only=True), *calls)
    assert [each.failure for each in found] == [None, Failure.ANSWER_LOST, None]
    assert [each[:4] for each in raw.requests] == [b"POST", b"DELE", b"POST"]


def test_a_first_copy_that_may_have_arrived_is_not_forgotten_when_the_second_finds_nobody(
    opened: Open,
) -> None:
    def last(raw: Raw, taken: socket.socket, number: int) -> None:
        raw.read(taken)
        taken.sendall(answer())
        raw.read(taken)
        raw.refuse()
        taken.close()

    with Raw(last) as raw:
        _, second = answered(opened(once_only=False), post(raw.url), post(raw.url))
    assert second.failure is Failure.ANSWER_LOST


def test_a_connection_that_died_a_while_ago_costs_nothing(opened: Open) -> None:
    def talk(raw: Raw, taken: socket.socket, number: int) -> None:
        raw.read(taken)
        taken.sendall(answer())
        taken.close()

    with Raw(talk) as raw:
        http = opened(once_only=True)
        (first,) = answered(http, post(raw.url))
        raw.over.wait(1.1)  # libcurl looks for closed connections once a second
        (second,) = answered(http, post(raw.url))
    assert (first.status, second.status, raw.accepted, len(raw.requests)) == (200, 200, 2, 2)


@pytest.mark.parametrize(("once_only", "connections"), [(True, 2), (False, 1)])
def test_once_only_leaves_an_idle_connection_before_its_server_does(
    opened: Open, monkeypatch: pytest.MonkeyPatch, once_only: bool, connections: int
) -> None:
    monkeypatch.setattr(http_module, "IDLE", 1)
    with Raw(friendly) as raw:
        http = opened(once_only=once_only)
        answered(http, post(raw.url))
        raw.over.wait(2.1)
        answered(http, post(raw.url))
    assert raw.accepted == connections


# -------------------------------------------------------------------------------------------------- many at once
def test_as_many_calls_are_under_way_as_there_are_connections(opened: Open) -> None:
    def together(raw: Raw, taken: socket.socket, number: int) -> None:
        raw.read(taken)
        while raw.accepted < 64 and not raw.over.is_set():
            raw.over.wait(0.01)
        taken.sendall(answer(str(number).encode()))

    with Raw(together) as raw:
        http = opened(connections=64)
        for number in range(64):
            assert http.room() == 64 - number
            http.send(post(raw.url, tag=number))
        found = arrived(http, 64)
    assert http.room() == 64
    assert {each.tag for each in found} == set(range(64))
    assert {each.body for each in found} == {str(number).encode() for number in range(64)}


def test_waiting_for_answers_ends_when_nothing_is_under_way_or_the_time_is_over(opened: Open) -> None:
    with Raw(silent) as raw:
        http = opened()
        began = time.monotonic()
        assert http.answers(30) == []
        http.send(post(raw.url))
        assert http.answers(0.1) == []
        assert http.answers(0) == []
        assert 0.1 <= time.monotonic() - began < 5


def test_a_call_ends_in_its_own_time_however_long_answers_are_waited_for(opened: Open) -> None:
    with Raw(silent) as raw:
        http = opened(connections=2)
        http.send(post(raw.url, timeout=60, tag="long"))
        http.send(post(raw.url, timeout=0.2, tag="short"))
        began = time.monotonic()
        assert [each.tag for each in http.answers(30)] == ["short"]
        assert time.monotonic() - began < 15


def test_closing_breaks_what_is_under_way(opened: Open) -> None:
    with Raw(silent) as raw:
        http = opened(connections=3)
        http.send(post(raw.url, timeout=60))
        http.send(post(raw.url, timeout=60))
        http.answers(0.05)
        began = time.monotonic()
        http.close()
        http.close()
        assert (http.room(), http.answers(10), time.monotonic() - began < 8) == (0, [], True)


# -------------------------------------------------------------------------------------------------------- vetted
def test_an_address_that_must_not_be_called_never_is(opened: Open) -> None:
    with Raw(friendly) as raw:
        http = opened(vetting=Vetting())
        with pytest.raises(Refused):
            http.send(post(raw.url))
        assert (http.room(), http.answers(0)) == (1, [])
        assert answered(opened(vetting=Vetting(frozenset({"127.0.0.1"}))), post(raw.url))[0].status == 200
    assert raw.accepted == 1


def test_a_call_that_libcurl_does_not_take_costs_no_connection(opened: Open) -> None:
    http = opened()
    with pytest.raises(UnicodeEncodeError):
        http.send(post("http://esp.example/ä"))
    assert http.room() == 1


class Blind(pycurl.CurlMulti):
    """As libcurl is while it has no socket to look at, between two addresses of a host for instance."""

    def select(self, timeout: float) -> int:
        """There is nothing to wait for."""
        return -1


def test_a_time_without_sockets_is_waited_out(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pycurl, "CurlMulti", Blind)
    with Raw(friendly) as raw:
        assert answered(opened(), post(raw.url))[0].status == 200

"""Calls against whole servers: encryption, pinned addresses, many at once, and faults in between."""

from __future__ import annotations

import random
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.servers.authority import Authority
from tests.servers.http import DRIP, HANG, LOST, RESET, HttpSink
from tests.servers.http import Answer as Scripted
from tests.unit.connect.raw import Raw, answer, reset
from whereupon.connect.http import Answer, Call, Failure, Http
from whereupon.connect.tls import Tls
from whereupon.connect.vetting import Vetted, Vetting
from whereupon.model.errors import SetupError

pytestmark = pytest.mark.outside
Open = Callable[..., Http]


@pytest.fixture
def opened() -> Iterator[Open]:
    made: list[Http] = []

    def make(*, connections: int = 1, once_only: bool = True, **more: Any) -> Http:
        made.append(Http(connections=connections, once_only=once_only, **more))
        return made[-1]

    yield make
    for each in made:
        each.close()


class House:
    """An authority, and what a server shows that it signed for a name."""

    def __init__(self, folder: Path) -> None:
        self._authority = trustme.CA()
        self._file = folder / "house.pem"
        self._file.write_bytes(self._authority.cert_pem.bytes())
        self.trust = Tls(str(self._file))

    def shows(self, name: str, *, until: datetime | None = None) -> ssl.SSLContext:
        """For a server of that name."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._authority.issue_cert(name, not_after=until).configure_cert(context)
        return context


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def post(url: str, key: str = "k1", *, timeout: float = 5.0) -> Call:
    return Call(key, "POST", url, [f"Idempotency-Key: {key}"], b'{"n": 1}', timeout)


def answered(http: Http, *calls: Call) -> dict[object, Answer]:
    """As many at once as there are connections."""
    left, found = list(calls), dict[object, Answer]()
    deadline = time.monotonic() + 30
    while len(found) < len(calls):
        for call in left[: http.room()]:
            http.send(left.pop(left.index(call)))
        for each in http.answers(1):
            assert each.tag not in found
            found[each.tag] = each
        assert time.monotonic() < deadline, f"{len(found)} of {len(calls)} answers"
    return found


def ended(http: Http, url: str) -> tuple[int, Failure | None]:
    found = answered(http, post(url))["k1"]
    return found.status, found.failure


def friendly(raw: Raw, taken: socket.socket, number: int) -> None:
    while raw.read(taken):
        taken.sendall(answer())


# ---------------------------------------------------------------------------------------------------- encryption
@pytest.mark.req("NEW-05")
@pytest.mark.fault(15)
class TestCertificates:
    """Only one that is signed, current and of the right name is spoken to; nothing travels to another."""

    def test_the_right_one(self, opened: Open, house: House) -> None:
        with Raw(friendly, context=house.shows("localhost")) as raw:
            assert ended(opened(tls=house.trust), f"https://localhost:{raw.port}/") == (200, None)

    def test_of_another_name(self, opened: Open, house: House) -> None:
        with Raw(friendly, context=house.shows("esp.example")) as raw:
            assert ended(opened(tls=house.trust), f"https://localhost:{raw.port}/") == (0, Failure.TLS)
        assert raw.requests == []

    def test_of_an_unknown_authority(self, opened: Open, house: House, authority: Authority) -> None:
        with Raw(friendly, context=house.shows("localhost")) as raw:
            for trust in (None, Tls(str(authority.ca))):
                assert ended(opened(tls=trust), f"https://localhost:{raw.port}/") == (0, Failure.TLS)
        assert raw.requests == []

    def test_out_of_date(self, opened: Open, house: House) -> None:
        context = house.shows("localhost", until=datetime(2020, 1, 1, tzinfo=UTC))
        with Raw(friendly, context=context) as raw:
            assert ended(opened(tls=house.trust), f"https://localhost:{raw.port}/") == (0, Failure.TLS)
        assert raw.requests == []

    def test_a_file_of_authorities_that_holds_none(self, opened: Open, house: House, tmp_path: Path) -> None:
        (tmp_path / "none.pem").write_text("nonsense", encoding="ascii")
        with Raw(friendly, context=house.shows("localhost")) as raw:
            http = opened(tls=Tls(str(tmp_path / "none.pem")))
            assert ended(http, f"https://localhost:{raw.port}/") == (0, Failure.TLS)

    def test_a_file_of_authorities_that_is_not_there_is_said_at_once(
        self, opened: Open, tmp_path: Path
    ) -> None:
        with pytest.raises(SetupError, match="isn't there"):
            opened(tls=Tls(str(tmp_path / "none.pem")))

    def test_an_encrypted_connection_is_kept_too_and_its_end_is_an_answer_lost(
        self, opened: Open, house: House
    ) -> None:
        def talk(raw: Raw, taken: socket.socket, number: int) -> None:
            raw.read(taken)
            taken.sendall(answer())
            raw.read(taken)
            reset(taken)

        with Raw(talk, context=house.shows("localhost")) as raw:
            http, url = opened(tls=house.trust), f"https://localhost:{raw.port}/"
            assert [ended(http, url), ended(http, url)] == [(200, None), (0, Failure.ANSWER_LOST)]
        assert (raw.accepted, len(raw.requests)) == (1, 2)


# -------------------------------------------------------------------------------------------------------- pinned
class Rebound(Vetting):
    """Names that led to this machine when they were vetted."""

    def vet(self, url: str) -> Vetted:
        """Every address passes."""
        return Vetted(url, "127.0.0.1")


@pytest.mark.fault(53)
def test_the_address_that_was_vetted_is_the_one_that_is_connected_to(opened: Open, house: House) -> None:
    with Raw(friendly, context=house.shows("esp.invalid")) as raw:
        http = opened(tls=house.trust, vetting=Rebound())
        url = f"https://esp.invalid:{raw.port}/send"  # a name that no resolver knows
        assert [ended(http, url), ended(http, url)] == [(200, None), (200, None)]
        assert ended(opened(tls=house.trust), url) == (0, Failure.CANNOT_CONNECT)
    assert raw.accepted == 1
    assert all(f"host: esp.invalid:{raw.port}".encode() in each.lower() for each in raw.requests)


@pytest.mark.fault(53)
def test_a_pinned_address_does_not_change_which_certificate_is_right(opened: Open, house: House) -> None:
    with Raw(friendly, context=house.shows("localhost")) as raw:
        http = opened(tls=house.trust, vetting=Rebound())
        assert ended(http, f"https://esp.invalid:{raw.port}/") == (0, Failure.TLS)


@pytest.mark.skipif(not socket.has_ipv6, reason="cannot run here: no IPv6")
def test_a_pinned_address_may_be_of_ipv6(opened: Open) -> None:
    class Loopback(Vetting):
        def vet(self, url: str) -> Vetted:
            return Vetted(url, "::1")

    try:
        server = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("cannot run here: no IPv6")
    with server:
        http = opened(vetting=Loopback())
        http.send(post(f"https://esp.invalid:{server.getsockname()[1]}/"))
        assert http.answers(0.3) == []
        server.settimeout(5)
        server.accept()[0].close()


# -------------------------------------------------------------------------------------------------- many at once
@pytest.mark.fault(24)
@pytest.mark.parametrize("once_only", [False, True])
def test_of_a_thousand_calls_with_faults_each_has_one_answer_that_tells_the_truth(
    opened: Open, http_sink: HttpSink, once_only: bool
) -> None:
    chance = random.Random(24)
    faults = [Scripted(429), Scripted(500), Scripted(302, location="/elsewhere"), LOST, RESET]
    calls = [post(http_sink.url, f"k{number}") for number in range(1000)]
    for call in chance.sample(calls, 300):
        http_sink.script(str(call.tag), chance.choice(faults))
    found = answered(opened(connections=64, once_only=once_only), *calls)
    assert (http_sink.chunked, set(found)) == (0, {call.tag for call in calls})
    for key, seen in http_sink.received.items():
        said = found[key]
        assert seen.path == "/"
        if once_only:
            assert seen.attempts == 1
            assert (seen.taken == 1) is (said.status == 200) or said.failure is Failure.ANSWER_LOST
        elif said.status == 200:
            assert seen.taken >= 1


def test_slow_answers_hold_up_their_own_calls_alone(opened: Open, http_sink: HttpSink) -> None:
    http = opened(connections=64)
    slow = [post(http_sink.url, f"slow{number}", timeout=4) for number in range(60)]
    for number, call in enumerate(slow):
        http_sink.script(str(call.tag), HANG if number % 2 else DRIP)
        http.send(call)
    began, quick = time.monotonic(), 0
    while quick < 200:
        for _ in range(http.room()):
            http.send(post(http_sink.url, f"quick{time.monotonic_ns()}"))
        quick += sum(each.status == 200 for each in http.answers(1))
    assert time.monotonic() - began < 3.9
    lost = answered_later(http, 60)
    assert {each.failure for each in lost if str(each.tag).startswith("slow")} == {Failure.ANSWER_LOST}


def answered_later(http: Http, count: int) -> list[Answer]:
    found: list[Answer] = []
    deadline = time.monotonic() + 10
    while sum(str(each.tag).startswith("slow") for each in found) < count:
        found += http.answers(1)
        assert time.monotonic() < deadline
    return found

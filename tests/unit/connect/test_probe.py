"""The stages that a test of a connection begins with, on real sockets."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme

from tests.servers.authority import Authority
from tests.servers.processes import free_port
from tests.unit.connect.raw import Raw
from whereupon.connect import probe
from whereupon.connect.tls import Tls
from whereupon.kit.roles import Stage


def quiet(raw: Raw, taken: socket.socket, number: int) -> None:
    raw.over.wait(20)


def plain(raw: Raw, taken: socket.socket, number: int) -> None:
    taken.sendall(b"220 mail.example ESMTP\r\n")
    raw.over.wait(20)


def read(stage: Stage, name: str, *, ok: bool) -> str:
    """What a stage says, after a look at the rest of it: a failed one has a hint."""
    assert (stage.name, stage.ok, bool(stage.hint)) == (name, ok, not ok)
    return stage.message


def test_a_known_name_is_shown_with_its_addresses() -> None:
    assert "127.0.0.1" in read(probe.resolve("127.0.0.1"), "Name", ok=True)
    assert read(probe.resolve("localhost"), "Name", ok=True).startswith("localhost is ")


@pytest.mark.parametrize("host", ["nowhere.invalid", "a" * 64 + ".example", "two words.invalid"])
def test_an_unknown_or_impossible_name_is_said(host: str) -> None:
    assert read(probe.resolve(host), "Name", ok=False) == f"The host {host} isn't known."


def test_a_port_answers_or_does_not() -> None:
    with Raw(quiet) as raw:
        said = read(probe.reach("127.0.0.1", raw.port), "Port", ok=True)
    assert said == f"127.0.0.1, port {raw.port}, answers."
    assert "can't be reached" in read(probe.reach("127.0.0.1", free_port()), "Port", ok=False)
    assert "can't be reached" in read(probe.reach("a" * 64 + ".example", 80), "Port", ok=False)
    assert "can't be reached" in read(probe.reach("two\0words", 80), "Port", ok=False)


def test_a_port_that_drops_every_packet_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def dropped(place: tuple[str, int], timeout: float) -> socket.socket:
        raise TimeoutError(f"after {timeout} s")

    monkeypatch.setattr(socket, "create_connection", dropped)
    assert "didn't answer in time" in read(probe.reach("192.0.2.1", 443, 0.1), "Port", ok=False)


@pytest.mark.req("NEW-05")
def test_a_trusted_certificate_is_shown_with_the_version_of_tls(authority: Authority) -> None:
    with Raw(quiet, context=authority.context()) as raw:
        stage = probe.tls("localhost", raw.port, trust=Tls(str(authority.ca)))
    assert read(stage, "Encryption", ok=True).startswith("Encrypted by TLSv1.")


def test_a_certificate_of_an_unknown_authority_or_another_name_is_told_apart(
    authority: Authority, tmp_path: Path
) -> None:
    with Raw(quiet, context=authority.context()) as raw:
        unknown = read(probe.tls("localhost", raw.port), "Encryption", ok=False)
    house, file = trustme.CA(), tmp_path / "house.pem"
    file.write_bytes(house.cert_pem.bytes())
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    house.issue_cert("esp.example").configure_cert(context)
    with Raw(quiet, context=context) as raw:
        named = read(probe.tls("localhost", raw.port, trust=Tls(str(file))), "Encryption", ok=False)
    assert "The certificate of localhost can't be trusted" in unknown
    assert "issuer certificate" in unknown
    assert "Hostname mismatch" in named


@pytest.mark.parametrize("talk", [plain, quiet], ids=["speaks something else", "says nothing"])
def test_a_port_without_tls_is_said(talk: Callable[[Raw, socket.socket, int], None]) -> None:
    with Raw(talk) as raw:
        said = read(probe.tls("127.0.0.1", raw.port, timeout=0.3), "Encryption", ok=False)
    assert said == f"127.0.0.1, port {raw.port}, doesn't speak TLS."


def test_nobody_there_does_not_speak_tls() -> None:
    assert "doesn't speak TLS" in read(probe.tls("127.0.0.1", free_port()), "Encryption", ok=False)


def test_a_file_of_authorities_that_cannot_be_used_is_what_is_said(
    tmp_path: Path, authority: Authority
) -> None:
    with Raw(quiet, context=authority.context()) as raw:
        stage = probe.tls("localhost", raw.port, trust=Tls(str(tmp_path / "none.pem")))
    assert "isn't there" in read(stage, "Encryption", ok=False)

"""Whom encrypted calls trust, by libcurl and by Python's own sockets alike."""

from __future__ import annotations

import socket
import ssl
import warnings
from pathlib import Path

import certifi
import pycurl
import pytest

from tests.servers.authority import Authority
from tests.unit.connect.raw import Raw, answer
from whereupon.connect import tls as tls_module
from whereupon.connect.tls import Tls
from whereupon.model.errors import SetupError


class Options:
    """An easy handle that remembers what it was told."""

    def __init__(self) -> None:
        self.told: dict[int, object] = {}

    def setopt(self, option: int, value: object) -> None:
        """Remember it."""
        self.told[option] = value


def told(trust: Tls) -> dict[int, object]:
    options = Options()
    trust.apply(options)  # type: ignore[arg-type]
    return options.told


@pytest.mark.req("NEW-05")
@pytest.mark.parametrize("native", [False, True])
def test_libcurl_always_verifies_the_certificate_and_its_name(
    authority: Authority, monkeypatch: pytest.MonkeyPatch, native: bool
) -> None:
    monkeypatch.setattr(tls_module, "NATIVE", native)
    for trust in (Tls(), Tls(str(authority.ca))):
        options = told(trust)
        assert (options[pycurl.SSL_VERIFYPEER], options[pycurl.SSL_VERIFYHOST]) == (1, 2)
        assert options[pycurl.SSLVERSION] == pycurl.SSLVERSION_TLSv1_2


def test_the_usual_authorities_are_certifis_unless_libcurl_reads_the_systems_own(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = Tls(str(authority.ca))
    monkeypatch.setattr(tls_module, "NATIVE", False)
    assert (told(Tls())[pycurl.CAINFO], told(own)[pycurl.CAINFO]) == (certifi.where(), str(authority.ca))
    monkeypatch.setattr(tls_module, "NATIVE", True)
    assert pycurl.CAINFO not in told(Tls())
    assert told(own)[pycurl.CAINFO] == str(authority.ca)


def test_pythons_sockets_always_verify_too(authority: Authority) -> None:
    for trust in (Tls(), Tls(str(authority.ca))):
        context = trust.context()
        assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
        assert context.minimum_version is ssl.TLSVersion.TLSv1_2


def test_an_own_file_of_authorities_is_the_only_one_that_is_trusted(authority: Authority) -> None:
    assert len(Tls(str(authority.ca)).context().get_ca_certs()) == 1
    assert len(Tls().context().get_ca_certs()) > 1


def spoken(trust: Tls, port: int) -> str | None:
    with (
        socket.create_connection(("127.0.0.1", port), 5) as plain,
        trust.context().wrap_socket(plain, server_hostname="localhost") as secure,
    ):
        return secure.version()


def talk(raw: Raw, taken: socket.socket, number: int) -> None:
    raw.read(taken)
    taken.sendall(answer())


def test_what_the_authority_signed_is_spoken_to_and_nothing_else_is(authority: Authority) -> None:
    with Raw(talk, context=authority.context()) as raw:
        assert spoken(Tls(str(authority.ca)), raw.port) in ("TLSv1.2", "TLSv1.3")
        with pytest.raises(ssl.SSLCertVerificationError):
            spoken(Tls(), raw.port)


def test_a_server_that_only_speaks_an_old_version_is_not_spoken_to(authority: Authority) -> None:
    context = authority.context()
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with Raw(talk, context=context) as raw, pytest.raises(ssl.SSLError):
        spoken(Tls(str(authority.ca)), raw.port)


@pytest.mark.parametrize(("text", "said"), [(None, "isn't there"), ("nonsense", "holds no certificates")])
def test_a_file_of_authorities_that_cannot_be_used_is_said(
    tmp_path: Path, text: str | None, said: str
) -> None:
    file = tmp_path / "ca.pem"
    if text is not None:
        file.write_text(text, encoding="ascii")
    with pytest.raises(SetupError, match=said) as caught:
        Tls(str(file)).context()
    assert str(file) in caught.value.message
    assert caught.value.hint

"""Why PostgreSQL can't be connected to, as far as no real server is needed; the rest is in tests/outside."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from tests.servers.authority import Authority
from whereupon.connect.databases import database
from whereupon.model.errors import Away, SetupError


@contextmanager
def answering(said: bytes, authority: Authority | None = None) -> Iterator[int]:
    """A server that answers the first words by `said`, goes on in TLS where it has an authority, and hangs up."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        thread = threading.Thread(target=_serve, args=(server, said, authority), daemon=True)
        thread.start()
        yield server.getsockname()[1]
        with suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def _serve(server: socket.socket, said: bytes, authority: Authority | None) -> None:
    while True:
        try:
            taken, _ = server.accept()
        except OSError:
            return
        with closing(taken):
            try:
                taken.recv(8)
                taken.sendall(said)
                if authority is not None:
                    authority.context().wrap_socket(taken, server_side=True).close()
            except OSError:
                continue


def opened(port: int, options: str = "") -> None:
    database(f"postgresql://u@localhost:{port}/d{options}", folder=Path(), password="x").session(timeout=2)


@pytest.mark.req("SEC-01")
def test_a_server_without_encryption_is_for_a_person() -> None:
    with answering(b"N") as port, pytest.raises(SetupError, match="doesn't offer encryption"):
        opened(port, "?sslmode=verify-full")


@pytest.mark.req("SEC-01")
def test_a_certificate_of_a_stranger_is_for_a_person(authority: Authority) -> None:
    with answering(b"S", authority) as port, pytest.raises(SetupError, match="can't be trusted"):
        opened(port, "?sslmode=verify-full")


@pytest.mark.req("SEC-01")
def test_a_certificate_for_another_name_is_for_a_person_unless_names_dont_count(authority: Authority) -> None:
    trusted = f"&sslrootcert={authority.ca}&hostaddr=127.0.0.1"
    with answering(b"S", authority) as port:
        url = f"postgresql://u@elsewhere.example:{port}/d?sslmode=verify-full{trusted}"
        with pytest.raises(SetupError, match=r"certificate of elsewhere\.example"):
            database(url, folder=Path(), password="x").session(timeout=2)
        with pytest.raises(Away):
            database(url.replace("full", "ca"), folder=Path(), password="x").session(timeout=2)


@pytest.mark.parametrize("said", [b"", b"nonsense\n", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_a_server_that_isnt_postgresql_is_away(said: bytes) -> None:
    with answering(said) as port, pytest.raises(Away, match="can't be reached"):
        opened(port, "?sslmode=disable")


def test_a_host_that_nobody_knows_is_away() -> None:
    with pytest.raises(Away, match="can't be reached"):
        database("postgresql://u@nowhere.invalid/d", folder=Path(), password="x").session(timeout=2)


def test_a_socket_that_isnt_there_is_away(tmp_path: Path) -> None:
    with pytest.raises(Away, match="can't be reached"):
        database(f"postgresql:///d?host={tmp_path}", folder=Path()).session(timeout=2)

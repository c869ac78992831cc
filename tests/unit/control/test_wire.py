"""The wire answers this user's processes, and nobody who doesn't hold the token."""

from __future__ import annotations

import json
import socket
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.servers.processes import wait_until
from whereupon.control import wire
from whereupon.control.wire import WireClient, WireServer, Words
from whereupon.host.machine import machine
from whereupon.model import errors
from whereupon.model.errors import Away, Locked, SetupError, Unavailable, WhereuponError

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="these tests speak over Unix sockets themselves"
)


def echo(words: Words) -> Words:
    return {"heard": words["text"]}


def fails(words: Words) -> Words:
    kind: type[WhereuponError] | None = getattr(errors, str(words["kind"]), None)
    if kind is None:
        raise ZeroDivisionError("oh")
    raise kind("It failed.", hint="Do this.")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[WireServer]:
    commands = {"echo": echo, "fail": fails}
    with WireServer(tmp_path, status=lambda: {"lag": 3}, commands=commands) as made:
        yield made


@pytest.fixture
def client(server: WireServer, tmp_path: Path) -> WireClient:
    return WireClient(tmp_path)


def written(folder: Path) -> dict[str, str]:
    read: dict[str, str] = json.loads((folder / "service.wire").read_text(encoding="utf-8"))
    return read


class Stranger:
    """Somebody who speaks with the socket by hand."""

    def __init__(self, folder: Path) -> None:
        self.end = socket.socket(socket.AF_UNIX)
        self.end.settimeout(10)
        self.end.connect(written(folder)["address"])
        self.lines = self.end.makefile("rb")
        self.hello = self.hear()

    def hear(self) -> dict[str, Any]:
        read: dict[str, Any] = json.loads(self.lines.readline())
        return read

    def say(self, line: bytes) -> bytes:
        self.end.sendall(line + b"\n")
        return self.lines.readline()

    def prove(self, token: str) -> None:
        proof = wire._proof(token, "asks", self.hello["nonce"], "n")
        self.say(json.dumps({"proof": proof, "nonce": "n"}).encode())

    def close(self) -> None:
        self.lines.close()
        self.end.close()


@pytest.fixture
def stranger(server: WireServer, tmp_path: Path) -> Iterator[Stranger]:
    made = Stranger(tmp_path)
    yield made
    made.close()


def test_status_is_what_the_server_says(client: WireClient) -> None:
    assert client.status() == {"lag": 3}


def test_a_command_is_given_its_words_and_answers(client: WireClient) -> None:
    assert client.command("echo", text="Zoë") == {"heard": "Zoë"}


@pytest.mark.parametrize("kind", ["SetupError", "Refused", "Unavailable", "Away", "Locked", "WhereuponError"])
def test_an_error_arrives_as_it_was_raised(client: WireClient, kind: str) -> None:
    with pytest.raises(WhereuponError) as told:
        client.command("fail", kind=kind)
    assert (type(told.value).__name__, told.value.message, told.value.hint) == (
        kind,
        "It failed.",
        "Do this.",
    )


def test_what_nobody_expected_is_logged_there_and_told_in_short(client: WireClient, logs: Any) -> None:
    logs.expect("A command over the wire failed")
    with pytest.raises(WhereuponError, match=r"failed to do that\. See its log"):
        client.command("fail", kind="nothing known")
    assert client.status() == {"lag": 3}


def test_an_unknown_command_is_refused(client: WireClient) -> None:
    with pytest.raises(SetupError, match="doesn't know “dance”"):
        client.command("dance")


def test_nobody_answers_where_no_service_ever_ran(tmp_path: Path) -> None:
    with pytest.raises(Away, match="No service answers here"):
        WireClient(tmp_path).status()


def test_a_file_that_a_killed_service_left_proves_nothing(server: WireServer, tmp_path: Path) -> None:
    left = (tmp_path / "service.wire").read_bytes()
    server.stop()
    (tmp_path / "service.wire").write_bytes(left)
    with pytest.raises(Away, match="No service answers here"):
        WireClient(tmp_path).status()


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"address": 7}'])
def test_a_spoiled_file_is_as_good_as_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "service.wire").write_text(content, encoding="utf-8")
    with pytest.raises(Away):
        WireClient(tmp_path).status()


def test_a_socket_that_a_killed_service_left_is_cleared_away(server: WireServer, tmp_path: Path) -> None:
    address = written(tmp_path)["address"]
    server.stop()
    server.stop()
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(address)
    dead.close()
    with WireServer(tmp_path, status=lambda: {"new": True}):
        assert WireClient(tmp_path).status() == {"new": True}


def test_a_second_server_of_a_folder_is_refused_and_the_first_goes_on(
    client: WireClient, tmp_path: Path
) -> None:
    with pytest.raises(Locked, match="already answers here"):
        WireServer(tmp_path, status=dict).start()
    assert client.status() == {"lag": 3}


def test_two_servers_of_different_names_share_a_folder(client: WireClient, tmp_path: Path) -> None:
    with WireServer(tmp_path, status=lambda: {"watcher": True}, name="watcher"):
        assert WireClient(tmp_path, name="watcher").status() == {"watcher": True}
        assert client.status() == {"lag": 3}


@pytest.mark.req("SEC-01")
def test_token_and_socket_are_their_owners_alone(server: WireServer, tmp_path: Path) -> None:
    assert (tmp_path / "service.wire").stat().st_mode & 0o777 == 0o600
    assert Path(written(tmp_path)["address"]).parent.stat().st_mode & 0o777 == 0o700
    assert len(bytes.fromhex(written(tmp_path)["token"])) == 32


@pytest.mark.parametrize(
    "line",
    [
        b'{"proof": "00", "nonce": "n"}',
        b'{"ask": "status"}',
        b'{"proof": null}',
        '{"proof": "é"}'.encode(),
        b"GET / HTTP/1.1",
        b"[1]",
        b"[" * 4000,
        b"x" * 5000,
    ],
)
def test_whoever_does_not_prove_the_token_is_told_nothing(
    stranger: Stranger, line: bytes, client: WireClient
) -> None:
    try:
        told = stranger.say(line)
    except ConnectionError:
        told = b""
    assert told == b""
    assert client.status() == {"lag": 3}


def test_a_proof_cannot_be_played_again(server: WireServer, tmp_path: Path) -> None:
    first, second = Stranger(tmp_path), Stranger(tmp_path)
    proof = wire._proof(written(tmp_path)["token"], "asks", first.hello["nonce"], "n")
    line = json.dumps({"proof": proof, "nonce": "n"}).encode()
    assert b"proof" in first.say(line)
    assert second.say(line) == b""
    first.close()
    second.close()


def test_whoever_proves_the_token_may_ask_again_and_again(stranger: Stranger, tmp_path: Path) -> None:
    stranger.prove(written(tmp_path)["token"])
    for _ in range(3):
        assert json.loads(stranger.say(b'{"ask": "status"}')) == {"answer": {"lag": 3}}
    assert b"SetupError" in stranger.say(b'{"ask": "command", "words": 7}')


def test_too_many_talks_at_once_are_turned_away(
    server: WireServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "_TALKS", 1)
    first = Stranger(tmp_path)
    with pytest.raises(Away, match="broke off"):
        WireClient(tmp_path).status()
    first.close()

    def answers() -> bool:
        try:
            return bool(WireClient(tmp_path).status())
        except Away:
            return False

    wait_until(answers)


class Impostor:
    """A process that took the address and doesn't know the token; it says `line` after its hello."""

    def __init__(self, folder: Path, hello: Mapping[str, object], line: bytes) -> None:
        self.listener = machine.Listener("impostor")
        address = {"address": self.listener.address, "token": "00" * 32}
        (folder / "service.wire").write_text(json.dumps(address), encoding="utf-8")
        self.thread = threading.Thread(target=self._serve, args=(json.dumps(hello).encode(), line))
        self.thread.start()

    def _serve(self, hello: bytes, line: bytes) -> None:
        talk = self.listener.accept(10)
        assert talk is not None
        talk.send(hello, 5)
        try:
            talk.receive(5, 4096)
            if line:
                talk.send(line, 5)
            talk.receive(10, 4096)
        except OSError:
            pass
        talk.close()

    def close(self) -> None:
        self.thread.join(20)
        self.listener.close()


@pytest.mark.parametrize(
    ("hello", "line", "kind", "words"),
    [
        ({"whereupon": 1, "nonce": "n"}, b'{"proof": "00"}', Away, "broke off"),
        ({"whereupon": 1, "nonce": "n"}, b"what?", Away, "broke off"),
        ({"whereupon": 99}, b"", SetupError, "another version"),
        ({"whereupon": 1, "nonce": "n"}, b"", Away, "doesn't respond"),
    ],
)
def test_a_client_believes_nobody_who_does_not_prove_the_token(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    hello: dict[str, object],
    line: bytes,
    kind: type[WhereuponError],
    words: str,
) -> None:
    monkeypatch.setattr(wire, "_PROMPT", 0.3)
    impostor = Impostor(tmp_path, hello, line)
    with pytest.raises(kind, match=words):
        WireClient(tmp_path).status()
    impostor.close()


def test_a_socket_that_a_clean_up_removed_comes_back(server: WireServer, tmp_path: Path) -> None:
    Path(written(tmp_path)["address"]).unlink()

    def answers() -> bool:
        try:
            return bool(WireClient(tmp_path).status())
        except Away:
            return False

    wait_until(answers)


def test_a_place_that_cannot_be_had_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(name: str) -> None:
        raise PermissionError(13, "It belongs to somebody else")

    monkeypatch.setattr(machine, "Listener", nowhere)
    with pytest.raises(Unavailable, match="belongs to somebody else"):
        WireServer(tmp_path, status=dict).start()


class Listens:
    """A subscriber in a thread of its own."""

    def __init__(self, folder: Path, server: WireServer) -> None:
        self.heard: list[dict[str, Any]] = []
        self.ended: list[Exception] = []
        self._folder = folder
        self.thread = threading.Thread(target=self._listen)
        self.thread.start()
        wait_until(lambda: server._subscribers)

    def wait_for(self, many: int) -> None:
        wait_until(lambda: len(self.heard) == many)

    def _listen(self) -> None:
        try:
            for event in WireClient(self._folder).events():
                self.heard.append(event)
        except Away as error:
            self.ended.append(error)


def test_who_listens_hears_every_event_in_order_until_the_server_ends(
    server: WireServer, tmp_path: Path
) -> None:
    server.publish({"n": -1})
    listeners = [Listens(tmp_path, server) for _ in range(2)]
    wait_until(lambda: len(server._subscribers) == 2)
    for number in range(500):
        server.publish({"n": number})
    for each in listeners:
        each.wait_for(500)
        assert each.heard == [{"n": number} for number in range(500)]
    server.stop()
    for each in listeners:
        each.thread.join(10)
        assert len(each.ended) == 1


def test_a_slow_listener_is_told_how_many_it_missed_and_nobody_waits_for_it(
    server: WireServer, tmp_path: Path
) -> None:
    listener = Listens(tmp_path, server)
    for number in range(5000):
        server.publish({"n": number})
    wait_until(lambda: listener.heard and listener.heard[-1] == {"n": 4999})
    missed = sum(each.get("missed", 0) for each in listener.heard)
    assert missed + sum("n" in each for each in listener.heard) == 5000
    server.stop()
    listener.thread.join(10)


def test_who_hangs_up_is_forgotten(server: WireServer, tmp_path: Path) -> None:
    events = WireClient(tmp_path).events()
    said = threading.Timer(0.1, server.publish, [{"n": 1}])
    said.start()
    assert next(events) == {"n": 1}
    said.join(10)
    events.close()  # type: ignore[attr-defined]

    def forgotten() -> bool:
        server.publish({"n": 2})
        return not server._subscribers

    wait_until(forgotten)

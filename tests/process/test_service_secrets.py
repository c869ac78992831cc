"""No secret leaves the vault: not into a file, a log, a database or the list of processes, whatever goes wrong."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import pytest

from tests.faults.service import System, ToKafka, mail, on_postgresql, setup, sign_ins, web_hook
from tests.servers import kafka as broker
from tests.servers import postgresql as server
from tests.servers.http import HttpSink
from tests.servers.kafka import Kafka
from tests.servers.postgresql import PostgreSQL
from tests.servers.processes import wait_until
from tests.servers.scripted_smtp import ScriptedSmtp

pytestmark = [pytest.mark.process, pytest.mark.outside, pytest.mark.slow]

PASSPHRASE = "canary-passphrase-c0ffee-51"
CANARIES = {
    "SaslPassword": broker.PASSWORD,
    "a wrong SaslPassword": "canary-sasl-7d1f",
    "token": "canary-token-93ab",
    "mail password": "canary-mail-20ce",
    "database password": server.PASSWORD,
}


def secure(kafka: Kafka, topic: str, password: str) -> dict[str, Any]:
    """A stream on the broker's SASL_SSL listener, its password written out, as a hasty admin would."""
    provider = {
        "BootstrapServers": kafka.secure,
        "SecurityProtocol": "SaslSsl",
        "SaslMechanism": "Plain",
        "SaslUsername": broker.USER,
        "SaslPassword": password,
        "ssl.ca.location": str(kafka.ca),
    }
    return {"type": "kafka", "settings": {"Topic": topic, "GroupId": topic}, "provider": provider}


def written(system: System) -> Iterator[tuple[str, bytes]]:
    """Every file in and beside the system's folder, but the set-up files, which a person wrote."""
    for each in system.folder.parent.rglob("*"):
        if each.is_file() and not each.name.startswith("setup-"):
            yield str(each), each.read_bytes()


def in_databases(postgresql: PostgreSQL, names: list[str]) -> Iterator[tuple[str, bytes]]:
    """Every row of every table."""
    for name in names:
        for (table,) in postgresql.rows(name, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"):
            for row in postgresql.rows(name, f'SELECT * FROM "{table}"'):
                values = (bytes(each) if isinstance(each, memoryview) else str(each).encode() for each in row)
                yield f"{name}.{table}", b"\0".join(values)


def processes() -> Iterator[tuple[str, bytes]]:
    """The words and the environment of our processes, which others of this user can read."""
    for each in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            words = each.cmdline()
            if "whereupon" in words:
                yield f"words of {words}", "\0".join(words).encode()
                yield f"environment of {words}", "\0".join(each.environ().values()).encode()


def found(places: Iterator[tuple[str, bytes]], secrets: dict[str, str]) -> list[str]:
    """Where a secret stands, plainly or as a part of an address."""
    spelled = [
        (name, form.encode()) for name, value in secrets.items() for form in {value, quote(value, safe="")}
    ]
    return [f"{name} in {place}" for place, text in places for name, form in spelled if form in text]


def test_secrets_stand_in_the_vault_alone(
    tmp_path: Path, kafka: Kafka, postgresql: PostgreSQL, scripted_smtp: ScriptedSmtp, http_sink: HttpSink,
    system_of: Callable[..., System],
) -> None:  # fmt: skip
    topic = kafka.new_topic("secrets")
    plain = on_postgresql(postgresql, "secrets")
    databases = {
        name: postgresql.url(url.rpartition("/")[2].partition("?")[0]) for name, url in plain.items()
    }
    scripted_smtp.script("auth", "535 5.7.8 wrong password", then="close")
    channels = [
        web_hook(http_sink.url, token=CANARIES["token"]),
        mail(scripted_smtp.port, username="shop", password=CANARIES["mail password"]),
    ]

    def wanted(password: str) -> dict[str, Any]:
        return setup(
            stream=secure(kafka, topic, password), channels=channels, databases=databases, store=True
        )

    system = system_of(wanted(CANARIES["a wrong SaslPassword"]), passphrase=PASSPHRASE)
    system.know([f"p{each}" for each in range(20)])
    system.start("--log-level", "debug")
    wait_until(lambda: system.status()["streams"][0]["state"], within=20, what="The refused sign-in")
    seen = list(processes())
    said = [("status", system.command("service", "status", "--json").encode())]
    system.apply(wanted(CANARIES["SaslPassword"]))
    ToKafka(kafka, topic)([value for _, value in sign_ins(range(20))])
    http_sink.wait_for(20, within=40)
    scripted_smtp.wait_for(20, within=20)
    assert next(iter(http_sink.taken().values())).headers["authorization"] == f"Bearer {CANARIES['token']}"
    said += [(" ".join(words), system.command(*words).encode()) for words in (("export",), ("history",))]
    said.append(("doctor", system.run("doctor").stdout.encode()))
    seen += list(processes())
    system.settle(events=20)
    system.stop()
    said.append(("activity", system.command("activity", "--json").encode()))
    names = [url.rpartition("/")[2].partition("?")[0] for url in plain.values()]
    secrets = dict(CANARIES)
    assert found(iter(said), secrets) == []
    assert found(written(system), {**secrets, "passphrase": PASSPHRASE}) == []
    assert found(in_databases(postgresql, names), secrets) == []
    assert seen
    assert found(iter(seen), secrets) == []
    # The search itself finds what stands there.
    assert found(iter([("here", f"x{quote(server.PASSWORD, safe='')}x".encode())]), secrets)

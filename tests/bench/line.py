"""The whole way, Kafka → PostgreSQL store → HTTP, beside the bare prototype in the same run."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

import psycopg

from tests.bench.filling import make_store
from tests.servers.kafka import Kafka
from tests.servers.postgresql import PostgreSQL
from tests.servers.processes import ROOT

EVENTS = int(os.environ.get("BENCH_EVENTS", "40000"))
RECORDS = int(os.environ.get("BENCH_RECORDS", "200000"))
PAIRS = int(os.environ.get("BENCH_PAIRS", "3"))


def run() -> dict[str, Any]:
    """Both, interleaved; the medians of their rates and CPU times."""
    ours, theirs = [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with servers(folder) as (kafka, postgresql, store_number, database):
            for number in range(PAIRS):
                theirs.append(prototype(folder, kafka, postgresql.dsn(database), store_number, number))
                ours.append(whereupon(folder, kafka, postgresql.url(database), number))
                say(f"pair {number + 1}: ours {ours[-1]}, prototype {theirs[-1]}")
    rate_ours = statistics.median(each["rate"] for each in ours)
    rate_theirs = statistics.median(each["rate"] for each in theirs)
    return {
        "name": "line",
        "ours": round(rate_ours),
        "theirs": round(rate_theirs),
        "ratio": round(
            statistics.median(a["rate"] / b["rate"] for a, b in zip(ours, theirs, strict=True)), 3
        ),
        "goal": 0.25,
        "unit": "messages/s",
        "pairs": PAIRS,
        "events": EVENTS,
        "records": RECORDS,
        "cpu_us": round(statistics.median(each["cpu_us"] for each in ours), 1),
        "cpu_us_theirs": round(statistics.median(each["cpu_us"] for each in theirs), 1),
        "cpu_us_by_thread": ours[-1]["threads"],
        "unaccounted": sum(each["unaccounted"] for each in ours),
    }


@contextmanager
def servers(folder: Path) -> Iterator[tuple[Kafka, PostgreSQL, int, str]]:
    """A broker, a cluster with the store's records."""
    kafka, postgresql = Kafka(folder / "kafka"), PostgreSQL()
    try:
        say("starting Kafka and PostgreSQL ...")
        kafka.start()
        postgresql.start()
        database = postgresql.create_database("bench")
        say(f"filling the store with {RECORDS:,} records ...")
        yield kafka, postgresql, fill(postgresql.dsn(database), postgresql.url(database), folder), database
    finally:
        kafka.stop()
        postgresql.remove()


def fill(dsn: str, url: str, folder: Path) -> int:
    """Records in the store's own tables, made by the component with one record, then copied in."""
    number = make_store(url, folder)
    with psycopg.connect(dsn, autocommit=True) as connection:
        cursor = connection.cursor()
        with cursor.copy("COPY record (store, reference, fields, updated) FROM STDIN") as copy:
            for each in range(RECORDS):
                fields = json.dumps({"urn": f"u{each}", "firstname": f"Ada{each}", "offer": "TEAL20"})
                copy.write_row((number, f"u{each}", fields, 0))
        cursor.execute("ANALYZE record")
    return number


def events() -> list[bytes]:
    """Sign-ins of different persons, about 187 bytes each."""
    now = int(time.time() * 1000)
    return [
        json.dumps(
            {"id": f"e{now}-{each}", "urn": f"u{each * 7919 % RECORDS}", "email": f"ada{each}@example.org", "at": now,
             "location": "Lisbon, Portugal", "page": "/account/sign-in", "agent": "Mozilla/5.0"}
        ).encode()
        for each in range(EVENTS)
    ]  # fmt: skip


def whereupon(folder: Path, kafka: Kafka, pull_marketing: str, number: int) -> dict[str, Any]:
    """Ours."""
    home = folder / f"ours{number}"
    home.mkdir()
    streams = os.environ.get("BENCH_JOURNAL", "sqlite:///SD.db")
    words = {"folder": str(home), "pull_marketing": pull_marketing, "streams": streams}
    return measured("tests.bench.ours", kafka, words)


def prototype(folder: Path, kafka: Kafka, dsn: str, store: int, number: int) -> dict[str, Any]:
    """The bare one."""
    return measured("tests.bench.prototype", kafka, {"dsn": dsn, "store": store, "group": f"bare{number}"})


def measured(module: str, kafka: Kafka, words: dict[str, Any]) -> dict[str, Any]:
    """Run a module over a topic full of events; messages a second as the sink saw them."""
    topic = kafka.new_topic("bench")
    kafka.produce(topic, events())
    with sink() as url:
        words |= {"bootstrap": kafka.plain, "topic": topic, "url": url + "send", "count": EVENTS}
        command = [sys.executable, "-m", module, json.dumps(words)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
        if done.returncode:
            raise SystemExit(done.stderr[-3000:])
        said = json.loads(done.stdout.splitlines()[-1])
        figures = json.loads(urllib.request.urlopen(url + "figures", timeout=10).read())  # noqa: S310
    seconds = (figures["last"] - figures["first"]) / 1e9
    withheld = said.get("counts", {}).get("withheld", 0)
    return {
        "rate": round(figures["count"] / seconds),
        "cpu_us": round(said["cpu"] / EVENTS * 1e6, 1),
        "unaccounted": EVENTS - figures["keys"] - withheld,
        "withheld": withheld,
        "latencies": said.get("latencies"),
        "threads": {name: round(spent / EVENTS * 1e6, 1) for name, spent in said.get("threads", {}).items()},
    }


@contextmanager
def sink(delay: float = 0.0) -> Iterator[str]:
    """The HTTP sink."""
    command = [sys.executable, "-m", "tests.bench.sink", str(delay)]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield f"http://127.0.0.1:{cast(IO[str], process.stdout).readline().strip()}/"
        cast(IO[str], process.stdin).close()
        process.wait(10)


def say(words: str) -> None:
    """To standard error."""
    sys.stderr.write(words + "\n")


if __name__ == "__main__":
    sys.stdout.write(json.dumps(run()) + "\n")

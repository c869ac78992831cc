"""Row 20: a store's database that is slow, locked, or has no connection left, beside a stream that needs no store."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from tests.conftest import Bar
from tests.faults.checker import account
from tests.faults.service import System, Trickle, local, setup, sign_ins, to_local, web_hook
from tests.faults.sinks import KeyedSink
from tests.faults.streams import beside, said_of
from tests.servers.postgresql import PASSWORD, PostgreSQL

Report = Callable[[Mapping[str, Any]], None]
pytestmark = [pytest.mark.fault(20), pytest.mark.outside, pytest.mark.process, pytest.mark.slow]

BESIDE = 1_000_000
"""The number of the first event of the stream that needs no store."""
SLACK = 0.5
"""Seconds that a busy machine may add to the slowest of a hundred messages; a look-up would add 2."""


def test_a_database_that_does_not_answer_in_time_pauses_the_streams_that_need_it_and_no_other(
    postgresql: PostgreSQL, keyed: KeyedSink, system_of: Callable[..., System], seed: int, bar: Bar,
    fault_report: Report,
) -> None:  # fmt: skip
    lasting, shop = bar(quick=2.0, full=60.0), Shop(postgresql)
    # One connection: messages arrive in the order in which they were decided.
    first = setup(
        stream=local(), channels=[web_hook(keyed.url, concurrency=1)], databases={"pull_marketing": shop.url},
        store=True,
    )  # fmt: skip
    desk = web_hook(keyed.url, name="Desk")
    wanted = beside(first, name="Walk in", stream=local("walk-ins"), channel=desk)
    system = system_of(wanted, secrets={"database/pull_marketing": PASSWORD})
    system.know([f"p{each}" for each in range(500)])
    child = system.start()
    began, watch = time.monotonic(), Watch()
    numbers, others = itertools.count(), itertools.count(BESIDE)
    looked_up = Trickle(to_local(system), sign_ins(numbers, persons=500), rate=50)
    free = Trickle(watch.timed(to_local(system, "walk-ins")), sign_ins(others), rate=50)
    with looked_up, free:
        keyed.wait_for(100)
        for fault in (shop.locked, shop.slow, shop.exhausted):
            watch.calm(lasting)
            with fault(), watch.during():
                said_of(system, "The database")
                threading.Event().wait(lasting)
                said_of(system, "The database", within=1)
            said_of(system, "")
    produced = [*looked_up.produced, *free.produced]
    system.settle(events=len(produced))
    assert child.alive
    system.stop()
    activity, times = system.activity(), keyed.times()
    result = account(produced, keyed.arrived(), activity)
    arrived = {line["event_id"]: times[line["key"]][0] for line in activity if line["key"] in times}
    took = watch.latencies({each.id: arrived[each.id] for each in free.produced})
    calm, during = (percentile(each, 99) for each in took)
    seconds = time.monotonic() - began
    figures = {"p99 calm": round(calm, 4), "p99 during": round(during, 4)}
    fault_report({**result.row(20, seed=seed, kills=0, seconds=seconds), **figures})
    assert result.settled, result.problems
    assert not result.problems
    assert result.delivered == len(produced)
    order = [each.id for each in looked_up.produced]
    assert sorted(order, key=lambda each: arrived[each]) == order
    assert during <= 1.2 * calm + SLACK


class Shop:
    """The store's database, of a user who may not pass its limits."""

    def __init__(self, postgresql: PostgreSQL) -> None:
        self._server = postgresql
        self._name = postgresql.create_database("row20")
        self._user = f"shop_{self._name}"
        self._ask(f"CREATE ROLE {self._user} LOGIN PASSWORD '{PASSWORD.replace(chr(39), 2 * chr(39))}'")
        self._ask(f"ALTER DATABASE {self._name} OWNER TO {self._user}")
        self._ask(f"GRANT ALL ON SCHEMA public TO {self._user}")

    @property
    def url(self) -> str:
        """How the product reaches it."""
        return self._server.url(self._name, password=None).replace("//owner@", f"//{self._user}@")

    def _ask(self, *statements: str) -> None:
        for each in statements:
            self._server.execute(self._name, each)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Somebody changes the table for a while."""
        with psycopg.connect(self._server.dsn(self._name)) as connection:
            connection.execute("LOCK TABLE record IN ACCESS EXCLUSIVE MODE")
            yield

    @contextmanager
    def slow(self) -> Iterator[None]:
        """Every look-up takes 3 seconds."""
        self._ask(
            "ALTER TABLE record RENAME TO hidden;"
            "CREATE VIEW record AS SELECT h.* FROM (SELECT pg_sleep(3)) AS s, hidden AS h;"
            f"GRANT SELECT ON record TO {self._user}"
        )
        yield
        self._ask("DROP VIEW record; ALTER TABLE hidden RENAME TO record")

    @contextmanager
    def exhausted(self) -> Iterator[None]:
        """Others have taken all connections, the service's own too."""
        self._ask(f"ALTER DATABASE {self._name} CONNECTION LIMIT 0")
        self._ask(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{self._user}'")
        yield
        self._ask(f"ALTER DATABASE {self._name} CONNECTION LIMIT -1")


class Watch:
    """When each event of the other stream was sent, and which of that time was a fault's."""

    def __init__(self) -> None:
        self._sent: list[float] = []
        self._calm: list[tuple[float, float]] = []
        self._faults: list[tuple[float, float]] = []

    def timed(self, send: Callable[[Sequence[bytes]], None]) -> Callable[[Sequence[bytes]], None]:
        """`send` that notes when."""

        def noting(values: Sequence[bytes]) -> None:
            self._sent += [time.monotonic()] * len(values)
            send(values)

        return noting

    def calm(self, seconds: float) -> None:
        """Let all be well for a while."""
        began = time.monotonic()
        threading.Event().wait(seconds)
        self._calm.append((began, time.monotonic()))

    @contextmanager
    def during(self) -> Iterator[None]:
        """Note a fault's time."""
        began = time.monotonic()
        yield
        self._faults.append((began, time.monotonic()))

    def latencies(self, arrived: Mapping[str, float]) -> tuple[list[float], list[float]]:
        """How long messages took while all was well, and while a fault lasted."""
        sent = {f"e{BESIDE + n}": at for n, at in enumerate(self._sent)}
        return tuple(
            [at - sent[each] for each, at in arrived.items() if any(a <= sent[each] <= b for a, b in spans)]
            for spans in (self._calm, self._faults)
        )  # type: ignore[return-value]


def percentile(values: Sequence[float], percent: int) -> float:
    """The value that so many of a hundred don't pass."""
    return sorted(values)[(len(values) * percent - 1) // 100]

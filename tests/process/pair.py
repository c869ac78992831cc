"""Two real services of one system, over one PostgreSQL and one topic of four partitions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tests.faults.checker import Produced
from tests.faults.service import (
    DATABASE_SECRETS,
    Part,
    System,
    on_kafka,
    on_postgresql,
    setup,
    sign_ins,
)
from tests.servers.kafka import Kafka
from tests.servers.postgresql import PostgreSQL
from tests.servers.processes import wait_until

SESSION = {"session.timeout.ms": 6_000}
"""The least that a broker allows: so long Kafka waits for a service that was killed."""


FIRST = "(SELECT MIN(owner) FROM lease)"
"""The owner of the first service's rows."""


class Pair:
    """Two services of one system, each in its folder; both have partitions when `start` returns."""

    def __init__(
        self,
        kafka: Kafka,
        postgresql: PostgreSQL,
        channel: Part,
        system_of: Callable[..., System],
        **more: Any,
    ) -> None:
        self.topic = kafka.new_topic("pair", partitions=4)
        self.kafka = kafka
        databases = on_postgresql(postgresql, "pair")
        self._postgresql = postgresql
        self._streams = databases["streams"].rpartition("/")[2].partition("?")[0]
        wanted = setup(
            stream=on_kafka(kafka, self.topic, **SESSION),
            channels=[channel],
            databases=databases,
            **more,
        )
        self.first, self.second = (
            system_of(wanted, name=name, secrets=DATABASE_SECRETS) for name in ("first", "second")
        )
        self.warm = 0

    def start(self) -> None:
        """Start both and send events until both have decided some."""
        self.first.start()
        self.join()

    def join(self) -> None:
        """Start the second beside the first."""
        self.second.start()
        wait_until(self._both, within=120, what="Work for both services")

    def _both(self) -> bool:
        some = [value for _, value in sign_ins(range(10_000 + self.warm, 10_008 + self.warm))]
        self.warm += 8
        self.produce(some)
        self.first.settle(events=self.warm)
        return self.first.count("SELECT COUNT(DISTINCT owner) FROM outcome WHERE event > 0") == 2

    def produce(self, values: Sequence[bytes]) -> None:
        """Put events on the topic, as many on each partition."""
        for partition in range(4):
            self.kafka.produce(self.topic, values[partition::4], partition=partition)

    def forget_the_first(self) -> None:
        """What a minute's silence does to the first one's lease, in a moment."""
        forget = f"UPDATE lease SET renewed = renewed - 60000 WHERE owner = {FIRST}"
        self._postgresql.execute(self._streams, forget)

    @property
    def warmed(self) -> list[Produced]:
        """The events that warmed both up."""
        return [each for each, _ in sign_ins(range(10_000, 10_000 + self.warm))]

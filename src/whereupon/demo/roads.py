"""How the demo's events get into their streams: files of this machine, or topics of a Kafka that somebody named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from whereupon.demo.traffic import Event
from whereupon.host.clock import Clock
from whereupon.model.errors import Away

if TYPE_CHECKING:
    from confluent_kafka.admin import AdminClient

PATIENCE = 15.0
"""Seconds that Kafka is waited for."""


class Road(Protocol):
    """The way into the streams; events are durable when `send` returns."""

    def send(self, events: Sequence[Event]) -> None:
        """Hand events over, in order."""

    def close(self) -> None:
        """Leave nothing behind but the events."""


class Files:
    """Local streams in a system's folder; `topics` maps streams to their topics."""

    def __init__(self, folder: Path, topics: Mapping[str, str], *, clock: Clock) -> None:
        from whereupon.components.streams.local import EventFile, place

        self._clock = clock
        self._opened = ExitStack()
        self._files = {stream: EventFile(place(folder, topic)) for stream, topic in topics.items()}
        for each in self._files.values():
            self._opened.callback(each.close)

    def send(self, events: Sequence[Event]) -> None:
        """One transaction for each stream."""
        for stream, file in self._files.items():
            some = [(each.person.encode() or None, each.value) for each in events if each.stream == stream]
            if some:
                file.append(some, now=self._clock.now())

    def close(self) -> None:
        """Close the files."""
        self._opened.close()


class Topics:
    """Topics of a Kafka without TLS or login, made for the demo; `keep` leaves them there."""

    def __init__(self, server: str, topics: Mapping[str, str], *, keep: bool) -> None:
        from confluent_kafka import Producer
        from confluent_kafka.admin import AdminClient
        from confluent_kafka.cimpl import NewTopic

        self._topics, self._keep, self._server = topics, keep, server
        settings: dict[str, str | int | float | bool] = {"bootstrap.servers": server, "log_level": 0}
        self._admin: AdminClient = AdminClient(settings)
        new = [NewTopic(each, num_partitions=1, replication_factor=1) for each in topics.values()]
        self._settle(self._admin.create_topics(new, operation_timeout=PATIENCE, request_timeout=PATIENCE))
        self._producer = Producer({**settings, "acks": "all", "linger.ms": "1"})

    def send(self, events: Sequence[Event]) -> None:
        """Produce them, and wait until Kafka has them."""
        for each in events:
            self._producer.produce(self._topics[each.stream], each.value, each.person.encode() or None)
        if self._producer.flush(PATIENCE):
            raise self._away("it didn't take the events in time")

    def close(self) -> None:
        """Delete the topics, unless they are to be kept."""
        if not self._keep:
            self._settle(self._admin.delete_topics(list(self._topics.values()), request_timeout=PATIENCE))

    def _settle(self, futures: Mapping[str, object]) -> None:
        from confluent_kafka import KafkaException

        for future in futures.values():
            try:
                future.result()  # type: ignore[attr-defined]
            except KafkaException as error:
                raise self._away(error.args[0].str()) from error

    def _away(self, reason: str) -> Away:
        return Away(
            f"Kafka at {self._server} can't be used: {reason}.",
            hint="Name a broker that listens without TLS and login, like localhost:9092.",
        )

"""Reading a Kafka topic without a group: its last events, and the stages of a test."""

from __future__ import annotations

import heapq
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from whereupon.connect.kafka import ClientLog, Cluster, trouble, unusable, with_certificates
from whereupon.kit.roles import Stage
from whereupon.model.errors import Away, WhereuponError
from whereupon.model.events import RawEvent

PATIENCE = 10.0
"""Seconds without an event or the topic's end after which reading is given up."""


def last_events(
    settings: Mapping[str, str], topic: str, group: str, most: int, secrets: Sequence[str] = ()
) -> Iterator[RawEvent]:
    """The last `most` events of all partitions together by the broker's time, oldest first."""
    cluster = Cluster(settings, topic=topic, secrets=secrets)
    partitions = cluster.topic().partitions
    first, ends = cluster.offsets(partitions, "earliest"), cluster.offsets(partitions, "latest")
    wanted = {each: max(first[each], ends[each] - most) for each in partitions if ends[each] > first[each]}
    newest: list[tuple[int, int, int, RawEvent]] = []
    for each in _events(settings, topic, group, wanted, ends, secrets):
        item = (each.at, each.partition, each.offset, each)
        if len(newest) < most:
            heapq.heappush(newest, item)
        else:
            heapq.heappushpop(newest, item)
    yield from (each for *_, each in sorted(newest, key=lambda item: item[:3]))


def _events(
    settings: Mapping[str, str],
    topic: str,
    group: str,
    wanted: Mapping[int, int],
    ends: Mapping[int, int],
    secrets: Sequence[str],
) -> Iterator[RawEvent]:
    if not wanted:
        return
    consumer = _reader(settings, group, secrets)
    left = set(wanted)
    try:
        consumer.assign([TopicPartition(topic, number, offset) for number, offset in wanted.items()])
        quiet_since = time.monotonic()
        while left:
            for message in consumer.consume(1000, 0.2):
                quiet_since = time.monotonic()
                yield from _event(message, topic, ends, left)
            if time.monotonic() - quiet_since > PATIENCE:
                raise Away(
                    f"Kafka stopped giving events of {topic}.", hint="Check its brokers, then try again."
                )
    finally:
        consumer.close()


def _event(message: Any, topic: str, ends: Mapping[int, int], left: set[int]) -> Iterator[RawEvent]:
    partition, error = message.partition(), message.error()
    if error is not None and error.code() != KafkaError._PARTITION_EOF:
        raise trouble(error, topic=topic)
    if partition is None or message.offset() is None or message.offset() >= ends[partition] - 1:
        left.discard(partition or 0)
    if error is None and message.offset() < ends[partition]:
        value, key = message.value(), message.key()
        yield RawEvent(partition, message.offset(), value, max(0, message.timestamp()[1]), key)


def _reader(settings: Mapping[str, str], group: str, secrets: Sequence[str]) -> Consumer:
    own = {"group.id": group, "enable.auto.commit": "false", "enable.partition.eof": "true"}
    own |= {"auto.offset.reset": "earliest", "statistics.interval.ms": "0"}
    try:
        return Consumer({**with_certificates(settings), **own}, logger=ClientLog())
    except KafkaException as error:
        raise unusable(error, secrets) from None


def stages(
    settings: Mapping[str, str], topic: str, group: str, secrets: Sequence[str] = ()
) -> Iterator[Stage]:
    """The stages of a test, each a sentence; ends at the first that fails."""
    tried: Iterator[Stage]
    for tried in (
        _found(settings),
        _talked(settings, topic, secrets),
        _read(settings, topic, group, secrets),
    ):
        for stage in tried:
            yield stage
            if not stage.ok:
                return


def _servers(settings: Mapping[str, str]) -> list[tuple[str, int]]:
    places = [each.strip().rpartition("://")[2] for each in settings["bootstrap.servers"].split(",")]
    pairs = [each.rpartition(":") if ":" in each else (each, ":", "9092") for each in places if each]
    return [(host.strip("[]"), int(port) if port.isdigit() else 0) for host, _, port in pairs]


def _found(settings: Mapping[str, str]) -> Iterator[Stage]:
    known, reached, why = [], [], ""
    for host, port in _servers(settings):
        try:
            addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            why = f"{host}: {error.strerror or error}"
            continue
        known.append(f"{host} is {addresses[0][4][0]}")
    yield Stage("Address", bool(known), "; ".join(known) or f"No address is known for {why}.", _hint(known))
    for host, port in _servers(settings):
        try:
            socket.create_connection((host, port), timeout=3).close()
        except OSError as error:
            why = f"{host}:{port}: {error.strerror or error}"
            continue
        reached.append(f"{host}:{port}")
    said = f"{', '.join(reached)} takes connections" if reached else f"Nobody answers at {why}."
    yield Stage("Connection", bool(reached), said, _hint(reached))


def _hint(found: Sequence[str]) -> str:
    return "" if found else "Check BootstrapServers, and whether a firewall stands between."


def _talked(settings: Mapping[str, str], topic: str, secrets: Sequence[str]) -> Iterator[Stage]:
    protocol = settings.get("security.protocol", "plaintext")
    try:
        cluster = Cluster(settings, topic=topic, secrets=secrets)
        topics = cluster.topics(within=5)
    except WhereuponError as error:
        yield from _failed(error, protocol, cluster_reason(error))
        return
    yield from _passed(protocol)
    yield Stage("Topics", True, f"{len(topics)} topics can be seen.")
    try:
        found = cluster.topic()
    except WhereuponError as error:
        near = [each for each in sorted(topics) if each.lower() == topic.lower()]
        yield Stage("Topic", False, error.message, f"Did you mean {near[0]}?" if near else error.hint)
        return
    yield Stage("Topic", True, f"{topic} has {len(found.partitions)} partitions.")


def cluster_reason(error: WhereuponError) -> str:
    """Which stage an error of the first question belongs to."""
    if "sign-in" in error.message:
        return "Sign-in"
    return "Encryption" if "secure connection" in error.message else "Topics"


def _failed(error: WhereuponError, protocol: str, stage: str) -> Iterator[Stage]:
    if stage == "Sign-in" and protocol.endswith("ssl"):
        yield Stage("Encryption", True, "The connection is encrypted.")
    yield Stage(stage, False, error.message, error.hint)


def _passed(protocol: str) -> Iterator[Stage]:
    secure = protocol.endswith("ssl")
    said = "The connection is encrypted." if secure else "The connection is not encrypted."
    yield Stage(
        "Encryption", True, said, "" if secure else "Use Ssl or SaslSsl where you can.", advice=not secure
    )
    if protocol.startswith("sasl"):
        yield Stage("Sign-in", True, "Kafka knows the user.")


def _read(settings: Mapping[str, str], topic: str, group: str, secrets: Sequence[str]) -> Iterator[Stage]:
    try:
        events = list(last_events(settings, topic, group, 1, secrets))
        known = _group(settings, topic, group, secrets)
    except WhereuponError as error:
        yield Stage("Reading", False, error.message, error.hint)
        return
    held = "its last event was read" if events else "it holds no event yet"
    yield Stage("Reading", True, f"{topic} may be read: {held}. The group {group} {known}.")


def _group(settings: Mapping[str, str], topic: str, group: str, secrets: Sequence[str]) -> str:
    consumer = _reader(settings, group, secrets)
    try:
        place = consumer.committed([TopicPartition(topic, 0)], timeout=5)[0]
    except KafkaException as error:
        raise trouble(error.args[0], topic=topic, group=group) from None
    finally:
        consumer.close()
    return "is known" if place.offset >= 0 else "is new"

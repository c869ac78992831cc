"""A Kafka cluster: its client's log, its errors in a person's words, and what it says of a topic."""

from __future__ import annotations

import base64
import contextlib
import logging
import re
import sys
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as TooSlow
from dataclasses import dataclass
from typing import Any, Literal

import certifi
import msgspec
from confluent_kafka import (
    ConsumerGroupState,
    IsolationLevel,
    KafkaError,
    KafkaException,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]

from whereupon.model.errors import Away, SetupError, WhereuponError

log = logging.getLogger(__name__)
STUCK_AFTER = 2
"""So many looks in a row at a partition that has events and gives none: the client is made anew."""
SAME_LINE_AGAIN = 60.0
"""Seconds for which the client's log doesn't repeat a line: it tries to connect several times a second."""
NO_ID = base64.b64encode(bytes(16)).decode().rstrip("=")
"""The topic id that brokers older than 2.8 give to every topic."""
DENIED = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    }
)
SIGN_IN = frozenset({KafkaError._AUTHENTICATION, KafkaError.SASL_AUTHENTICATION_FAILED})
STOPS = frozenset(
    {
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.FENCED_INSTANCE_ID,
        KafkaError._FENCED,
        KafkaError._FATAL,
    }
)
"""After these a consumer doesn't come back by itself."""
NOT_YET = frozenset(
    {
        KafkaError._UNKNOWN_PARTITION,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
    }
)
"""A client or broker that hasn't heard of a new topic's partitions yet."""
UNKNOWN_TOPIC = frozenset({KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC})


class ClientLog:
    """Takes librdkafka's own log lines; what matters of them comes as errors too, so they are never warnings."""

    def __init__(self) -> None:
        self._told: dict[str, float] = {}
        self._lock = threading.Lock()

    def log(self, _level: int, text: str, *values: object) -> None:
        """Pass a line on, but the same one only once a minute."""
        line = text % values
        # Ports stay, times ("after 3ms") and numbers of connections don't make a line another one.
        alike, now = re.sub(r"\(after .*|[0-9]+ms", "", line), time.monotonic()
        with self._lock:
            if now - self._told.get(alike, -SAME_LINE_AGAIN) < SAME_LINE_AGAIN:
                return
            self._told = {each: at for each, at in self._told.items() if now - at < SAME_LINE_AGAIN}
            self._told[alike] = now
        log.info("%s", line)


def with_certificates(settings: Mapping[str, str]) -> dict[str, str]:
    """The settings with the authorities to trust: Windows has its own store, elsewhere Mozilla's list is used."""
    own = {"ssl.ca.location", "ssl.ca.pem", "ssl.ca.certificate.stores"} & settings.keys()
    if own or sys.platform == "win32":
        return dict(settings)
    return {**settings, "ssl.ca.location": certifi.where()}


def trouble(error: KafkaError, *, topic: str = "", user: str = "", group: str = "") -> WhereuponError:
    """What an error of the client means for a person: SetupError where one has to act, else Away."""
    code, text = error.code(), error.str()
    if code in (KafkaError.FENCED_INSTANCE_ID, KafkaError._FENCED, KafkaError._FATAL):
        return SetupError(
            f"Another copy of this service reads the topic {topic} under the same name.",
            hint="End the other copy; a folder of a system is for one service.",
        )
    if code in DENIED:
        what = f"the group {group}" if code == KafkaError.GROUP_AUTHORIZATION_FAILED else f"the topic {topic}"
        return SetupError(
            f"Kafka doesn't let {user or 'this client'} read {what}.",
            hint="Grant the right to read and describe the topic, and to read with the group.",
        )
    if code in UNKNOWN_TOPIC:
        return no_such_topic(topic)
    if code in SIGN_IN:
        return Away(
            f"Kafka refused the sign-in of {user or 'this client'}: {text}",
            hint="Check the user name, the password and the SASL mechanism of the provider.",
        )
    if code == KafkaError._SSL:
        return Away(
            f"No secure connection to Kafka: {text}",
            hint="Check SecurityProtocol, and the certificate authority (SslCaLocation).",
        )
    if code == KafkaError._RESOLVE:
        return Away(f"Kafka's address isn't known: {text}", hint="Check BootstrapServers.")
    return Away(
        f"Kafka can't be reached: {text}", hint="Check that it runs, BootstrapServers and SecurityProtocol."
    )


def no_such_topic(topic: str) -> SetupError:
    """There is no topic of this name."""
    return SetupError(
        f"Kafka has no topic called {topic}.",
        hint="Create the topic, or correct Topic in the stream's settings.",
    )


def unusable(error: KafkaException, secrets: Iterable[str] = ()) -> SetupError:
    """The client refused its settings; no secret stands in the sentence."""
    text = error.args[0].str() if error.args and isinstance(error.args[0], KafkaError) else str(error)
    for secret in secrets:
        text = text.replace(secret, "…") if secret else text
    return SetupError(
        f"Kafka's client can't use these settings: {text}", hint="Correct the provider's settings."
    )


@dataclass(slots=True)
class Place:
    """How far a partition of ours is: `begun` and `next` are what the line got, `fetched` what the client has."""

    begun: int
    next: int
    fetched: int = -1
    end: int = -1
    last: int = -1
    looked: int = -1
    stuck: int = 0

    @property
    def lag(self) -> int:
        """Events that wait; what the client skipped (markers of transactions) doesn't count."""
        return max(0, self.end - max(self.next, self.fetched))

    def counted(self, end: int, fetched: int) -> None:
        """Note the client's statistics; they are a little old, so `fetched` counts where nothing moved since."""
        self.end, self.fetched = max(self.end, end), fetched if self.last == self.next else -1
        self.last = self.next

    def ends(self, end: int) -> bool:
        """Note where the partition ends; true if it has stood still with events waiting for too long."""
        self.end = max(self.end, end)
        still = self.lag > 0 and self.looked == self.next
        self.looked, self.stuck = self.next, self.stuck + 1 if still else 0
        return self.stuck >= STUCK_AFTER


class _Partition(msgspec.Struct):
    next_offset: int = -1
    ls_offset: int = -1
    fetchq_cnt: int = 0


class _Topic(msgspec.Struct):
    partitions: dict[str, _Partition] = {}


class _Broker(msgspec.Struct):
    state: str = ""


class _Statistics(msgspec.Struct):
    brokers: dict[str, _Broker] = {}
    topics: dict[str, _Topic] = {}


def counted(statistics: str, topic: str) -> tuple[bool, dict[int, tuple[int, int]]]:
    """What a consumer's statistics say: whether a broker is connected, and of each partition of the topic its end
    and how far it is fetched and handed over (-1 while events lie in the client's own queue)."""
    found = msgspec.json.decode(statistics, type=_Statistics)
    partitions = found.topics.get(topic, _Topic()).partitions
    return any(each.state == "UP" for each in found.brokers.values()), {
        int(number): (each.ls_offset, each.next_offset if each.fetchq_cnt == 0 else -1)
        for number, each in partitions.items()
        if number != "-1"
    }


@dataclass(frozen=True, slots=True)
class Topic:
    """What the cluster says of a topic: its lasting id (the name, where brokers are too old to give one)."""

    id: str
    partitions: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """A question under way: what the topic is now, and where its partitions end."""

    topic: Future[Any]
    ends: Mapping[int, Future[Any]]

    @property
    def answered(self) -> bool:
        """True if nothing of it has to be waited for."""
        return self.topic.done() and all(each.done() for each in self.ends.values())


class Cluster:
    """A connection for questions. Raises SetupError (settings, rights, no such topic) or Away."""

    def __init__(self, settings: Mapping[str, str], *, topic: str, secrets: Sequence[str] = ()) -> None:
        self._topic = topic
        self._user = settings.get("sasl.username", "")
        self.why: KafkaError | None = None
        """The last thing that kept the client from connecting."""
        calls: dict[str, Any] = {"error_cb": self._heard}
        try:
            client = AdminClient({**calls, **with_certificates(settings)}, logger=ClientLog())
        except KafkaException as error:
            raise unusable(error, secrets) from None
        self._client = client

    def _heard(self, error: KafkaError) -> None:
        if error.code() != KafkaError._ALL_BROKERS_DOWN:
            self.why = error

    def ask(self, partitions: Sequence[int] = (), *, within: float = 3.0) -> Asked:
        """Ask what the topic is and where these partitions end, without waiting."""
        self._client.poll(0)
        topic = self._client.describe_topics(TopicCollection([self._topic]), request_timeout=within)
        return Asked(topic[self._topic], self._offsets(partitions, "latest", within))

    def topic(self, asked: Asked | None = None, *, within: float = 3.0) -> Topic:
        """What the topic is."""
        described = self._answer((asked or self.ask(within=within)).topic, within)
        identity = str(described.topic_id)
        partitions = tuple(sorted(each.id for each in described.partitions))
        return Topic(self._topic if identity == NO_ID else identity, partitions)

    def ends(self, asked: Asked) -> dict[int, int]:
        """Where the partitions end: the offset that their next event will have."""
        return {number: self._answer(each, 3.0).offset for number, each in asked.ends.items()}

    def offsets(
        self, partitions: Sequence[int], place: Literal["earliest", "latest"], *, within: float = 3.0
    ) -> dict[int, int]:
        """The offset of each partition's first event that is left, or of its next one."""
        deadline = time.monotonic() + within
        while True:
            asked = self._offsets(partitions, place, within)
            failed = [each for each in asked.values() if _code(each, within) in NOT_YET]
            if not failed or time.monotonic() > deadline:
                return {number: self._answer(each, within).offset for number, each in asked.items()}
            threading.Event().wait(0.1)

    def held(self, group: str, *, within: float = 3.0) -> set[int] | None:
        """The topic's partitions that members of the group have; None while they are being dealt out."""
        asked = self._client.describe_consumer_groups([group], request_timeout=within)[group]
        found = self._answer(asked, within)
        if found.state != ConsumerGroupState.STABLE:
            return None
        places = (place for member in found.members for place in member.assignment.topic_partitions)
        return {place.partition for place in places if place.topic == self._topic}

    def topics(self, *, within: float = 3.0) -> list[str]:
        """The names of all topics that can be seen."""
        self._client.poll(0)
        try:
            return sorted(self._client.list_topics(timeout=within).topics)
        except KafkaException as error:
            self._client.poll(0)
            raise trouble(self._reason(error.args[0]), topic=self._topic, user=self._user) from None

    def _offsets(self, partitions: Sequence[int], place: str, within: float) -> dict[int, Future[Any]]:
        if not partitions:
            return {}
        at: Any = getattr(OffsetSpec, place)()
        wanted = {TopicPartition(self._topic, number): at for number in partitions}
        asked = self._client.list_offsets(
            wanted, request_timeout=within, isolation_level=IsolationLevel.READ_COMMITTED
        )
        return {place.partition: future for place, future in asked.items()}

    def _answer(self, future: Future[Any], within: float) -> Any:
        try:
            return future.result(within + 1)
        except TooSlow:
            raise Away("Kafka doesn't answer.", hint="Check that it runs and can be reached.") from None
        except KafkaException as error:
            self._client.poll(0)
            raise trouble(self._reason(error.args[0]), topic=self._topic, user=self._user) from None

    def _reason(self, error: KafkaError) -> KafkaError:
        vague = (KafkaError._TIMED_OUT, KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN)
        return self.why if self.why is not None and error.code() in vague else error


def _code(future: Future[Any], within: float) -> int | None:
    try:
        error = future.exception(within + 1)
    except TooSlow:
        return None
    return error.args[0].code() if isinstance(error, KafkaException) else None


def gone(cluster: Cluster | None, topic: str, partition: int, offset: int, *, hint: str) -> SetupError:
    """The offset to go on from is no longer in the partition (or not yet: then the topic lost events)."""
    held = ""
    with contextlib.suppress(WhereuponError):
        if cluster is not None:
            first = cluster.offsets([partition], "earliest")[partition]
            held = f" It now holds {first} to {cluster.offsets([partition], 'latest')[partition]}."
    return SetupError(
        f"Partition {partition} of the topic {topic} no longer has event {offset}, where this stream goes on.{held}",
        hint=hint,
    )

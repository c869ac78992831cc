"""Events from a Kafka topic."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import Field

from whereupon.kit.config import Config
from whereupon.kit.kafka_settings import CONNECTION, FIXED, TUNED, KafkaProvider, instance_id
from whereupon.kit.registry import stream
from whereupon.kit.roles import Context, Positions, Stage, Stream, choice
from whereupon.model.errors import Away, SetupError, Unavailable, WhereuponError
from whereupon.model.events import Batch, RawEvent

if TYPE_CHECKING:
    from confluent_kafka import Consumer, KafkaError, TopicPartition

    from whereupon.connect.kafka import Asked, Cluster, Place, Topic

log = logging.getLogger(__name__)

ASK_EVERY, ASK_AGAIN = 30.0, 1.0
"""Seconds between two looks at the topic's id and ends; after an error it is asked again sooner."""
DOWN_AFTER = 1.5
"""Seconds without any broker before it is said: one that only renews its connection is back at once."""
REST_AFTER_REFUSAL = 10.0
"""Seconds between two sign-ins with a refused password: a client would try several times a second."""


class KafkaConfig(Config):
    """One topic of the cluster."""

    topic: str = Field(
        alias="Topic",
        min_length=1,
        max_length=249,
        title="Topic",
        description="The topic that holds the events.",
        examples=["sign-ins"],
    )
    group_id: str = Field(
        "",
        alias="GroupId",
        title="Consumer group",
        description="The name that Kafka's own tools show us under; empty: system and stream.",
    )


@stream("kafka", title="Kafka", config=KafkaConfig, provider=KafkaProvider)
class Kafka(Stream[KafkaProvider, KafkaConfig]):
    """Reads a topic from the offsets of our own journal; what Kafka itself knows of us is for its tools.

    The group is joined under a lasting name, so that a restart goes on in a moment. `batch(most=0)` keeps the
    membership while the line has no room: partitions are paused, nothing is returned.
    """

    def __init__(self, provider: KafkaProvider, config: KafkaConfig, context: Context) -> None:
        super().__init__(provider, config, context)
        self._group = config.group_id or f"{context.system}.{context.name}"
        self._stored: Callable[[str, Sequence[int]], Positions] | None = None
        self._consumer: Consumer | None = None
        self._cluster: Cluster | None = None
        self._topic_id = ""
        self._places: dict[int, Place] = {}
        self._unplaced: list[int] | None = None
        self._kept: list[RawEvent] = []
        self._asked: Asked | None = None
        self._ask_at = self._rest_until = 0.0
        self._down_since = 0.0
        self._paused = self._joined_anew = False
        self._why: KafkaError | None = None
        self._stop: WhereuponError | None = None
        self._changed: SetupError | None = None
        self._doubts = 0
        self._closed = threading.Event()

    # ------------------------------------------------------------------------------------------ joining
    def open(self, stored: Callable[[str, Sequence[int]], Positions]) -> None:
        """Join the group; see Stream."""
        self._stored, self._topic_id = stored, ""
        self._closed.clear()
        self._join()

    def _join(self) -> Consumer:
        from confluent_kafka import Consumer, KafkaException

        from whereupon.connect.kafka import SIGN_IN, ClientLog, Cluster, unusable, with_certificates

        self._leave()
        settings, secrets = self.provider.client()
        own = {
            "client.id": f"whereupon-{socket.gethostname()}",
            "group.id": self._group,
            "group.instance.id": instance_id(self.context.system, self.context.name, self.context.folder_id),
        }
        calls: dict[str, Any] = {"error_cb": self._heard, "stats_cb": self._counted, "on_commit": _committed}
        self._cluster = Cluster({**CONNECTION, **settings}, topic=self.config.topic, secrets=secrets)
        try:
            self._same(self._cluster.topic())
            client = with_certificates({**TUNED, **settings, **FIXED, **own})
            self._consumer = consumer = Consumer({**client, **calls}, logger=ClientLog())
        except KafkaException as error:
            self._leave()
            raise unusable(error, secrets) from None
        except WhereuponError as error:
            refused = self._cluster.why is not None and self._cluster.why.code() in SIGN_IN
            self._rest(error, REST_AFTER_REFUSAL if refused else ASK_AGAIN)
            raise
        self._subscribe(consumer)
        self._ask_at = self._now() + ASK_EVERY
        return consumer

    def _subscribe(self, consumer: Consumer) -> None:
        topics = [self.config.topic]
        consumer.subscribe(topics, on_assign=self._given, on_revoke=self._taken, on_lost=self._taken)

    def _rest(self, error: WhereuponError, seconds: float) -> None:
        self._leave()
        self._stop, self._rest_until = error, self._now() + seconds

    def _leave(self) -> None:
        consumer, self._consumer, self._cluster, self._asked = self._consumer, None, None, None
        self._places, self._unplaced, self._kept = {}, None, []
        self._down_since = 0.0
        self._paused = self._joined_anew = False
        self._why = self._stop = self._changed = None
        self._doubts = 0
        if consumer is not None:
            consumer.close()

    def _now(self) -> float:
        return self.context.clock.monotonic()

    # ------------------------------------------------------------------- what the client calls, inside poll
    def _given(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        # An error raised here would make the client begin where Kafka thinks; so it begins nowhere, and `batch` places.
        consumer.assign([])
        self._stop = None
        self._unplaced = [each.partition for each in partitions if each.topic == self.config.topic]

    def _taken(self, consumer: Consumer, _partitions: list[TopicPartition]) -> None:
        self._places, self._unplaced, self._kept = {}, None, []
        with contextlib.suppress(RuntimeError):  # it is closing
            consumer.unassign()

    def _heard(self, error: KafkaError) -> None:
        if error.code() == error._ALL_BROKERS_DOWN:
            self._down_since = self._down_since or self._now()
            return
        self._why = error
        self._ask_at = min(self._ask_at, self._now() + ASK_AGAIN)

    def _counted(self, statistics: str) -> None:
        from whereupon.connect.kafka import counted

        connected, partitions = counted(statistics, self.config.topic)
        if connected:
            self._down_since, self._why = 0.0, None
        for number, place in self._places.items():
            if number in partitions:
                end, fetched = partitions[number]
                place.counted(end, fetched)

    # ------------------------------------------------------------------------------------------ placing
    def _place(self, consumer: Consumer, wanted: list[int]) -> None:
        from whereupon.connect.kafka import Place

        if self._cluster is None or self._stored is None:
            return
        topic = self._cluster.topic()
        self._same(topic)
        if not self._joined_anew and self._left_over(wanted, topic):
            # A lasting member is first given what it had, though its topic was changed or has grown since.
            self._joined_anew, self._unplaced = True, None
            consumer.unsubscribe()
            self._subscribe(consumer)
            return
        known = dict(self._stored(topic.id, wanted))
        if fresh := [each for each in wanted if each not in known]:
            others = [each for each in topic.partitions if each not in wanted]
            begun = known or (others and self._stored(topic.id, others))
            known |= self._cluster.offsets(fresh, "earliest" if begun else self.context.start)
        ends = self._cluster.offsets(wanted, "latest")
        self._places = {each: Place(known[each], known[each], end=ends[each]) for each in wanted}
        self._unplaced, self._kept = None, []
        self._assign(consumer)
        self.commit({each: known[each] for each in fresh})

    def _left_over(self, wanted: Sequence[int], topic: Topic) -> bool:
        if self._cluster is None or set(wanted) == set(topic.partitions):
            return False
        held = self._cluster.held(self._group)
        return held is not None and not held >= set(topic.partitions)

    def _same(self, topic: Topic) -> None:
        if self._topic_id not in ("", topic.id):
            raise SetupError(
                f"The topic {self.config.topic} was made anew: it is not the one whose events were read so far.",
                hint=choice(self.context.name),
            )
        self._topic_id = topic.id

    def _assign(self, consumer: Consumer) -> None:
        from confluent_kafka import TopicPartition

        self._pause(consumer, False)
        consumer.assign([TopicPartition(self.config.topic, n, each.next) for n, each in self._places.items()])

    # ------------------------------------------------------------------------------------------ reading
    def batch(self, *, most: int, size: int, wait: float) -> Batch:
        """Events as they come; see Stream."""
        self._look()
        consumer = self._consumer or self._again(wait)
        self._pause(consumer, most <= 0 or self._doubts > 0)
        if self._paused or not self._kept:
            self._take([consumer.poll(wait)])
        if not self._paused and 0 < len(self._kept) < most:
            self._take(consumer.consume(most - len(self._kept), 0))
        if self._unplaced is not None:
            self._place(consumer, self._unplaced)
        events = self._cut(most, size)
        if not events:
            self._complain()
        return Batch(self._topic_id, events)

    def rest(self) -> None:
        """Pause all partitions and stay a member."""
        self.batch(most=0, size=0, wait=0.0)

    def _again(self, wait: float) -> Consumer:
        left = self._rest_until - self._now()
        if left > 0 and self._stop is not None:
            self._closed.wait(min(wait, left))
            raise self._stop
        return self._join()

    def _take(self, messages: Sequence[Any]) -> None:
        places, kept = self._places, self._kept
        for each in messages:
            if each is None:
                continue
            if (error := each.error()) is not None:
                self._refused(error, each)
            elif (partition := each.partition()) in places:
                kept.append(
                    RawEvent(partition, each.offset(), each.value(), max(0, each.timestamp()[1]), each.key())
                )

    def _refused(self, error: KafkaError, message: Any) -> None:
        from whereupon.connect.kafka import STOPS, gone, trouble

        if error.code() == error._AUTO_OFFSET_RESET and message.partition() in self._places:
            place = self._places[message.partition()]
            at = message.partition(), place.next
            self._stop = gone(self._cluster, self.config.topic, *at, hint=choice(self.context.name))
        elif error.code() in STOPS or error.fatal():
            self._stop = trouble(
                error, topic=self.config.topic, user=self.provider.sasl_username, group=self._group
            )
        else:
            log.info("Kafka says of %s: %s", self.config.topic, error.str())
        self._ask_at = min(self._ask_at, self._now() + ASK_AGAIN)

    def _cut(self, most: int, size: int) -> Sequence[RawEvent]:
        events = self._kept
        if self._paused or not events:
            return ()
        fits = _fitting(events, most, size)
        events, self._kept = events[:fits], events[fits:]
        places = self._places
        for each in events:
            places[each.partition].next = each.offset + 1
        self._down_since = 0.0
        return events

    def _pause(self, consumer: Consumer, pause: bool) -> None:
        if pause == self._paused or not self._places:
            return
        (consumer.pause if pause else consumer.resume)(consumer.assignment())
        self._paused = pause

    def _complain(self) -> None:
        from whereupon.connect.kafka import SIGN_IN, trouble

        if (stopped := self._stop or self._changed) is not None:
            raise stopped
        if not self._down_since or self._now() - self._down_since < DOWN_AFTER:
            return
        if self._why is None:
            raise Away("Kafka can't be reached.", hint="Check that it runs.")
        error = trouble(
            self._why, topic=self.config.topic, user=self.provider.sasl_username, group=self._group
        )
        if self._why.code() in SIGN_IN:
            self._rest(error, REST_AFTER_REFUSAL)
        raise error

    # ----------------------------------------------------------------------------------- looking after
    def _look(self) -> None:
        """Ask, without waiting, whether the topic is still the same and where it ends; judge the last answer."""
        if self._cluster is None:
            return
        if self._asked is None:
            if self._now() >= self._ask_at:
                self._asked = self._cluster.ask(tuple(self._places))
            return
        if not self._asked.answered:
            return
        asked, self._asked, self._ask_at = self._asked, None, self._now() + ASK_EVERY
        try:
            self._same(self._cluster.topic(asked))
            self._changed, self._doubts = None, 0
            self._settle(self._cluster.ends(asked))
        except Unavailable:
            self._ask_at = self._now() + ASK_AGAIN
        except SetupError as error:
            # A broker that has just started may not know its topics yet, so it is asked a second time.
            self._changed, self._doubts = error if self._doubts else None, self._doubts + 1
            self._ask_at = self._now() + ASK_AGAIN

    def _settle(self, ends: Mapping[int, int]) -> None:
        ours = {number: end for number, end in ends.items() if number in self._places}
        stuck = [number for number, end in ours.items() if self._places[number].ends(end)]
        if stuck and not self._paused and not self._down_since:
            log.warning("Kafka gives no events of %s, partitions %s; joining anew", self.config.topic, stuck)
            self._leave()

    # ------------------------------------------------------------------------------------ for the line
    def assigned(self) -> Positions:
        """The partitions that are ours, each with the offset it began at."""
        return {number: each.begun for number, each in self._places.items()}

    def commit(self, positions: Positions) -> None:
        """Tell Kafka how far we are, without waiting for its answer."""
        from confluent_kafka import KafkaException, TopicPartition

        ours = [TopicPartition(self.config.topic, n, at) for n, at in positions.items() if n in self._places]
        if self._consumer is not None and ours:
            with contextlib.suppress(KafkaException):
                self._consumer.commit(offsets=ours, asynchronous=True)

    def seek(self, positions: Positions) -> None:
        """Go on from these offsets. Everything is assigned anew, which drops what the client has already fetched."""
        for number, offset in positions.items():
            if number in self._places:
                place = self._places[number]
                place.next, place.fetched, place.last = offset, -1, -1
        self._kept, self._stop = [], None
        if self._consumer is not None and self._places:
            self._assign(self._consumer)

    def lag(self) -> Mapping[int, int]:
        """Events not read yet, as the client last counted them."""
        return {number: each.lag for number, each in self._places.items()}

    # ------------------------------------------------------------------------------- beside the stream
    def read(self, *, last: int) -> Iterator[RawEvent]:
        """The last events of the topic, oldest first; joins no group."""
        from whereupon.connect.kafka_reading import last_events

        settings, secrets = self.provider.client()
        return last_events({**TUNED, **settings}, self.config.topic, self._group, last, secrets)

    def check(self) -> Iterator[Stage]:
        """Address, connection, encryption and sign-in, topics, this topic, reading from it."""
        from whereupon.connect.kafka_reading import stages

        settings, secrets = self.provider.client()
        return stages({**TUNED, **settings}, self.config.topic, self._group, secrets)

    def warnings(self) -> Sequence[str]:
        """No encryption, no checking of certificates, settings that are ours."""
        return self.provider.weaknesses()

    def close(self) -> None:
        """Leave; under a lasting name Kafka keeps the partitions for our return until the session times out."""
        self._closed.set()
        self._leave()


def _fitting(events: Sequence[RawEvent], most: int, size: int) -> int:
    """How many from the front stay within `size` bytes; at least one."""
    weight = 0
    for count, each in enumerate(events[:most]):
        weight += len(each.value or b"") + len(each.key or b"")
        if weight > size and count:
            return count
    return min(len(events), most)


def _committed(error: KafkaError | None, _partitions: list[TopicPartition]) -> None:
    if error is not None:
        log.debug("Kafka did not take the offsets: %s", error.str())

"""The bare prototype that the line is measured beside: consume, look up, render, send; no journal, stash or limits.

Two threads and a queue of 2 between them, as performance.md describes it: one polls and looks up, the other sends and
asks the first to commit. `python -m tests.bench.prototype '{"bootstrap", "topic", "group", "dsn", "store", "count",
"url" or "out", "batch", "handles"}'` posts to a URL, or produces to the topic `out`.
"""

from __future__ import annotations

import json
import queue
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from typing import Any

import orjson
import psycopg
from confluent_kafka import Consumer, Message, Producer, TopicPartition

from tests.bench.posting import Poster

BATCH, HANDLES = 500, 64
BODY = (
    '{{"campaign":"Welcome back","key":"{id}","urn":"{urn}","fields":{{"email":"{email}","forename":"{firstname}",'
    '"offer":"{offer}","location":"{location}","subject":"Welcome back, {firstname}",'
    '"body":"Dear {firstname}, here is {offer} for your stay in {location}."}}}}'
)
FIND = "SELECT reference, fields FROM record WHERE store = %s AND reference = ANY(%s)"
Words = dict[str, Any]
Batch = tuple[list[dict[str, Any]], dict[str, dict[str, Any]], dict[int, int]]


def main(words: Words) -> None:
    """Work through `count` events, then say what CPU time it took and, to Kafka, how long."""
    ready: queue.Queue[Batch | None] = queue.Queue(2)
    done: deque[dict[int, int]] = deque()
    poller = threading.Thread(target=poll, args=(words, ready, done))
    poller.start()
    said = produce(words, ready, done) if "out" in words else post(words, ready, done)
    poller.join()
    sys.stdout.write(json.dumps({"cpu": time.process_time(), **said}) + "\n")


def poll(words: Words, ready: queue.Queue[Batch | None], done: deque[dict[int, int]]) -> None:
    """Consume, decode and look up; commit what was sent, because another thread's commit starves."""
    consumer = Consumer(
        {"bootstrap.servers": words["bootstrap"], "group.id": words["group"], "enable.auto.commit": False,
         "auto.offset.reset": "earliest", "fetch.queue.backoff.ms": 5}
    )  # fmt: skip
    consumer.subscribe([words["topic"]])
    left, size = words["count"], words.get("batch", BATCH)
    with psycopg.connect(words["dsn"], autocommit=True) as connection:
        cursor = connection.cursor(binary=True)
        while left > 0:
            first = consumer.poll(0.2)
            if first is not None:
                messages = [first, *consumer.consume(size - 1, 0)]
                ready.put(looked_up(messages, words["store"], cursor))
                left -= len(messages)
            while done:
                commit(consumer, words["topic"], done.popleft())
    ready.put(None)
    consumer.close()


def looked_up(messages: list[Message], store: int, cursor: psycopg.Cursor[Any]) -> Batch:
    """The events of a batch, the records of their persons, and the offsets after them."""
    events = [orjson.loads(each.value() or b"") for each in messages]
    cursor.execute(FIND, (store, [each["urn"] for each in events]), prepare=True)
    found = {key: orjson.loads(fields) for key, fields in cursor.fetchall()}
    return events, found, {each.partition() or 0: (each.offset() or 0) + 1 for each in messages}


def commit(consumer: Consumer, topic: str, offsets: dict[int, int]) -> None:
    """Without waiting."""
    places = [TopicPartition(topic, *place) for place in offsets.items()]
    consumer.commit(offsets=places, asynchronous=True)


def rendered(batch: Batch) -> Iterator[tuple[str, str]]:
    """Key and body of each event."""
    events, found, _ = batch
    return ((each["id"], BODY.format_map({**each, **found[each["urn"]]})) for each in events)


def post(words: Words, ready: queue.Queue[Batch | None], done: deque[dict[int, int]]) -> Words:
    """Render and post, over kept connections."""
    poster = Poster(words["url"], words.get("handles", HANDLES))
    while (batch := ready.get()) is not None:
        poster.post(rendered(batch))
        done.append(batch[2])
    return {}


def produce(words: Words, ready: queue.Queue[Batch | None], done: deque[dict[int, int]]) -> Words:
    """Render and produce; a batch is committed when the next is under way, all are there at the end."""
    producer = Producer(
        {"bootstrap.servers": words["bootstrap"], "linger.ms": 5, "queue.buffering.max.messages": 10**6}
    )
    began = 0
    while (batch := ready.get()) is not None:
        began = began or time.monotonic_ns()
        for key, body in rendered(batch):
            producer.produce(words["out"], body, key)
        producer.poll(0)
        done.append(batch[2])
    left = producer.flush(60)
    return {"seconds": (time.monotonic_ns() - began) / 1e9, "left": left}


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))

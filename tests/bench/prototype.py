"""The bare prototype that the line is measured beside: consume, look up, render, post; no journal, stash or limits.

Two threads and a queue of 2 between them, as performance.md describes it: one polls and looks up, the other posts and
asks the first to commit. `python -m tests.bench.prototype '{"bootstrap", "topic", "dsn", "url", "count"}'`.
"""

from __future__ import annotations

import json
import queue
import sys
import threading
import time
from collections import deque
from typing import Any

import orjson
import psycopg
import pycurl
from confluent_kafka import Consumer, TopicPartition

BATCH, HANDLES = 500, 64
BODY = (
    '{{"campaign":"Welcome back","key":"{key}","urn":"{urn}","fields":{{"email":"{email}","forename":"{firstname}",'
    '"offer":"{offer}","location":"{location}","subject":"Welcome back, {firstname}",'
    '"body":"Dear {firstname}, here is {offer} for your stay in {location}."}}}}'
)


def main(words: dict[str, Any]) -> None:
    """Work through `count` events."""
    ready: queue.Queue[Any] = queue.Queue(2)
    done: deque[Any] = deque()
    poller = threading.Thread(target=poll, args=(words, ready, done))
    poller.start()
    post(words, ready, done)
    poller.join()
    sys.stdout.write(json.dumps({"cpu": time.process_time()}) + "\n")


def poll(words: dict[str, Any], ready: queue.Queue[Any], done: deque[Any]) -> None:
    """Consume and look up."""
    consumer = Consumer(
        {"bootstrap.servers": words["bootstrap"], "group.id": words["group"], "enable.auto.commit": False,
         "auto.offset.reset": "earliest", "fetch.queue.backoff.ms": 5}
    )  # fmt: skip
    consumer.subscribe([words["topic"]])
    seen = 0
    with psycopg.connect(words["dsn"], autocommit=True) as connection:
        cursor = connection.cursor(binary=True)
        while seen < words["count"]:
            first = consumer.poll(0.2)
            if first is None:
                continue
            messages = [first, *consumer.consume(BATCH - 1, 0)]
            events = [orjson.loads(each.value() or b"") for each in messages]
            cursor.execute(
                "SELECT reference, fields FROM record WHERE store = %s AND reference = ANY(%s)",
                (words["store"], [each["urn"] for each in events]),
                prepare=True,
            )
            found = {key: orjson.loads(fields) for key, fields in cursor.fetchall()}
            seen += len(messages)
            last = {each.partition(): (each.offset() or 0) + 1 for each in messages}
            ready.put([(each, found.get(each["urn"], {})) for each in events] + [last])
            while done:
                commit = [TopicPartition(words["topic"], *pair) for pair in done.popleft().items()]
                consumer.commit(offsets=commit, asynchronous=True)
    ready.put(None)
    consumer.close()


def post(words: dict[str, Any], ready: queue.Queue[Any], done: deque[Any]) -> None:
    """Render and post, 64 at once over kept connections."""
    multi = pycurl.CurlMulti()
    idle = [handle(words["url"]) for _ in range(HANDLES)]
    while (batch := ready.get()) is not None:
        waiting, last = deque(batch[:-1]), batch[-1]
        while waiting or len(idle) < HANDLES:
            while waiting and idle:
                event, record = waiting.popleft()
                curl = idle.pop()
                curl.setopt(pycurl.POSTFIELDS, BODY.format_map({**event, **record, "key": event["id"]}))
                curl.setopt(
                    pycurl.HTTPHEADER,
                    ["Content-Type: application/json", "Expect:", f"Idempotency-Key: {event['id']}"],
                )
                multi.add_handle(curl)
            multi.perform()
            _, good, bad = multi.info_read(HANDLES)
            for curl in (*good, *(each[0] for each in bad)):
                multi.remove_handle(curl)
                idle.append(curl)
            if not good and not bad:
                multi.select(0.05)
        done.append(last)


def handle(url: str) -> pycurl.Curl:
    """A reused handle."""
    curl = pycurl.Curl()
    curl.setopt(pycurl.URL, url)
    curl.setopt(pycurl.POST, 1)
    curl.setopt(pycurl.NOSIGNAL, 1)
    curl.setopt(pycurl.WRITEFUNCTION, lambda data: None)
    return curl


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))

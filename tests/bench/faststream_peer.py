"""FastStream's batch consumer doing the prototype's work: consume, look up, render, post by aiohttp; nothing else.

It runs in an environment of its own (packaging/bench-requirements.lock). `python -m tests.bench.faststream_peer
'{"bootstrap", "topic", "group", "dsn", "store", "count", "url"}'`.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

import aiohttp  # type: ignore[import-not-found]
import orjson
import psycopg
from faststream import AckPolicy, FastStream  # type: ignore[import-not-found]
from faststream.confluent import KafkaBroker  # type: ignore[import-not-found]

BATCH, CONNECTIONS = 500, 64
BODY = (
    '{{"campaign":"Welcome back","key":"{id}","urn":"{urn}","fields":{{"email":"{email}","forename":"{firstname}",'
    '"offer":"{offer}","location":"{location}","subject":"Welcome back, {firstname}",'
    '"body":"Dear {firstname}, here is {offer} for your stay in {location}."}}}}'
)
FIND = "SELECT reference, fields FROM record WHERE store = %s AND reference = ANY(%s)"
Words = dict[str, Any]


class Consumer:
    """What the handler needs, and how far it is."""

    def __init__(
        self, words: Words, session: aiohttp.ClientSession, database: psycopg.AsyncConnection
    ) -> None:
        self._words, self._session, self._database = words, session, database
        self.left = int(words["count"])
        self.done = asyncio.Event()

    async def handle(self, events: list[Any]) -> None:
        """One look-up, then all posts of the batch at once."""
        cursor = self._database.cursor(binary=True)
        await cursor.execute(FIND, (self._words["store"], [each["urn"] for each in events]), prepare=True)
        found = {key: orjson.loads(fields) for key, fields in await cursor.fetchall()}
        await asyncio.gather(*(self._post({**each, **found[each["urn"]]}) for each in events))
        self.left -= len(events)
        if self.left <= 0:
            self.done.set()

    async def _post(self, known: dict[str, Any]) -> None:
        headers = {"Content-Type": "application/json", "Idempotency-Key": known["id"]}
        async with self._session.post(
            self._words["url"], data=BODY.format_map(known).encode(), headers=headers
        ) as answer:
            answer.raise_for_status()
            await answer.read()


async def work(words: Words) -> None:
    """Until `count` events are through; nothing is validated or injected, which costs most."""
    broker = KafkaBroker(words["bootstrap"], apply_types=False, logger=None, graceful_timeout=5)
    connector = aiohttp.TCPConnector(limit=CONNECTIONS)
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        await psycopg.AsyncConnection.connect(words["dsn"], autocommit=True) as database,
    ):
        consumer = Consumer(words, session, database)
        subscribe = broker.subscriber(
            words["topic"], batch=True, max_records=BATCH, polling_interval=0.1, group_id=words["group"],
            auto_offset_reset="earliest", ack_policy=AckPolicy.ACK,
        )  # fmt: skip
        subscribe(consumer.handle)
        application = FastStream(broker, logger=None)
        running = asyncio.create_task(application.run())
        await consumer.done.wait()
        application.exit()
        await running


if __name__ == "__main__":
    asyncio.run(work(json.loads(sys.argv[1])))
    sys.stdout.write(json.dumps({"cpu": time.process_time()}) + "\n")

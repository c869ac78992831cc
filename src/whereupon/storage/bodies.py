"""The stored messages: read back from batch records, of which the latest few are kept at hand."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable

from whereupon.connect.databases import Database
from whereupon.model.decided import BatchRecord
from whereupon.model.events import Message
from whereupon.storage.records import unpacked
from whereupon.storage.turns import Turns

KEPT = 4
"""Batch records at hand: queued messages leave in the order they were decided."""


class Bodies:
    """Batch records by the numbers of their events; any thread may ask."""

    def __init__(self, database: Database) -> None:
        self._turns = Turns(database)
        self._lock = threading.Lock()
        self._records: OrderedDict[int, tuple[int, BatchRecord]] = OrderedDict()

    def close(self) -> None:
        """Close the connection; a second call does nothing."""
        self._turns.close()

    def messages(self, pairs: Iterable[tuple[int, int]]) -> list[Message]:
        """The stored messages of these (event, campaign) pairs, in order; one whose batch is gone is left out."""
        found = []
        record = None
        for number, campaign in pairs:
            event = record.event(number) if record else None
            if event is None:
                record = self.record(number)
                event = record.event(number) if record else None
            trace = event.trace(campaign) if event else None
            if record is not None and event is not None and trace is not None:
                name = record.names.get(campaign, "")
                found.append(trace.message(event, campaign_name=name, stream=record.stream_name))
        return found

    def record(self, event: int) -> BatchRecord | None:
        """The batch that this event was decided in, while it is kept."""
        with self._lock:
            for first, (last, record) in self._records.items():
                if first <= event <= last:
                    return record
        with self._turns.session() as session:
            row = session.one(
                "SELECT last, body FROM batch WHERE id = (SELECT MAX(id) FROM batch WHERE id <= ?)", (event,)
            )
        if row is None or row[0] < event:
            return None
        record = unpacked(row[1])
        self.remember(record)
        return record

    def remember(self, record: BatchRecord) -> None:
        """Keep a record at hand, in the place of an older one."""
        if not record.events:
            return
        with self._lock:
            self._records[record.events[0].id] = (record.events[-1].id, record)
            while len(self._records) > KEPT:
                self._records.popitem(last=False)

    def forget(self) -> None:
        """Read everything anew."""
        with self._lock:
            self._records.clear()

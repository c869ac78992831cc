"""The polling half of a line: one thread that only talks with the stream, and knows where each partition stands."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from whereupon.host.crash import point
from whereupon.host.logs import logger
from whereupon.kit.roles import Stream, choice
from whereupon.model.errors import SetupError, WhereuponError
from whereupon.model.events import Batch
from whereupon.storage.journal import Journal

MOST, SIZE = 2_000, 4_000_000
"""Events and bytes of a batch (line.md, *Steps*)."""
NEVER = 2**62
"""The epoch of a partition that has to be sought before anything of it is of use."""
log = logger("poll")


class Polled(NamedTuple):
    """A batch, and the epoch that it was polled in."""

    epoch: int
    batch: Batch


class Poller:
    """Reads batches ahead and keeps `known`, the offset after what was decided, by partition.

    An epoch begins with each assignment and each seek: what was polled before it is of no use for those partitions.
    `pause` is called with what the stream or the journal raised, and waits; `trouble` says it until it is over.
    """

    def __init__(
        self, name: str, number: int, stream: Stream[Any, Any], journal: Journal,
        *, pause: Callable[[WhereuponError], None], stop: threading.Event,
    ) -> None:  # fmt: skip
        self.stream = stream
        self.known: dict[int, int] = {}
        self.trouble = ""
        self._name = name
        self._number = number
        self._journal = journal
        self._pause = pause
        self._stop = stop
        self._topic = ""
        self._epoch = 0
        self._since: dict[int, int] = {}
        self._batches: queue.Queue[Polled] = queue.Queue(maxsize=2)
        self._orders: deque[tuple[str, dict[int, int]]] = deque()

    # -- for the deciding thread ---------------------------------------------------------------------------------

    def next(self, wait: float) -> Polled | None:
        """The next batch; None if none came within `wait` seconds."""
        try:
            return self._batches.get(timeout=wait)
        except queue.Empty:
            return None

    def wanted(self, epoch: int) -> dict[int, int]:
        """Partition → the offset from which events polled in this epoch are ours to decide and weren't decided yet;
        a partition that isn't there is wanted from its first event."""
        known = dict(self.known)
        # The polling thread may begin an epoch at any time, so `known` first, and no walk through what it changes.
        stale = {each: NEVER for each, since in list(self._since.items()) if since > epoch}
        return known | stale

    def moved(self, topic: str, moved: Mapping[int, int], lost: frozenset[int]) -> None:
        """Partitions were decided up to these offsets; `lost` ones were moved by somebody else and are read anew."""
        self.known.update(moved)
        self._orders.append(("commit", dict(moved)))
        if not lost:
            return
        for partition in lost:
            self._since[partition] = NEVER
        stored = self._journal.positions(self._number).get(topic, {})
        again = {each: stored[each] for each in lost if each in stored}
        self.known.update(again)
        self._orders.append(("seek", again))

    # -- the polling thread --------------------------------------------------------------------------------------

    def run(self) -> None:
        """Poll until stopped. A batch is passed on once it is noted where its partitions begin."""
        opened = False
        while not self._stop.is_set():
            try:
                if not opened:
                    self.stream.open(self._stored)
                    opened = True
                self._obey()
                batch = self.stream.batch(most=MOST, size=SIZE, wait=0.1)
                self.trouble = ""
            except WhereuponError as error:
                self._tell(error)
                opened = opened and not (isinstance(error, SetupError) and self._left())
                continue
            self._begin_patiently()
            if batch.events:
                self._pass_on(batch)

    def _left(self) -> bool:
        """Whether a person has let the stream leave its places: it is opened again, and begins where it is to."""
        try:
            stored = self._journal.positions(self._number)
        except WhereuponError:
            return False
        if self._topic in stored:
            here, ours = stored[self._topic], self.stream.assigned()
            left = any(here.get(each) != at for each, at in self.known.items() if each in ours)
        else:
            # A topic that is gone has no partitions of ours any more.
            left = bool(self._topic and (stored or self.known))
        if left:
            self.stream.close()
        return left

    def _tell(self, error: WhereuponError) -> None:
        # Where a person has to act, how is what matters.
        self.trouble = str(error) if isinstance(error, SetupError) else error.message
        self._pause(error)

    def _begin_patiently(self) -> None:
        while not self._stop.is_set():
            try:
                return self._begin()
            except WhereuponError as error:
                self._tell(error)

    def leave(self) -> None:
        """The last orders, then good-bye; called when both threads have ended."""
        try:
            self._obey()
        except WhereuponError as error:
            log.info("the stream wasn't told how far we are", stream=self._name, reason=str(error))
        self.stream.close()

    def _stored(self, topic: str, partitions: Sequence[int]) -> Mapping[int, int]:
        """What the journal knows of newly assigned partitions."""
        positions = self._journal.positions(self._number)
        if positions and topic not in positions:
            raise SetupError(
                f"The topic of the stream {self._name} was made anew: its events are others than those known so far.",
                hint=choice(self._name),
            )
        self._topic = topic
        self._epoch += 1
        for partition in partitions:
            self._since[partition] = self._epoch
            self.known.pop(partition, None)
        stored = {each: at for each, at in positions.get(topic, {}).items() if each in partitions}
        self.known.update(stored)
        return stored

    def _begin(self) -> None:
        new = {each: at for each, at in self.stream.assigned().items() if each not in self.known}
        if new:
            latest = self.stream.context.start == "latest"
            self._journal.begin(self._number, self._topic, new, name=self._name, latest=latest)
            self.known.update(new)

    def _obey(self) -> None:
        while self._orders:
            order, positions = self._orders[0]
            ours = {each: at for each, at in positions.items() if each in self.stream.assigned()}
            if order == "seek":
                self.stream.seek(ours)
                self._epoch += 1
                self._since.update(dict.fromkeys(ours, self._epoch))
            elif ours:
                point("before-tell")
                self.stream.commit(ours)
                point("after-tell")
            self._orders.popleft()

    def _pass_on(self, batch: Batch) -> None:
        polled = Polled(self._epoch, batch)
        while not self._stop.is_set():
            try:
                self._batches.put(polled, timeout=0.2)
                return
            except queue.Full:
                self._rest()

    def _rest(self) -> None:
        """The line has no room: stay a member of the stream, and tell it how far we are."""
        try:
            self._obey()
            self.stream.rest()
        except WhereuponError as error:
            self._tell(error)

"""A channel that only knows how to send one message, made to send several at once."""

from __future__ import annotations

import logging
import queue
import threading
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import TypeVar

from msgspec import structs

from whereupon.host.crash import point
from whereupon.kit.roles import C, Channel, Context, P
from whereupon.model.errors import Away, Refused, SetupError, Unavailable, WhereuponError
from whereupon.model.events import Message, Receipt, Result

log = logging.getLogger(__name__)
Q = TypeVar("Q")


class OneByOne(Channel[P, C]):
    """Sends in `connections` threads, each by `send`; started with the first message.

    `rest_after` is how long, in seconds, a thread has nothing to do before `rest`; `patience` how long `close` waits
    for messages that are on their way.
    """

    rest_after = 30.0
    patience = 3.0

    def __init__(self, provider: P, config: C, context: Context) -> None:
        super().__init__(provider, config, context)
        self._threads: list[threading.Thread] = []
        self._waiting: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[Receipt] = queue.SimpleQueue()
        self._under_way = 0
        self._closed = False
        self._interrupted = False

    @abstractmethod
    def send(self, message: Message) -> Receipt:
        """Send one message and say how it ended; called from several threads. Start and end are filled in.

        What it raises of model/errors.py becomes the receipt; anything else counts as an answer lost, because nobody
        knows how far it came.
        """

    def rest(self) -> None:
        """Called in each sending thread when it has had nothing to do for a while, and when it ends."""

    def interrupt(self) -> None:
        """Called by `close` when its patience is over: break what still waits, so that `send` ends.

        What surely didn't leave then counts as not offered.
        """

    def offer(self, messages: Sequence[Message]) -> int:
        """Take what the threads have room for."""
        if self._closed:
            return 0
        taken = max(0, min(len(messages), self.connections - self._under_way))
        self._under_way += taken
        for message in messages[:taken]:
            self._waiting.put(message)
        self._man()
        return taken

    def collect(self, wait: float) -> Sequence[Receipt]:
        """Receipts of the threads; those that are there already, or the first that comes within `wait` seconds."""
        receipts = list(_taken(self._done))
        if not receipts and self._under_way and wait > 0:
            try:
                receipts = [self._done.get(timeout=wait), *_taken(self._done)]
            except queue.Empty:
                self._man()
                return ()
        self._under_way -= len(receipts)
        return receipts

    def withdraw(self) -> Sequence[Receipt]:
        """Messages that no thread has begun."""
        left = [each for each in _taken(self._waiting) if each is not None]
        self._under_way -= len(left)
        return [Receipt(each, Result.NOT_OFFERED) for each in left]

    def close(self) -> None:
        """End the threads after the messages they are sending; what isn't done in time is interrupted.

        Receipts that came meanwhile are still there to be collected.
        """
        if self._closed:
            return
        self._closed = True
        for _ in self._threads:
            self._waiting.put(None)
        if not self._ended(self.patience):
            self._interrupted = True
            self.interrupt()
            self._ended(1.0)

    def _man(self) -> None:
        """Let there be a thread for each message under way: one that died is replaced."""
        self._threads = [each for each in self._threads if each.is_alive()]
        while len(self._threads) < self._under_way and not self._closed:
            self._threads.append(self._started(len(self._threads)))

    def _ended(self, within: float) -> bool:
        deadline = self.context.clock.monotonic() + within
        for thread in self._threads:
            thread.join(max(0.0, deadline - self.context.clock.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _started(self, number: int) -> threading.Thread:
        thread = threading.Thread(target=self._work, name=f"{self.context.name}-{number}", daemon=True)
        thread.start()
        return thread

    def _work(self) -> None:
        while True:
            try:
                message = self._waiting.get(timeout=self.rest_after)
            except queue.Empty:
                self.rest()
                continue
            if message is None:
                return self.rest()
            self._done.put(self._sent(message))

    def _sent(self, message: Message) -> Receipt:
        started = self.context.clock.now()
        point("before-send")
        try:
            receipt = self.send(message)
            point("after-send")
        except WhereuponError as error:
            receipt = Receipt(message, _result(error), str(error)[:500], getattr(error, "retry_after", None))
        except BaseException as error:  # whatever ends it must not lose its message's receipt
            log.exception("%s: unexpected while a message was sent", self.context.name)
            receipt = Receipt(
                message, Result.ANSWER_LOST, f"Unexpected: {type(error).__name__}; see the log."
            )
        if self._interrupted and receipt.result in {Result.UNAVAILABLE, Result.AWAY}:
            receipt = Receipt(message, Result.NOT_OFFERED)
        return structs.replace(receipt, started=started, ended=self.context.clock.now())


def _result(error: WhereuponError) -> Result:
    for kind, result in _RESULTS.items():
        if isinstance(error, kind):
            return result
    return Result.ANSWER_LOST


# Away is an Unavailable too, so it is asked first.
_RESULTS = {
    Away: Result.AWAY,
    Unavailable: Result.UNAVAILABLE,
    Refused: Result.REFUSED,
    SetupError: Result.SETUP,
}


def _taken(waiting: queue.SimpleQueue[Q]) -> Iterator[Q]:
    while True:
        try:
            yield waiting.get_nowait()
        except queue.Empty:
            return

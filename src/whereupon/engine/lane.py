"""A lane: one thread that takes messages to a channel and brings their receipts back."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

from whereupon.engine.presence import Absence, Presence
from whereupon.engine.verdicts import Manners
from whereupon.host.clock import Clock
from whereupon.host.crash import point
from whereupon.host.logs import logger
from whereupon.kit.roles import Channel
from whereupon.model.errors import Away, SetupError, Unavailable, WhereuponError
from whereupon.model.events import Message, Receipt, Result

ROOM = 4_000
SIZE = 16_000_000
"""Messages and bytes that a lane holds (line.md, *States*)."""
OFFERED = 512
"""Messages that are offered at once, and bulk messages that a lane holds."""
POLL, PATIENCE = 0.002, 0.05
"""Seconds that a lane waits for receipts: while new messages may come, and while it has no room for any."""
log = logger("lane")
Done = Callable[[int, Sequence[Receipt]], None]


class Lane:
    """Offers messages as the channel has room. Each message that it was given gets one receipt, by `done`.

    A place is claimed first, then filled by `take` or given back by `free`: so nobody else has it meanwhile.
    """

    def __init__(
        self, channel_id: int, name: str, channel: Channel[Any, Any], *, clock: Clock, done: Done,
        fresh: Callable[[], bool] = lambda: True, lapses: Callable[[], int] = lambda: 0,
    ) -> None:  # fmt: skip
        self.name = name
        self.channel = channel
        self.manners = Manners(
            channel_id, channel.deduplicates, int(channel.key_window.total_seconds() * 1000)
        )
        self.presence = Presence(name, clock=clock)
        self._clock = clock
        self._done = done
        self._fresh, self._lapses = fresh, lapses
        self._lapsed = lapses()
        self._lock = threading.Lock()
        self._inbox: deque[Message] = deque()
        self._later: deque[Message] = deque()
        self._bulk: set[str] = set()
        self._under_way: dict[str, Message] = {}
        self._places: dict[str, int] = {}
        self._weight = 0
        self._wake = threading.Event()
        self._stopping = self._ended = self._abandoned = False
        self._most = ROOM if channel.deduplicates else min(ROOM, max(1, channel.connections))
        # A quarter of the connections stays free of bulk, so that a stream's message finds one.
        self._share = max(1, channel.connections - channel.connections // 4)
        self._thread = threading.Thread(target=self._run, name=f"lane {name}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether the thread still works."""
        return self._thread.is_alive()

    @property
    def absence(self) -> Absence | None:
        """Why it stands still, if the other side is away."""
        return self.presence.absence

    @property
    def held(self) -> int:
        """Messages that it has, or has a place for, and that have no receipt yet."""
        return len(self._places)

    # -- for the threads that bring messages -------------------------------------------------------------------

    @property
    def half_empty(self) -> bool:
        """Whether it has room for half of what it can hold."""
        return self.room() * 2 >= self._most

    def room(self) -> int:
        """How many messages it would take now: none while the other side is away, one when a probe is due."""
        if self._stopping or not self._fresh():
            return 0
        if self.presence.absence is not None:
            return 1 if not self._places and self.presence.probe_due else 0
        return self._most - len(self._places) if self._weight < SIZE else 0

    def room_later(self) -> int:
        """How many bulk messages it would take now: few, so that those of streams never wait behind many."""
        most = OFFERED if self.channel.deduplicates else self._share
        return min(self.room(), most - len(self._bulk))

    def claim_later(self, messages: Sequence[Message]) -> int:
        """Keep places for as many bulk messages, from the front, as there is room for."""
        count = self.claim(messages[: max(0, self.room_later())])
        with self._lock:
            self._bulk.update(each.key for each in messages[:count])
        return count

    def claim(self, messages: Sequence[Message]) -> int:
        """Keep places for as many of these, from the front, as there is room for; one too large for it goes alone."""
        with self._lock:
            count = 0
            for message in islice(messages, max(0, self.room())):
                size = message.size
                if self._weight and self._weight + size > SIZE:
                    break
                self._places[message.key] = size
                self._weight += size
                count += 1
        return count

    def free(self, messages: Sequence[Message]) -> None:
        """Give places back; messages without one are passed over."""
        with self._lock:
            self._weight -= sum([self._places.pop(each.key, 0) for each in messages])
            if self._bulk:
                self._bulk.difference_update(each.key for each in messages)

    def take(self, messages: Sequence[Message], *, later: bool = False) -> None:
        """Messages that the journal holds as *sending*; each gets a receipt, whether it had a place or not. Those taken
        for `later` are bulk: they leave while there are no others."""
        with self._lock:
            for message in messages:
                if message.key not in self._places:
                    self._places[message.key] = message.size
                    self._weight += message.size
            ended = self._ended
            if not ended:
                (self._later if later else self._inbox).extend(messages)
        self._wake.set()
        if ended:
            self._give_back(messages)

    def stop(self, grace: float) -> None:
        """Take no more, give back what hasn't left, wait up to `grace` s for what has; then close the channel, and the
        answers that are missing still are lost."""
        self._stopping = True
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join(grace)
        self._abandoned = True
        self.channel.close()
        if self._thread.ident is not None:
            self._thread.join(1.0)

    # -- the thread --------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not (self._stopping and self._settled()):
            if not (self._under_way or self._inbox or self._later):
                self._wake.wait(0.5)
            self._wake.clear()
            self._offer()
            self._answered(self._collected())
        self._lose("the channel was closed before it answered")

    def _settled(self) -> bool:
        """Give back what hasn't left; whether nothing is under way any more."""
        self._give_back(self._emptied(0))
        try:
            self._answered(self.channel.withdraw())
        except Exception as error:
            self._say(error, "a channel failed to give up messages")
        with self._lock:
            self._ended = self._abandoned or not (self._under_way or self._inbox or self._later)
        return self._ended

    def _offer(self) -> None:
        if self._stopping:
            return
        if not self._fresh() or self._lapsed != self._lapses():
            self._lapsed = self._lapses()
            # Another service may have them by now: the queue in the journal says which are still ours.
            self._give_back(self._emptied(0))
            return
        if self.presence.absence is not None:
            probing = self.presence.probe_due and not self._under_way
            self._give_back(self._emptied(1 if probing else 0))
        with self._lock:
            inbox, most = self._inbox, OFFERED
            if not inbox and self._later:
                inbox, most = self._later, self._share - len(self._under_way.keys() & self._bulk)
            offered = list(islice(inbox, max(0, most)))
        if not offered:
            return
        taken = self._taken(offered)
        with self._lock:
            for _ in range(taken):
                inbox.popleft()
        if not taken and not self._under_way:
            self._wake.wait(POLL)

    def _taken(self, offered: Sequence[Message]) -> int:
        """How many of these left the inbox; a channel that raises took none, and the one to blame is found."""
        point("before-offer")
        try:
            taken = self.channel.offer(offered)
        except Exception as error:
            if len(offered) > 1:
                return self._taken(offered[:1])
            self._say(error, "a message can't be offered")
            self._under_way[offered[0].key] = offered[0]
            self._answered([failed(offered[0], error, self._clock.now())])
            return 1
        point("after-offer")
        self._under_way.update([(each.key, each) for each in offered[:taken]])
        return taken

    def _collected(self) -> Sequence[Receipt]:
        try:
            return self.channel.collect(POLL if self._inbox or self.room() > 0 else PATIENCE)
        except Exception as error:
            self._say(error, "a channel failed while messages were under way")
            self.presence.gone(str(error) or type(error).__name__)
            self._lose(str(error) or type(error).__name__)
            if not self._stopping:
                self._wake.wait(PATIENCE)
            return ()

    def _lose(self, why: str) -> None:
        now = self._clock.now()
        lost = [
            Receipt(each, Result.ANSWER_LOST, why[:500], started=now, ended=now)
            for each in self._under_way.values()
        ]
        self._answered(lost)

    def _answered(self, receipts: Sequence[Receipt]) -> None:
        """Judge receipts of messages that are under way; another one for the same message is of no use."""
        pop = self._under_way.pop
        expected = [each for each in receipts if pop(each.message.key, None) is not None]
        self._return(self.presence.judged(expected))

    def _emptied(self, keep: int) -> list[Message]:
        with self._lock:
            all = [*self._inbox, *self._later]
            kept, given = all[:keep], all[keep:]
            self._inbox, self._later = deque(kept), deque()
        return given

    def _give_back(self, messages: Sequence[Message]) -> None:
        self._return([Receipt(each, Result.NOT_OFFERED) for each in messages])

    def _return(self, receipts: Sequence[Receipt]) -> None:
        if receipts:
            point("before-receipts")
            # The finisher first: whoever sees that a place is free may rely on it.
            self._done(self.manners.channel, receipts)
            self.free([each.message for each in receipts])

    def _say(self, error: Exception, what: str) -> None:
        known = isinstance(error, WhereuponError)
        log.warning(
            what, channel=self.name, reason=str(error) or repr(error), exc_info=None if known else error
        )


def failed(message: Message, error: Exception, now: int) -> Receipt:
    """What a channel that raises while it is offered one message says of it: it surely hasn't left."""
    result = Result.REFUSED
    if isinstance(error, SetupError):
        result = Result.SETUP
    elif isinstance(error, Unavailable):
        result = Result.AWAY if isinstance(error, Away) else Result.UNAVAILABLE
    retry_after = error.retry_after if isinstance(error, Unavailable) else None
    answer = (str(error) if isinstance(error, WhereuponError) else f"unexpected: {error!r}")[:500]
    return Receipt(message, result, answer, retry_after, started=now, ended=now)

"""Deliver nowhere: what is sent is kept in a list, and the answers are those that were asked for; for tests."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pydantic import Field

from whereupon.kit.config import Config
from whereupon.kit.registry import channel
from whereupon.kit.roles import Channel, Context, Nothing, Stage
from whereupon.model.events import Message, Receipt, Result


class MemoryConfig(Config):
    """Keeps what is sent in a list."""

    concurrency: int = Field(
        64,
        ge=1,
        le=100_000,
        title="Messages at once",
        description="How many messages it takes before it answers.",
    )
    deduplicates: bool = Field(
        True,
        title="Knows a message again",
        description="A message whose key it has is accepted and not kept twice.",
    )


@dataclass(slots=True)
class _Script:
    result: Result
    to: str
    key: str
    times: float
    arrives: bool
    retry_after: float | None

    def meant(self, message: Message) -> bool:
        return self.times > 0 and self.to in {"", message.address} and self.key in {"", message.key}


@channel("memory", title="Memory", config=MemoryConfig)
class MemoryChannel(Channel[Nothing, MemoryConfig]):
    """`sent` are the messages that arrived, `tried` all that were offered; both in order."""

    def __init__(self, provider: Nothing, config: MemoryConfig, context: Context) -> None:
        super().__init__(provider, config, context)
        self.deduplicates = config.deduplicates
        self.sent: list[Message] = []
        self.tried: list[Message] = []
        self._keys: set[str] = set()
        self._scripts: list[_Script] = []
        self._under_way: deque[Message] = deque()
        self._flows = threading.Event()
        self._flows.set()

    def refuse(self, address: str) -> None:
        """From now on, what goes to this address is refused."""
        self.answer(Result.REFUSED, to=address, times=float("inf"))

    def answer(
        self,
        result: Result,
        *,
        to: str = "",
        key: str = "",
        times: float = 1,
        arrives: bool = False,
        retry_after: float | None = None,
    ) -> None:
        """The next `times` messages (to that address, of that key) get this result; those asked for first come first.

        `arrives`: the message arrives all the same, as where only the answer is lost.
        """
        self._scripts.append(_Script(result, to, key, times, arrives, retry_after))

    def hold(self) -> None:
        """Answer nothing until `release`."""
        self._flows.clear()

    def release(self) -> None:
        """Answer what was held, and all that comes."""
        self._flows.set()

    @property
    def connections(self) -> int:
        """As set."""
        return self.config.concurrency

    def check(self) -> Iterator[Stage]:
        """Always well."""
        yield Stage("Memory", ok=True, message="Messages are kept in memory and go nowhere.")

    def offer(self, messages: Sequence[Message]) -> int:
        """Take what there is room for."""
        taken = min(len(messages), self.connections - len(self._under_way))
        self._under_way.extend(messages[:taken])
        self.tried.extend(messages[:taken])
        return taken

    def collect(self, wait: float) -> Sequence[Receipt]:
        """The answers to all that is under way."""
        if not self._under_way or not self._flows.wait(wait):
            return ()
        messages, self._under_way = self._under_way, deque()
        return [self._answered(each) for each in messages]

    def withdraw(self) -> Sequence[Receipt]:
        """While it holds, nothing has left yet."""
        if self._flows.is_set():
            return ()
        messages, self._under_way = self._under_way, deque()
        return [Receipt(each, Result.NOT_OFFERED) for each in messages]

    def _answered(self, message: Message) -> Receipt:
        script = next((each for each in self._scripts if each.meant(message)), None)
        now = self.context.clock.now()
        if script is None or script.arrives:
            self._arrive(message)
        if script is None:
            return Receipt(message, Result.ACCEPTED, started=now, ended=now)
        script.times -= 1
        said = f"as asked: {script.result.value}"
        return Receipt(message, script.result, said, script.retry_after, started=now, ended=now)

    def _arrive(self, message: Message) -> None:
        if self.deduplicates and message.key in self._keys:
            return
        self._keys.add(message.key)
        self.sent.append(message)

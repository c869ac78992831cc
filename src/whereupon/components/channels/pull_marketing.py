"""Deliver into a Pull Marketing store: each message becomes the record of its person."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated

from pydantic import Field

from whereupon.kit.config import Config, Part
from whereupon.kit.registry import channel
from whereupon.kit.roles import Channel, Context, Filler, Nothing, Stage, Store
from whereupon.model.content import ChannelTraits
from whereupon.model.errors import Away, Refused, SetupError, Unavailable, WhereuponError
from whereupon.model.events import Filled, Message, Receipt, Record, Result

log = logging.getLogger(__name__)
BATCH = 500
"""Messages that become records in one statement."""


class PullMarketingConfig(Config):
    """Writes into a store what a web page, an app or another campaign looks up later."""

    store: Annotated[str, Part("store")] = Field(
        title="Store",
        description="The Pull Marketing store whose records are filled.",
        examples=["TealGreen"],
    )


@channel("pull_marketing", title="Pull Marketing", config=PullMarketingConfig)
class PullMarketing(Channel[Nothing, PullMarketingConfig], Filler):
    """Inserts or merges records by their Reference field, so that a repeat changes nothing."""

    deduplicates = True
    traits = ChannelTraits(fills="store", non_empty=frozenset())

    def __init__(self, provider: Nothing, config: PullMarketingConfig, context: Context) -> None:
        super().__init__(provider, config, context)
        self._store: Store[Config, Config] = context.parts[config.store]
        self._reference = self._store.context.reference
        self._waiting: deque[Message] = deque()
        if not self._reference:
            raise SetupError(
                f"The store {config.store} has no Reference field.",
                hint="Give one of its fields the type Reference: it says whose record it is.",
            )

    @property
    def connections(self) -> int:
        """As many as go into one statement."""
        return BATCH

    def address(self, fields: Mapping[str, str]) -> str:
        """The key of the record."""
        return fields.get(self._reference, "")

    def check(self) -> Iterator[Stage]:
        """The store's own test."""
        yield from self._store.check()

    def fill(self, records: Sequence[Record]) -> Filled:
        """Insert or merge these records."""
        return self._store.fill(records)

    def offer(self, messages: Sequence[Message]) -> int:
        """Take what goes into one statement."""
        taken = min(len(messages), BATCH - len(self._waiting))
        self._waiting.extend(messages[:taken])
        return taken

    def collect(self, wait: float) -> Sequence[Receipt]:
        """Fill the store with what was offered, in one go; `wait` is the store's own time-out."""
        messages = list(self._waiting)
        self._waiting.clear()
        started = self.context.clock.now()
        return self._filled(messages, started)

    def withdraw(self) -> Sequence[Receipt]:
        """What was offered and not filled in yet."""
        messages = list(self._waiting)
        self._waiting.clear()
        return [Receipt(each, Result.NOT_OFFERED) for each in messages]

    def _filled(self, messages: Sequence[Message], started: int) -> list[Receipt]:
        keyless = [each for each in messages if not self.address(each.fields)]
        keyed = [each for each in messages if self.address(each.fields)]
        no_key = f"The message has no {self._reference}, so nobody knows whose record it is."
        receipts = [self._receipt(each, Result.REFUSED, no_key, started) for each in keyless]
        return receipts + (self._written(keyed, started) if keyed else [])

    def _written(self, messages: Sequence[Message], started: int) -> list[Receipt]:
        # A store takes each key once a statement; the later message of a person is merged over the earlier one.
        records: dict[str, dict[str, str]] = {}
        for each in messages:
            records.setdefault(self.address(each.fields), {}).update(each.fields)
        try:
            filled = self._store.fill([Record(key, fields) for key, fields in records.items()])
        except Refused as error:
            return self._halved(messages, error, started)
        except WhereuponError as error:
            wait = getattr(error, "retry_after", None)
            return [self._receipt(each, _result(error), str(error), started, wait) for each in messages]
        except Exception as error:  # a defect of one store must not lose the receipts
            log.exception("%s: unexpected while the store was filled", self.context.name)
            said = f"Unexpected: {type(error).__name__}; see the log."
            return [self._receipt(each, Result.ANSWER_LOST, said, started) for each in messages]
        rejected = dict(filled.rejected)
        return [self._settled(each, rejected.get(self.address(each.fields)), started) for each in messages]

    def _halved(self, messages: Sequence[Message], error: Refused, started: int) -> list[Receipt]:
        """Somebody's record is to blame: half by half, until it is found and the others have gone."""
        if len(messages) == 1:
            return [self._receipt(messages[0], Result.REFUSED, str(error), started)]
        middle = len(messages) // 2
        return self._written(messages[:middle], started) + self._written(messages[middle:], started)

    def _settled(self, message: Message, rejected: str | None, started: int) -> Receipt:
        if rejected is not None:
            return self._receipt(message, Result.REFUSED, rejected, started)
        return self._receipt(message, Result.ACCEPTED, "", started)

    def _receipt(
        self, message: Message, result: Result, answer: str, started: int, retry_after: float | None = None
    ) -> Receipt:
        ended = self.context.clock.now()
        return Receipt(message, result, answer[:500], retry_after, started=started, ended=ended)


def _result(error: WhereuponError) -> Result:
    if isinstance(error, Away):
        return Result.AWAY
    return Result.UNAVAILABLE if isinstance(error, Unavailable) else Result.SETUP

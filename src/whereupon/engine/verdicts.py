"""What follows from what a channel said of one try (line.md, *Errors, by what follows from them*)."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from whereupon.model.decided import FAILED, QUEUED, SENT, UNKNOWN, WAITING, WITHHELD, DeadLetter
from whereupon.model.events import Message, Receipt, Result
from whereupon.storage.deliveries import Ending

RESENDS = 5
"""Resends after the first try; then failed, and a dead letter."""
SHORTEST, LONGEST = 1.0, 3600.0
"""Seconds between tries: from the first back-off to the longest, Retry-After included."""
ASIDE = 150_000
"""Milliseconds for which a message that found the other side away again and again lets others probe: two probes."""
LOST = "answer lost"
"""The reason of a message that waits although an earlier try may have arrived."""


class Tried(NamedTuple):
    """What is known of a message that was tried before: how often, when first (UTC ms), and why it waits."""

    tries: int = 0
    first_try: int | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Manners:
    """How a channel behaves: its number, whether its receiver knows a key again, and for how long (ms)."""

    channel: int
    deduplicates: bool
    key_window: int


def ended(
    receipt: Receipt, tried: Tried, manners: Manners, *, now: int, aside: bool = False,
    jitter: Callable[[], float] = random.random,
) -> Ending:  # fmt: skip
    """The state that a message has after this try. `now` (ms) is a time that no setting of the clock moves; `aside`
    says that it found the other side away too often to be the next probe."""
    result, message = receipt.result, receipt.message
    first = tried.first_try if tried.first_try is not None else receipt.started
    if result in (Result.NOT_OFFERED, Result.AWAY):
        state, due = (WAITING, now + ASIDE) if aside else (QUEUED, 0)
        return Ending(
            message, manners.channel, state, tried.reason, tried.tries, tried.first_try, next_at=due
        )
    tries = tried.tries + 1
    attempt = (
        receipt.started,
        receipt.ended,
        f"{result.value}: {receipt.answer}" if receipt.answer else result.value,
    )
    if result is Result.ACCEPTED:
        kept = attempt if tries > 1 else None
        return Ending(message, manners.channel, SENT, "", tries, first, receipt.ended, attempt=kept)
    again = _again(receipt, tries, first, manners)
    if again:
        due = now + int(1000 * back_off(tries, receipt.retry_after, jitter))
        reason = LOST if LOST in (result.value, tried.reason) else result.value
        return Ending(message, manners.channel, WAITING, reason, tries, first, next_at=due, attempt=attempt)
    maybe = result is Result.ANSWER_LOST or (tried.reason == LOST and result is not Result.REFUSED)
    state, reason = (UNKNOWN, LOST) if maybe else (FAILED, result.value)
    dead = None if result is Result.REFUSED else dead_letter(message, f"{reason}: {receipt.answer}")
    return Ending(
        message, manners.channel, state, reason, tries, first, receipt.ended, attempt=attempt, dead=dead
    )  # fmt: skip


def _again(receipt: Receipt, tries: int, first: int, manners: Manners) -> bool:
    if tries > RESENDS:
        return False
    if receipt.result is Result.UNAVAILABLE:
        return True
    return (
        receipt.result is Result.ANSWER_LOST
        and manners.deduplicates
        and receipt.ended - first < manners.key_window
    )


def back_off(tries: int, retry_after: float | None, jitter: Callable[[], float]) -> float:
    """Seconds until the next try: Retry-After wins (at most 1 h); else up to 1 s, 4 s, 16 s … at most 1 h, with full
    jitter, but at least a tenth, so that tries never follow at once."""
    if retry_after is not None:
        return min(max(retry_after, 0.0), LONGEST)
    return float(min(SHORTEST * 4.0 ** (tries - 1), LONGEST) * (0.1 + 0.9 * jitter()))


def not_any_more(
    message: Message, tried: Tried, manners: Manners, *, now: int, paused: bool
) -> Ending | None:
    """What is asked again before every try: pause and expiry. None = it may leave."""
    reason = "paused" if paused else "expired" if message.expires and now > message.expires else ""
    if not reason:
        return None
    state, dead = (WITHHELD, None)
    if tried.reason == LOST:
        state, dead = UNKNOWN, dead_letter(message, f"{reason} after an answer was lost")
    return Ending(message, manners.channel, state, reason, tried.tries, tried.first_try, now, dead=dead)


def bodiless(event: int, campaign: int, tried: Tried, manners: Manners, now: int) -> Ending:
    """The end of a message whose body is no longer kept; unknown if an earlier try may have arrived."""
    message = Message("", event, campaign, "", "", {})
    state, reason = (UNKNOWN, LOST) if tried.reason == LOST else (FAILED, "body gone")
    dead = DeadLetter("send", "", "the message's body is no longer kept", None, event, campaign)
    return Ending(message, manners.channel, state, reason, tried.tries, tried.first_try, now, dead=dead)


def dead_letter(message: Message, reason: str) -> DeadLetter:
    """What a person has to judge of a message."""
    place = f"{message.campaign_name} to {message.person}"
    return DeadLetter("send", place, reason[:2000], None, message.event, message.campaign)

"""What a start, or a take-over, makes of the rows it finds open."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from whereupon.connect.session import Columns, Session
from whereupon.model.decided import OPEN, QUEUED, SENDING, SENT, UNKNOWN, WAITING, DeadLetter
from whereupon.storage.deliveries import PAIR
from whereupon.storage.journal import DAY, DEAD, OPENED, TALLY, TALLY_KEY, Numbers, dead_rows
from whereupon.storage.turns import Turns

LONGEST = 3_600_000
"""Milliseconds ahead up to which the time of a resend is believed."""
MOVED = "the channel's address or account was changed after this message had been tried"
UNSURE = "the service ended while this message was under way"


@dataclass(frozen=True, slots=True)
class Found:
    """What an owner left open on a channel: messages queued and waiting, how many became unknown, and the number to
    read from."""

    queued: int = 0
    waiting: int = 0
    unknown: int = 0
    first: int = 0


def settle(turns: Turns, sent: Iterable[tuple[int, int, int]], *, now: int) -> int:
    """Outcomes of these (event, campaign, sent at) pairs, which stand in a stash, become *sent*, whoever owns them."""
    rows = list(sent)
    if not rows:
        return 0
    columns: Columns = {**PAIR, "finished": "id"}
    with turns.transaction() as session:
        given = session.given("k", columns)
        unsettled = session.all(
            f"SELECT o.event, o.campaign, o.owner, o.state, o.reason, k.finished FROM {given} JOIN outcome o"  # noqa: S608
            f" ON o.event = k.event AND o.campaign = k.campaign WHERE o.state <> '{SENT}'",
            session.bind(columns, rows),
        )
        done = [(event, campaign, at) for event, campaign, _, _, _, at in unsettled]
        session.update(
            "outcome", f"state = '{SENT}', reason = '', tries = outcome.tries + 1, finished = k.finished", "k",
            columns, done, on="outcome.event = k.event AND outcome.campaign = k.campaign",
        )  # fmt: skip
        session.delete("waiting", PAIR, [row[:2] for row in done])
        session.delete("dead", PAIR, [row[:2] for row in done])
        moves = [(campaign, owner, state, reason) for _, campaign, owner, state, reason, _ in unsettled]
        _retally(session, moves, SENT, "", now)
    return len(done)


def reopen(turns: Turns, channel: int, *, owner: int, by: int, window: int, now: int, dead: Numbers) -> Found:
    """What `owner` left open on a channel goes over to `by` (the same at a start, another at a take-over).

    Rows that were *sending* are queued again if the channel de-duplicates and its key `window` (ms) holds since their
    first try; the others are unknown, for a person to judge.
    """
    with turns.session() as session:
        first = opened_from(session, channel, owner)
        rows = session.all(
            "SELECT event, campaign, tries, decided, first_try FROM outcome"
            " WHERE event >= ? AND channel = ? AND owner = ? AND state = ?",
            (first, channel, owner, SENDING),
        )
    again = [row for row in rows if window and now - (row[4] or row[3]) < window]
    kept = {row[:2] for row in again}
    unsure = [row for row in rows if row[:2] not in kept]
    dead.reserve(turns, len(unsure))
    letters = [DeadLetter("send", "", UNSURE, None, row[0], row[1]) for row in unsure]
    on = (
        f"outcome.event = k.event AND outcome.campaign = k.campaign AND outcome.state = '{SENDING}'"
        f" AND outcome.owner = {int(owner)}"
    )
    with turns.transaction() as session:
        _assign(session, again, f"state = '{QUEUED}'", on)
        _assign(session, unsure, f"state = '{UNKNOWN}', reason = 'interrupted', finished = {int(now)}", on)
        if letters:
            session.insert("dead", DEAD, dead_rows(letters, dead.take(len(letters)), 0, now, by))
        _retally(session, [(row[1], owner, SENDING, "") for row in unsure], UNKNOWN, "interrupted", now)
        # A clock that was set back meanwhile must not let them wait for longer.
        session.run(
            "UPDATE waiting SET next_at = ? WHERE channel = ? AND owner = ? AND next_at > ?",
            (now + LONGEST, channel, owner, now + LONGEST),
        )
        queued = _count(session, "outcome", f"event >= ? AND channel = ? AND owner = ? AND state = '{QUEUED}'",
                        (first, channel, owner))  # fmt: skip
        waiting = _count(session, "waiting", "channel = ? AND owner = ?", (channel, owner))
        if owner != by:
            _hand_over(session, channel, first, owner=owner, by=by)
    return Found(queued, waiting, len(unsure), first)


def doubt(turns: Turns, channel: int, *, owner: int, address: str, now: int, dead: Numbers) -> int:
    """A channel is opened with this address (a fingerprint of where its messages go, and as whose). If it was another
    before, what was tried there is unknown, for a person to judge, and the rest goes to the new one. How many are.
    """
    with turns.session() as session:
        row = session.one("SELECT address FROM lane WHERE channel = ? AND owner = ?", (channel, owner))
        if row is not None and row[0] == address:
            return 0
        tried = session.all(
            "SELECT event, campaign, state FROM outcome WHERE event >= ? AND channel = ? AND owner = ?"  # noqa: S608
            f" AND (state = '{SENDING}' OR (state IN ('{QUEUED}', '{WAITING}') AND tries > 0))",
            (opened_from(session, channel, owner), channel, owner),
        )
    unsure = tried if row is not None and row[0] is not None else []
    dead.reserve(turns, len(unsure))
    letters = [DeadLetter("send", "", MOVED, None, each[0], each[1]) for each in unsure]
    on = (
        "outcome.event = k.event AND outcome.campaign = k.campaign"
        f" AND outcome.state IN {OPEN} AND outcome.owner = {int(owner)}"
    )
    columns: Columns = {"channel": "id", "owner": "id", "open_from": "id"}
    with turns.transaction() as session:
        _assign(
            session, unsure, f"state = '{UNKNOWN}', reason = 'address changed', finished = {int(now)}", on
        )
        session.delete("waiting", PAIR, [each[:2] for each in unsure])
        session.insert("dead", DEAD, dead_rows(letters, dead.take(len(letters)), 0, now, owner))
        _retally(session, [(each[1], owner, each[2], "") for each in unsure], UNKNOWN, "address changed", now)
        session.insert_new("lane", columns, [(channel, owner, 0)], key=("channel", "owner"))
        session.run("UPDATE lane SET address = ? WHERE channel = ? AND owner = ?", (address, channel, owner))
    return len(unsure)


def note_open(turns: Turns, channel: int, owner: int, first: int) -> None:
    """From which event number on a channel may have open messages: a start reads from there."""
    with turns.transaction() as session:
        columns: Columns = {"channel": "id", "owner": "id", "open_from": "id"}
        session.upsert("lane", columns, [(channel, owner, first)], key=("channel", "owner"))


def oldest_open(turns: Turns, channel: int, owner: int) -> int | None:
    """The oldest event number with an open message on a channel; None if nothing is open."""
    with turns.session() as session:
        row = session.one(
            f"SELECT MIN(event) FROM outcome WHERE event >= ? AND channel = ? AND owner = ? AND state IN {OPEN}",  # noqa: S608
            (opened_from(session, channel, owner), channel, owner),
        )
    return row[0] if row else None


def _hand_over(session: Session, channel: int, first: int, *, owner: int, by: int) -> None:
    session.run(
        f"UPDATE outcome SET owner = ? WHERE event >= ? AND channel = ? AND owner = ? AND state IN {OPEN}",  # noqa: S608
        (by, first, channel, owner),
    )
    session.run("UPDATE waiting SET owner = ? WHERE channel = ? AND owner = ?", (by, channel, owner))
    # Of any channel, or none: a person may still ask for them to be resent.
    session.run("UPDATE dead SET owner = ? WHERE owner = ? AND judged IS NULL", (by, owner))
    session.run(
        "UPDATE lane SET open_from = ? WHERE channel = ? AND owner = ? AND open_from > ?",
        (first, channel, by, first),
    )
    session.run("DELETE FROM lane WHERE channel = ? AND owner = ?", (channel, owner))


def _count(session: Session, table: str, where: str, parameters: tuple[int, ...]) -> int:
    row = session.one(f"SELECT COUNT(*) FROM {table} WHERE {where}", parameters)  # noqa: S608
    return int(row[0]) if row else 0


def opened_from(session: Session, channel: int, owner: int) -> int:
    """The lowest event number that may still be open on this channel with this owner."""
    row = session.one("SELECT open_from FROM lane WHERE channel = ? AND owner = ?", (channel, owner))
    return int(row[0]) if row else 0


def _assign(session: Session, rows: list[tuple[int, ...]], assign: str, on: str) -> None:
    if rows:
        session.update("outcome", assign, "k", PAIR, [row[:2] for row in rows], on=on)


def _retally(
    session: Session, moves: list[tuple[int, int, str, str]], state: str, reason: str, now: int
) -> None:  # fmt: skip
    rows = []
    for campaign, owner, before, why in moves:
        left = (OPENED, "") if before in OPEN else (before, why)
        rows.append((campaign, now // DAY, *left, owner, -1))
        rows.append((campaign, now // DAY, state, reason, owner, 1))
    if rows:
        session.add("tally", TALLY, rows, key=TALLY_KEY, amount="n")

"""Dead letters as a person judges them: listed, marked to be resent, discarded, or known to have arrived."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from whereupon.connect.databases import Database
from whereupon.connect.session import Session
from whereupon.host.clock import Clock
from whereupon.model.decided import SENT, UNKNOWN
from whereupon.model.errors import SetupError
from whereupon.storage.journal import DAY, TALLY, TALLY_KEY
from whereupon.storage.turns import Turns, writers


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """What has to be judged. `at` is UTC ms; `state` is that of its message, or nothing; `said` is the judgement."""

    id: int
    stage: str
    event: int | None
    campaign: int | None
    place: str
    reason: str
    at: int
    resend: bool
    said: str
    state: str
    raw: str


class DeadLetters:
    """The table of dead letters, as people use it with the service running or not."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._turns = Turns(database, writers=writers(database))
        self._clock = clock

    def close(self) -> None:
        """Close the connection; a second call does nothing."""
        self._turns.close()

    def listed(self, *, judged: bool = False, after: int = 0) -> list[DeadLetter]:
        """Those after a number that nobody has judged, oldest first; with `judged` all that are kept."""
        which = "" if judged else " AND d.judged IS NULL"
        with self._turns.session() as session:
            rows = session.all(
                "SELECT d.id, d.stage, d.event, d.campaign, d.place, d.reason, d.at, d.resend, d.judged, o.state, d.raw"  # noqa: S608
                " FROM dead d LEFT JOIN outcome o ON o.event = d.event AND o.campaign = d.campaign"
                f" WHERE d.id > ?{which} ORDER BY d.id",
                (after,),
            )
        return [_letter(*row) for row in rows]

    def count(self) -> int:
        """How many nobody has judged."""
        with self._turns.session() as session:
            row = session.one("SELECT COUNT(*) FROM dead WHERE judged IS NULL")
        return int(row[0]) if row else 0

    def resend(self, ids: Sequence[int]) -> int:
        """Mark letters: the keeper of a running service decides them anew; how many."""
        with self._turns.transaction() as session:
            self._there(session, ids)
            for each in ids:
                session.run("UPDATE dead SET resend = 1 WHERE id = ?", (each,))
        return len(ids)

    def discard(self, ids: Sequence[int], *, author: str) -> int:
        """Nothing more is to be done about these; how many."""
        with self._turns.transaction() as session:
            self._there(session, ids)
            self._judge(session, ids, f"discarded by {author}")
        return len(ids)

    def it_went(self, ids: Sequence[int], *, author: str) -> int:
        """Messages whose end is unknown did arrive: they are *sent* from now on; how many.

        Raises SetupError, with nothing changed, if one of them is no unknown message.
        """
        with self._turns.transaction() as session:
            self._there(session, ids)
            for each in ids:
                self._settle(session, each)
            self._judge(session, ids, f"it went, says {author}")
        return len(ids)

    def _settle(self, session: Session, letter: int) -> None:
        row = session.one(
            "SELECT o.event, o.campaign, o.owner, o.reason FROM dead d JOIN outcome o ON o.event = d.event"
            " AND o.campaign = d.campaign WHERE d.id = ? AND o.state = ?",
            (letter, UNKNOWN),
        )
        if row is None:
            raise SetupError(
                f"Dead letter {letter} is no message whose end is unknown.",
                hint="Resend it or discard it; `whereupon dead-letters list` shows the states.",
            )
        event, campaign, owner, reason = row
        session.run(
            "UPDATE outcome SET state = ?, reason = '' WHERE event = ? AND campaign = ?",
            (SENT, event, campaign),
        )
        day = self._clock.now() // DAY
        moved = [(campaign, day, UNKNOWN, reason, owner, -1), (campaign, day, SENT, "", owner, 1)]
        session.add("tally", TALLY, moved, key=TALLY_KEY, amount="n")

    def _judge(self, session: Session, ids: Sequence[int], said: str) -> None:
        for each in ids:
            session.run("UPDATE dead SET judged = ?, resend = 0 WHERE id = ?", (said[:200], each))

    def _there(self, session: Session, ids: Sequence[int]) -> None:
        for each in ids:
            row = session.one("SELECT judged FROM dead WHERE id = ?", (each,))
            if row is None:
                raise SetupError(
                    f"There is no dead letter {each}.", hint="See `whereupon dead-letters list`."
                )
            if row[0] is not None:
                raise SetupError(f"Dead letter {each} was judged already: {row[0]}.", hint="Leave it out.")


def _letter(
    id: int, stage: str, event: int | None, campaign: int | None, place: str, reason: str, at: int, resend: int,
    judged: str | None, state: str | None, raw: bytes | None,
) -> DeadLetter:  # fmt: skip
    said = judged or ("to be resent" if resend else "")
    text = bytes(raw).decode("utf-8", "replace") if raw is not None else ""
    return DeadLetter(id, stage, event, campaign, place, reason, at, bool(resend), said, state or "", text)

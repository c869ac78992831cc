"""Dead letters that a person has marked to be resent."""

from __future__ import annotations

from typing import NamedTuple

from whereupon.storage.journal import storable
from whereupon.storage.turns import Turns


class Letter(NamedTuple):
    """A dead letter: at which stage it died, its event and campaign (None if the event couldn't be used), and the event
    as it came."""

    id: int
    stage: str
    event: int | None
    campaign: int | None
    stream: int
    raw: bytes | None


class Letters:
    """The service's side of the table of dead letters."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns

    def marked(self, owner: int, *, most: int) -> list[Letter]:
        """Letters of this owner that shall be resent, oldest first."""
        with self._turns.session() as session:
            rows = session.all(
                session.dialect.limited(
                    "SELECT id, stage, event, campaign, stream, raw FROM dead"
                    " WHERE owner = ? AND resend = 1 AND judged IS NULL ORDER BY id",
                    most,
                ),
                (owner,),
            )
        return [Letter(*row) for row in rows]

    def kept(self, letter: int, reason: str) -> None:
        """A letter that came to the same end once more: it waits for a person again, with this reason."""
        with self._turns.transaction() as session:
            session.run(
                "UPDATE dead SET resend = 0, reason = ? WHERE id = ?", (storable(reason, 4000), letter)
            )

    def judged(self, letter: int, said: str) -> None:
        """A letter is done with."""
        with self._turns.transaction() as session:
            session.run("UPDATE dead SET judged = ? WHERE id = ?", (said[:200], letter))

"""What can go wrong with a database, beyond what every other side may say."""

from __future__ import annotations

from whereupon.model.errors import Away, Unavailable


class DiskFull(Unavailable):
    """The database's disk is full; nothing was written."""


class CommitUnknown(Away):
    """The answer to a commit was lost: the transaction may stand, or not. Ask before trying again."""

"""Errors, sorted by who has to act."""

from __future__ import annotations


class WhereuponError(Exception):
    """Something that is said to a person: a sentence, and a hint that tells what to do about it."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class SetupError(WhereuponError):
    """A person has to change a setting, a file, a template or a right; trying again is no use."""


class Refused(WhereuponError):
    """The other side looked at this one message, key or row and will never take it."""


class Unavailable(WhereuponError):
    """The other side can't take this one now; a later try may succeed. `retry_after` is in seconds."""

    def __init__(self, message: str, *, hint: str = "", retry_after: float | None = None) -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after


class Away(Unavailable):
    """The other side as a whole can't be reached or won't speak with us; no single message is to blame."""


class Locked(WhereuponError):
    """Somebody else holds what this command needs; `message` names them."""


class Mistakes(SetupError):
    """A file or a set-up with one or more mistakes; each is a line of `mistakes` and nothing was applied."""

    def __init__(self, message: str, mistakes: list[str], *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.mistakes = mistakes

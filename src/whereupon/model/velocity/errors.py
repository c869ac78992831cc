"""What can be wrong with a template: its text, or what it does with the values of one message."""

from __future__ import annotations

from whereupon.model.errors import SetupError, WhereuponError


class TemplateError(SetupError):
    """The text of a template can't be read; `line` and `column` count from 1."""

    def __init__(self, message: str, *, hint: str = "", line: int = 1, column: int = 1) -> None:
        super().__init__(f"Line {line}, column {column}: {message}", hint=hint)
        self.line = line
        self.column = column


class RenderError(WhereuponError):
    """A template can't be filled in for this one message; `message` is short enough to be a reason."""

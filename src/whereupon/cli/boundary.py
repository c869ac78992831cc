"""Where every command ends: errors become sentences on standard error, and exit codes."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field

from whereupon.cli.showing import harmless
from whereupon.host.redaction import Redactor
from whereupon.model.errors import Locked, Mistakes, SetupError, Unavailable, WhereuponError

FAILED, SETUP, UNAVAILABLE, LOCKED, INTERRUPTED = 1, 3, 4, 5, 130
"""0 is success, 1 *differs or failed*, 2 (by the parser of words) a mistake in the words."""
_CODES = ((SetupError, SETUP), (Unavailable, UNAVAILABLE), (Locked, LOCKED))


@dataclass(slots=True)
class Desk:
    """What every command is given: what hides secrets in whatever is said, and whether the unexpected is told whole."""

    redactor: Redactor = field(default_factory=Redactor)
    debug: bool = False


def settled(command: Callable[[], object], desk: Desk) -> int:
    """Run a command to its end, whatever that is; the exit code. Ctrl+C and a reader who has gone end it quietly."""
    try:
        command()
    except SystemExit as ended:
        return _code(ended)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        return FAILED
    except Exception as error:  # the last place where anything can be said
        _say(error, desk)
        return code_of(error)
    return 0


def code_of(error: Exception) -> int:
    """The exit code that an error ends a command with."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), FAILED)


def sentences(error: Exception, redactor: Redactor) -> str:
    """An error as a person reads it: the sentence, each mistake, the hint; without secrets."""
    if not isinstance(error, WhereuponError):
        said = [f"Something unexpected happened: {type(error).__name__}: {error}"]
        hint = "Run it once more as `whereupon --debug ...` and report what it says."
    else:
        said, hint = [error.message], error.hint
    if isinstance(error, Mistakes):
        said += [f"  - {each}" for each in error.mistakes]
    return redactor.text("\n".join([*said, hint] if hint else said))


def _say(error: Exception, desk: Desk) -> None:
    if desk.debug:
        sys.stderr.write(desk.redactor.text("".join(traceback.format_exception(error))))
    sys.stderr.write(harmless(sentences(error, desk.redactor)) + "\n")


def _code(ended: SystemExit) -> int:
    if ended.code is None:
        return 0
    return ended.code if isinstance(ended.code, int) else FAILED

"""How commands end."""

from __future__ import annotations

import pytest

from whereupon.cli.boundary import Desk, code_of, sentences, settled
from whereupon.model.errors import Away, Locked, Mistakes, Refused, SetupError, Unavailable

CODES = [
    (SetupError("No."), 3), (Mistakes("No.", ["line 1: no"]), 3), (Unavailable("No."), 4), (Away("No."), 4),
    (Locked("No."), 5), (Refused("No."), 1), (ValueError("No."), 1),
]  # fmt: skip


def raising(error: BaseException) -> int:
    def command() -> None:
        raise error

    return settled(command, Desk())


@pytest.mark.parametrize(("error", "code"), CODES, ids=lambda each: type(each).__name__)
def test_the_exit_code_tells_what_kind_of_error_it_was(error: Exception, code: int) -> None:
    assert (raising(error), code_of(error)) == (code, code)


def test_a_command_that_returns_has_succeeded() -> None:
    assert settled(lambda: 7, Desk()) == 0


@pytest.mark.parametrize(
    ("ended", "code"), [(SystemExit(2), 2), (SystemExit(None), 0), (SystemExit("said"), 1)]
)
def test_a_command_may_end_with_a_code_of_its_own(ended: SystemExit, code: int) -> None:
    assert raising(ended) == code


@pytest.mark.parametrize(("error", "code"), [(KeyboardInterrupt(), 130), (BrokenPipeError(), 1)])
def test_ctrl_c_and_a_reader_who_has_gone_end_it_without_a_word(
    error: BaseException, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert raising(error) == code
    assert capsys.readouterr() == ("", "")


def test_an_error_is_a_sentence_its_mistakes_and_a_hint() -> None:
    error = Mistakes("The file has mistakes.", ["line 3: no", "line 4: no"], hint="Put them right.")
    assert sentences(error, Desk().redactor).splitlines() == [
        "The file has mistakes.", "  - line 3: no", "  - line 4: no", "Put them right.",
    ]  # fmt: skip


def test_an_error_shows_no_secret() -> None:
    desk = Desk()
    desk.redactor.add("sesame-4711")
    said = sentences(SetupError("The login sesame-4711 is refused.", hint="password=hunter22"), desk.redactor)
    assert "sesame" not in said
    assert "hunter22" not in said


def test_the_unexpected_is_told_without_its_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    raising(ZeroDivisionError("division by zero"))
    said = capsys.readouterr().err
    assert "ZeroDivisionError: division by zero" in said
    assert "Traceback" not in said


def test_with_debug_it_is_told_whole_and_still_without_secrets(capsys: pytest.CaptureFixture[str]) -> None:
    def command() -> None:
        raise ZeroDivisionError("token=abcdef123")

    settled(command, Desk(debug=True))
    said = capsys.readouterr().err
    assert "Traceback" in said
    assert "abcdef123" not in said

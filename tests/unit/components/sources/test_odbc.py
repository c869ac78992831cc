"""What an ODBC driver's errors mean; the rest is tested against a real driver in tests/outside."""

from __future__ import annotations

import pytest

from whereupon.components.sources.odbc import _meant
from whereupon.model.errors import Away, SetupError, Unavailable


@pytest.mark.parametrize(
    ("state", "meaning"),
    [("IM002", SetupError), ("28P01", SetupError), ("08001", Away), ("HYT00", Away), ("40001", Unavailable),
     ("42501", SetupError)],
)  # fmt: skip
def test_an_error_says_who_has_to_act(state: str, meaning: type[Exception]) -> None:
    found = _meant(Exception(state, f"[{state}] [driver]it went wrong (1) (SQLExecDirectW)"))
    assert type(found) is meaning
    assert found.hint


def test_an_error_without_a_word_is_one_too() -> None:
    assert isinstance(_meant(Exception()), SetupError)

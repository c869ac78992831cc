"""Errors as they are said to a person."""

from __future__ import annotations

from whereupon.model.errors import Away, Mistakes, SetupError, Unavailable, WhereuponError


def test_an_error_reads_as_sentence_and_hint() -> None:
    assert str(WhereuponError("It failed.", hint="Try this.")) == "It failed. Try this."
    assert str(SetupError("It failed.")) == "It failed."


def test_an_error_may_say_when_to_try_again() -> None:
    assert Unavailable("Busy.", retry_after=2.5).retry_after == 2.5
    assert Away("Gone.").retry_after is None


def test_mistakes_are_kept_one_by_one() -> None:
    assert Mistakes("Two things are wrong.", ["a", "b"]).mistakes == ["a", "b"]

"""Reasons for which messages are withheld."""

from __future__ import annotations

from whereupon.model.reasons import REASONS, Withheld


def test_every_reason_has_a_sentence() -> None:
    assert all(each.endswith(".") and word == word.lower() for word, each in REASONS.items())
    assert Withheld("limit").reason in REASONS

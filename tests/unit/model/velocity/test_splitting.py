"""Texts are split as Java does it, as far as the pattern is safe."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whereupon.model.velocity.errors import RenderError
from whereupon.model.velocity.splitting import split


@pytest.mark.parametrize(
    ("text", "pattern", "limit", "parts"),
    [
        ("a,b,c", ",", 0, ["a", "b", "c"]),
        ("a,b,,", ",", 0, ["a", "b"]),
        (",a", ",", 0, ["", "a"]),
        (",,", ",", 0, []),
        ("a,b,,", ",", -1, ["a", "b", "", ""]),
        ("a,b,c", ",", 2, ["a", "b,c"]),
        ("a,b,c", ",", 1, ["a,b,c"]),
        ("a|b", "\\|", 0, ["a", "b"]),
        ("a.b", "\\.", 0, ["a", "b"]),
        ("a.b", ".", 0, []),
        ("a b  c", " +", 0, ["a", "b", "c"]),
        ("a , b", "\\s*,\\s*", 0, ["a", "b"]),
        ("a;b, c", "[;, ]+", 0, ["a", "b", "c"]),
        ("a1b", "[^a-z]", 0, ["a", "b"]),
        ("abc", "", 0, ["a", "b", "c"]),
        ("", ",", 0, [""]),
        ("abc", "x", 0, ["abc"]),
        ("a-b", "[-]", 0, ["a", "b"]),
    ],
)
def test_splitting_is_javas(text: str, pattern: str, limit: int, parts: list[str]) -> None:
    assert split(text, pattern, limit) == parts


@pytest.mark.req("SEC-01")
@pytest.mark.parametrize(
    "pattern", ["(a+)+b", "a|b", "|", "a{2,9}", "*", "(?s).", "[a", "[", "^a", "$", "\\", "\\p", "[]"]
)
def test_other_patterns_are_refused(pattern: str) -> None:
    with pytest.raises(RenderError, match="isn't supported"):
        split("aaaa", pattern)


@pytest.mark.req("SEC-01")
def test_a_pattern_with_repeats_takes_no_long_text() -> None:
    assert split("a" * 5_000, "b") == ["a" * 5_000]
    with pytest.raises(RenderError, match="too long"):
        split("a" * 5_000, "a+b")
    started = time.thread_time()
    split("a" * 4_000, "a*a*a*a*b")
    assert time.thread_time() - started < 1


@given(st.text(max_size=20), st.text(max_size=8), st.integers(-2, 4))
def test_no_pattern_does_anything_else_than_split_or_refuse(text: str, pattern: str, limit: int) -> None:
    try:
        parts = split(text, pattern, limit)
    except RenderError:
        return
    assert "".join(parts) in text or len("".join(parts)) <= len(text)

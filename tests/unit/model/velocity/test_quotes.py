"""Curly quotes are repaired where they are code and kept where they are prose."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whereupon.model.velocity import parse, repair_quotes


@pytest.mark.req("RTT-12")
@pytest.mark.parametrize(
    ("source", "repaired"),
    [
        ("$!data.get(‘promo_codes’).get(0)", "$!data.get('promo_codes').get(0)"),
        ("$!data.get(‘a’).get(0).get(“b”)", "$!data.get('a').get(0).get(\"b\")"),
        ("$!{data.get(’a’)}", "$!{data.get('a')}"),
        ("$data[‘a’][“b”]", "$data['a'][\"b\"]"),
        ("${name|‘friend’}", "${name|'friend'}"),
        ("#if($a == “x”)‘prose’#end", '#if($a == "x")‘prose’#end'),
        ('#set ( $a = ‘it"s’ )', "#set ( $a = 'it\"s' )"),
        ("#set($a = “it’s”)", '#set($a = "it’s")'),
        ('#set($a = “say "hi"”)', '#set($a = "say ""hi""")'),
        ("$a.get('x’)", "$a.get('x')"),
        ("$a.get(‘x')", "$a.get('x')"),
    ],
)
def test_quotes_of_code_are_made_straight(source: str, repaired: str) -> None:
    text, words = repair_quotes(source)
    assert text == repaired
    assert words
    parse(text)


@pytest.mark.parametrize(
    "source",
    [
        "She said “hi” to $name, ‘really’.",
        '#set($a = "it’s")',
        "#set($a = 'say “hi”')",
        "$a.get('x') “$b”",
        "$name (“nick”)",
        "$a.get(‘x\n)",
        "$a.get(‘",
        "$a.get('",
        "",
    ],
)
def test_everything_else_stays(source: str) -> None:
    assert repair_quotes(source) == (source, ())


def test_what_was_repaired_is_said() -> None:
    assert repair_quotes("$d.get(‘a’).get(‘b’)")[1] == (
        "The curly quotes around a were made straight.",
        "The curly quotes around b were made straight.",
    )


@given(st.text(alphabet="$#{}()[]ax.‘’“”'\"\n |=", max_size=40))
def test_a_repair_changes_only_quotes_and_is_done_in_one_go(source: str) -> None:
    repaired, _ = repair_quotes(source)
    quotes = str.maketrans("", "", "‘’“”'\"")
    assert repaired.translate(quotes) == source.translate(quotes)

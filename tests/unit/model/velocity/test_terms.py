"""References and expressions as they are read, and what is said when they can't be."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest

from whereupon.model.velocity import TemplateError, parse

PARTS = (
    "$", "(", "#", "\"", "'", "\\", "!", "-",
    "$!", "$$", "\\$", "$\\", "${", "#[[", "#*", "#*#",
    "]]#", "#{", "#@", "$x", "$x.a", "$x||", "$a.b(", "#if(",
    "#set($a=", "#end", "1+", "#x($x", "##\n", " ", "\n", "' ",
    "#x ", "#set($a='a'+\"b\")",
)  # fmt: skip


def mistake(template: str) -> TemplateError:
    with pytest.raises(TemplateError) as caught:
        parse(template)
    assert caught.value.hint
    return caught.value


@pytest.mark.parametrize(
    ("template", "line", "column"),
    [
        ("$data.get(", 1, 11),
        ("$data.get('x'", 1, 14),
        ("${x", 1, 4),
        ("${x.}", 1, 4),
        ("${x|}", 1, 5),
        ("text\n  $x[", 2, 6),
        ("#set($a = )", 1, 11),
        ("#set($a = 1", 1, 12),
        ("#set($a 1)", 1, 9),
        ("#set($a == 1)", 1, 9),
        ("#set(${a|1} = 1)", 1, 13),
        ("#set('a' = 1)", 1, 6),
        ("#set($a = [1, ])", 1, 15),
        ("#set($a = [ ])", 1, 13),
        ("#set($a = {1})", 1, 13),
        ("#set($a = {a: 1})", 1, 12),
        ("#set($a = [(1)])", 1, 12),
        ("#set($a = ['1'..3])", 1, 15),
        ("#set($a = [1..'3'])", 1, 18),
        ("#set($a = (1 + 2)", 1, 18),
        ("#set($a = null)", 1, 11),
        ("#set($a = 'x)", 1, 11),
        ('#set($a = "\n $x[")', 2, 5),
        ('#set($a = "$x[")', 1, 15),
        ("$x.y( )", 1, 7),
        ("$x.y(a.b)", 1, 7),
        ("#set($a = $5)", 1, 11),
    ],
)
def test_a_mistake_names_its_place(template: str, line: int, column: int) -> None:
    error = mistake(template)
    assert (error.line, error.column) == (line, column)


@pytest.mark.req("RTT-12")
@pytest.mark.parametrize(
    "template", ["$!data.get(‘x’)", "$data.get(“x”)", "#if($a == ‘x’)#end", "$data.get(x’)"]
)
def test_curly_quotes_are_told_with_straight_ones(template: str) -> None:
    error = mistake(template)
    assert "curly" in error.message
    assert "straight quotes" in error.hint


def test_a_minus_that_sticks_to_its_number_is_explained() -> None:
    for template in ("#set($a = $n -1)", "#set($a = 5-3)", "#set($a = $n-.5)"):
        assert "Write spaces around it" in mistake(template).hint


def test_a_number_or_sign_that_cannot_be_is_refused() -> None:
    assert "too long" in mistake(f"#set($a = {'9' * 1_001})").message
    assert "hexadecimal" in mistake('#set($a = "\\u12")').message


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("${x} ${x}y $x.y $x. $x.5 $x[0]", "X Xy $x.y X. X.5 $x[0]"),
        ("$x.length().foo $!x.foo.bar()|", "$x.length().foo |"),
        ("${x.length()}1 ${m.a}b ${m['a']}", "11 1b 1"),
        ("$x.foo( 'a' , 'b' ) $x.contains( 'X' )", "$x.foo( 'a' , 'b' ) true"),
        ("#set ( $a = 1 )$a#set( ${b} = 2 )$b#set($!c = 3)$c", "123"),
        ('#set($a = "say ""hi"" \\u0041 \'$x\'")$a', "say \"hi\" A 'X'"),
        ("#set($a = 'it''s \"x\" \\u0041')$a", 'it\'s "x" \\u0041'),
        ('#set($a = "plain")$a', "plain"),
        ("#set($a = 1.)#set($b = -.5)#set($c = 1e3)#set($d = 1.5E-3)$a $b $c $d", "1.0 -0.5 1000.0 0.0015"),
        ("#set($a = { 'k' : 1 , 'j' : [ 1 , 2 ] })$a", "{k=1, j=[1, 2]}"),
        ("#set($a = [ 1 .. 3 ])$a", "[1, 2, 3]"),
        ("#if($x == 'X'\n  && $m.a == 1)yes#end", "yes"),
        ("#if(not$f)yes#end#if(! $f)yes#end#if($x!='Y')yes#end", "yesyesyes"),
        ("$m.get(bare) $m.get(true)", "$m.get(bare) $m.get(true)"),
        ("${nope|\\$x}|${nope|$$x}", "X|X"),
    ],
)
def test_what_is_read_is_what_velocity_reads(template: str, text: str) -> None:
    assert parse(template).render({"x": "X", "m": {"a": 1}, "f": False}) == text


@pytest.mark.req("SEC-01")
@pytest.mark.parametrize(
    ("before", "part"),
    [
        ("", "#if($a)"),
        ("", "#foreach($i in $l)"),
        ("", "$a.b("),
        ("", "$a["),
        ("", "${a|"),
        ("#set($a = ", "("),
        ("#set($a = ", "["),
        ("#set($a = ", "{1:"),
        ("#if(", "!("),
    ],
)
def test_nesting_has_an_end(before: str, part: str) -> None:
    assert "nested too deeply" in mistake(before + part * 10_000).message


def test_texts_in_texts_have_an_end() -> None:
    text = "$a"
    for _ in range(12):
        text = '$a["' + text.replace('"', '""') + '"]'
    assert "nested too deeply" in mistake(text).message


def test_twenty_nested_parts_are_enough_and_the_most() -> None:
    parse("#if($a)" * 19 + "#end" * 19)
    assert "too deeply" in mistake("#if($a)" * 20 + "#end" * 20).message
    assert "too deeply" in mistake("#set($a = " + "(" * 5_000).message


@pytest.mark.req("SEC-01")
@pytest.mark.parametrize(
    "part",
    PARTS,
)
@pytest.mark.parametrize("before", ["", "#set($a = ", '#set($a = "', "$a.b(!"])
def test_a_template_four_times_as_long_takes_about_four_times_as_long(before: str, part: str) -> None:
    short, long = (_spent(before + part * (size // len(part))) for size in (25_000, 100_000))
    assert long < 9 * short + 0.2


def _spent(template: str) -> float:
    """CPU seconds of reading a template, which may be refused."""
    started = time.thread_time()
    with suppress(TemplateError):
        parse(template)
    return time.thread_time() - started

"""Plain text, comments, escapes and white space around directives; any text at all gives a text or an error."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whereupon.model.velocity import RenderError, TemplateError, parse

CONTEXT = {"x": "X", "l": [1, 2, 3], "t": True, "f": False, "m": {"a": 1}, "n": 3, "s": "some text"}


def rendered(template: str) -> str:
    return parse(template).render(CONTEXT)


@pytest.mark.parametrize(
    "template",
    [
        "$5.00 $$ $ me@x.com #hash #1 #(",
        "100% $-x $ x",
        "#nope",
        "#nope($x, 'a' \"b\" [1..2] word 1.5)",
        "#{nope} $",
        "#set",
        "#set $a = 1",
        "\\ \\\\ \\x \\#nope \\\\#nope",
        "$é #é {$}",
        "US$",
        "#",
        "$!",
        "${ x} ${5} ${}",
        "#$",
        "$![",
        "$!{5}",
    ],
)
def test_what_means_nothing_is_plain_text(template: str) -> None:
    assert rendered(template) == template


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("a ## b", "a "),
        ("a ## b\nc", "a c"),
        ("a#* $x #if *#b#**c*#d", "abd"),
        ("a#* never ends", "a"),
        ("#*##*#a#*#*#b", ""),
        ("#***#a#**#b", "ab"),
        ("#[[$x #if]]#a", "$x #ifa"),
        ("\\#if \\#end \\#{set} \\#foreach \\\\\\#if \\#macro", "#if #end #{set} #foreach \\#if #macro"),
        ("\\\\#if($t)a\\\\#end", "\\a\\"),
        ("\\\\#foreach($i in $l)a#end", "\\aaa"),
        ("\\\\#{foreach}($i in $l)a#end", "\\\\aaa"),
        ("\\\\#set($a = 1)", "\\\\"),
        ("\\##c", "\\"),
        ("$\\!x $\\\\!x $$\\!x", "$!x $\\!x $$!x"),
        ("$!5 $!!x \\$!5 \\$$5 $\\!5", "$5 $!x \\$5 \\$5 $5"),
        ("#if($t)a#else b#end", "a"),
        ("#foreach($i, in, $l $x)$i#end#break()", "123"),
        ("#{if}($t)a#{else}b#{end}#{stop}c", "a"),
        ("#if ($t)a#elseif ($f)b#end#foreach ($i in $l)c#end", "accc"),
        ("a#stop($x)b", "a"),
        ("a#stop\n(1)b", "a"),
    ],
)
def test_signs_mean_what_they_mean_to_velocity(template: str, text: str) -> None:
    assert rendered(template) == text


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("  #if($t)  \n  a\n  #end  \nb", "  a\nb"),
        ("x #if($t)\na\n#end\nb", "x a\n\nb"),
        ("  #if($f)\n  a\n  #elseif($t)\n  b\n  #else\n  c\n  #end\nd", "  b\nd"),
        ("<ul>\r\n  #foreach($i in $l)\r\n  $i\r\n  #end\r\n</ul>", "<ul>\r\n  1\r\n  2\r\n  3\r\n</ul>"),
        ("#foreach($i in [])\na\n#else\nb\n#end\nc", "b\nc"),
        ("  #set($a = 1)  \nb", "b"),
        ("x #set($a = 1)\nb", "x \nb"),
        ("#set($a = 1)#set($b = 1)\nc", "\nc"),
        ("#if($t)#if($t)\na\n#end\n#end\nb", "a\nb"),
        ("  #nope  \nb", "  #nope  \nb"),
        ("#foreach($i in $l)\n#break\n#end\nb", "b"),
        ("#* c *#\n  ## d\nb", "\n  b"),
    ],
)
def test_a_line_of_directives_leaves_nothing_behind(template: str, text: str) -> None:
    assert rendered(template) == text


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("#define($x)a#end", "#define can't be used"),
        ("#parse('x')", "#parse can't be used"),
        ("#include('x')", "#include can't be used"),
        ("#evaluate('x')", "#evaluate can't be used"),
        ("#{macro}(x)a#end", "#macro can't be used"),
        ("#@x()a#end", "#@x can't be used"),
        ("#end", "#end has no"),
        ("#else", "#else has no"),
        ("#if($t)a#else b#elseif($t)c#end", "#elseif has no"),
        ("#foreach($i in $l)a#elseif($t)b#end", "#elseif has no"),
        ("a #if($t)", "no #end"),
        ("#foreach($i in $l)", "no #end"),
        ("#if", "no bracket"),
        ("#if a", "no bracket"),
        ("#foreach a", "no bracket"),
        ("#foreach($i)a#end", "what to loop over"),
        ("#foreach($i in)a#end", "what to loop over"),
        ("#foreach($i in word)a#end", "what to loop over"),
        ("#foreach($i $l $l)a#end", "what to loop over"),
        ("#foreach(i in $l)a#end", "A value is missing"),
        ("#foreach($i in ($l))a#end", "A single value is missing"),
        ("#break(1 2)", "one value at most"),
        ("#if()a#end", "A value is missing"),
        ("#[[ never", "no end"),
        ("#nope(1 + 1)", "A value is missing"),
    ],
)
def test_a_directive_with_a_mistake_is_explained(template: str, words: str) -> None:
    with pytest.raises(TemplateError, match=words.replace("(", "\\(")) as caught:
        parse(template)
    assert caught.value.hint


PARTS = (
    (
        "$x ${x} $!nope $l[0] $m.a $s.split(' ') $s.replace('e','') $foreach.count #if($t) "
        "#if($f) #elseif($x) #else #end #set($a=1) "
        "#set($a=$a+$a) #set($l[0]=$l) #set($m.b=$m) #foreach($i#in#$l) #foreach($x#in#[1..9]) #foreach($i#in#$m) "
        "#break #stop "
        "\" ' $ # \\ ! ( ) [ ] { } | . , = + - * / % == && ## #* *# #[[ ]]# 1 2.5 'q' \"$x\" true $a $i \n"
    )
    .replace("#in#", " in ")
    .split(" ")
)


@pytest.mark.req("SEC-01")
@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from([*PARTS, " ", "\r\n", "é", "‘"]), max_size=30).map("".join))
def test_any_parts_give_a_text_or_one_of_our_errors(template: str) -> None:
    _survives(template)


@pytest.mark.req("SEC-01")
@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60))
def test_any_text_gives_a_text_or_one_of_our_errors(template: str) -> None:
    _survives(template)


@pytest.mark.req("SEC-01")
@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="$x(){}[]'\"|.,=+-*!1 nl", max_size=40))
def test_any_expression_gives_a_text_or_one_of_our_errors(expression: str) -> None:
    _survives(f"#set($v = {expression})$v#if({expression})yes#end")


def _survives(template: str) -> None:
    started = time.thread_time()
    try:
        text = parse(template).render(CONTEXT)
    except (TemplateError, RenderError):
        text = ""
    assert "object at" not in text
    assert time.thread_time() - started < 1

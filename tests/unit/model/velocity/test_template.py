"""Whole templates: what they print, what they are known to need, and how fast the plain ones are."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from whereupon.model.velocity import Limits, RenderError, Template, TemplateError, parse

CONTEXT: Mapping[str, Any] = {
    "forename": "Ada",
    "offer": "TEAL20",
    "stream": {"location": "Bath & Wells", "size": "L", "nights": 3},
    "offers": [{"code": "A"}, {"code": "B"}],
    "nothing": None,
}


@pytest.mark.req("RTT-12")
def test_the_worked_example_is_filled_in() -> None:
    body = parse("Dear $!forename, here is $!offer for your stay in $!location.")
    assert body.render({**CONTEXT, "location": "Bath"}) == "Dear Ada, here is TEAL20 for your stay in Bath."
    assert body.render(CONTEXT) == "Dear Ada, here is TEAL20 for your stay in ."


@pytest.mark.req("RTT-12")
@pytest.mark.parametrize(
    "template", ["Hi $forename, $nothing $!nothing $nope", "Hi $forename, ${nothing} $!{nope} $x.y"]
)
def test_a_reference_without_a_value_is_told(template: str) -> None:
    text, unresolved = parse(template).render_strict(CONTEXT)
    assert text.startswith("Hi Ada, $")
    assert len(unresolved) == 2
    assert all(source in text for source in unresolved)


@pytest.mark.parametrize(
    "template", ['#set($u = "to $nope")$u', "#set($u = 'to ' + $nope)$u", "#set($u = $nope + 'x')$u"]
)
def test_a_reference_that_gets_into_a_text_without_a_value_is_told(template: str) -> None:
    assert parse(template).render_strict(CONTEXT).unresolved == ("$nope",)


@pytest.mark.parametrize(
    "template", ["\\$nope", "$!nope", "${nope|'x'}", "#if($nope)x#end", "$5.00 me@x.com #hash", ""]
)
def test_what_is_no_open_reference_is_not_told(template: str) -> None:
    assert parse(template).render_strict(CONTEXT).unresolved == ()


@pytest.mark.req("SEC-01")
@pytest.mark.parametrize("value", ["<b> & \"x\" 'y'", ["<b> & \"x\" 'y'"]])
def test_printed_values_are_made_safe_for_html_once(value: object) -> None:
    safe = "&lt;b&gt; &amp; &quot;x&quot; &#x27;y&#x27;"
    for source in ("<i>$v</i>", "<i>$v#set($w = 1)</i>", '<i>#set($w = "$v")$w</i>'):
        text = parse(source).render_strict({"v": value}, escape=True).text
        assert text.replace("[", "").replace("]", "") == f"<i>{safe}</i>"
        assert safe not in parse(source).render({"v": value})


def test_plain_texts_keep_their_percent_signs() -> None:
    assert parse("100% for $forename, %s %(x)s").render(CONTEXT) == "100% for Ada, %s %(x)s"


def test_values_of_all_kinds_print_in_a_plain_template() -> None:
    assert parse("$a $b $c").render({"a": 1, "b": 2.50, "c": True}) == "1 2.5 true"


def test_an_error_in_a_quick_template_is_the_same_as_in_any_other() -> None:
    for source in ("$a$a", "$a$a$!a.x"):
        with pytest.raises(RenderError, match="too long"):
            parse(source).render({"a": "x" * 6, "": ""}, limits=Limits(output=10))


def test_stop_keeps_what_was_put_out() -> None:
    assert parse("a#stop b").render({}) == "a"
    assert parse("a#break b").render({}) == "a"


def test_the_names_and_paths_a_template_needs_are_known() -> None:
    template = parse(
        "$stream.location $!{forename} $data.get('x').get(0).name #foreach($o in $offers)$o.code $foreach.count#end"
        '#set($own = $base[\'a\'].b)$own.c "$o" #if($tested)#end #set($q = "$inner")'
    )
    assert template.references == {"stream", "forename", "data", "offers", "base", "o", "tested", "inner"}
    assert template.paths >= {
        ("stream", "location"),
        ("data", "x"),
        ("base", "a", "b"),
        ("offers",),
        ("forename",),
    }
    assert not {path for path in template.paths if path[0] in {"own", "foreach"}}


def test_what_may_go_wrong_is_known_unless_an_if_asks_before() -> None:
    template = parse(
        "$forename $!offer ${a|'x'} $!data.get('x').get(0).name $!list[1] $!map['k'] $!map.get($k)"
        "#if($checked.size() > 0)$checked.get(0) #end#set($own = 1)$own #foreach($i in $l)$i $i.code $foreach.x#end"
    )
    assert template.unguarded == ("$forename", "$!data.get('x').get(0).name", "$!list[1]", "$i.code")


def test_a_loop_variable_that_was_assigned_before_stays_the_templates_own() -> None:
    assert parse("#set($i = 1)#foreach($i in $l)#end$i").references == {"l"}


def test_a_template_never_changes_its_context() -> None:
    context: dict[str, Any] = {"m": {"a": [1, {"b": 2}]}, "l": [1]}
    template = parse(
        "#set($m.a[0] = 9)#set($m.a[1].b = 8)#set($m.c = 7)#set($l[0] = 6)#set($x = $m)#set($x.d = 5)$m $l"
    )
    assert template.render(context) == "{a=[9, {b=8}], c=7, d=5} [6]"
    assert context == {"m": {"a": [1, {"b": 2}]}, "l": [1]}
    assert template.render(context) == "{a=[9, {b=8}], c=7, d=5} [6]"


def test_two_names_of_one_value_stay_together_when_it_is_changed() -> None:
    shared = {"a": 1}
    assert parse("#set($one.a = 2)$two.a").render({"one": shared, "two": shared}) == "2"


def test_a_template_is_rendered_from_many_threads_at_once() -> None:
    template = parse("#foreach($i in [1..50])#set($v.x = $i)$v.x#if($i < $n)$n#end #end")
    contexts = [{"n": n, "v": {"x": 0}} for n in range(16)]
    expected = [template.render(context) for context in contexts]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(template.render, contexts * 8)) == expected * 8


def test_a_template_that_is_too_long_is_refused() -> None:
    with pytest.raises(TemplateError, match="too long"):
        parse("x" * 2_000_001)


def test_a_rendering_can_be_allowed_less_depth() -> None:
    template = parse("#if($a)#if($b)x#end#end")
    assert template.render({"a": 1, "b": 1}) == "x"
    with pytest.raises(RenderError, match="nested"):
        template.render({}, limits=Limits(depth=2))


def test_limits_are_what_the_documentation_says() -> None:
    assert dataclasses.astuple(Limits()) == (10_000, 1_000_000, 65_536, 0.2, 20)
    assert isinstance(parse("x"), Template)
    assert parse("x").source == "x"

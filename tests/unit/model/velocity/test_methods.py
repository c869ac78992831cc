"""The whitelist: what a template may call, on which kinds of value, and what comes of it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from whereupon.model.velocity import Limits, RenderError, TemplateError, parse
from whereupon.model.velocity.methods import METHODS

HOSTILE = json.loads(
    (Path(__file__).parents[3] / "data" / "velocity" / "hostile.json").read_text(encoding="utf-8")
)
CONTEXT: dict[str, Any] = {
    "s": "abc",
    "u": "a😀b",
    "l": [1, "a", None],
    "m": {"a": 1, "size": "L", "x y": 2},
    "n": 5,
    "t": True,
    "d": 1.5,
    "e": "",
}


def rendered(template: str) -> str:
    return parse(template).render(CONTEXT)


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("$s.length() $s.length $s.isEmpty() $s.empty $e.isEmpty", "3 3 false false true"),
        (
            "$s.equals('abc') $s.equals(5) $s.contains('b') $s.indexOf('c') $s.indexOf('z')",
            "true false true 2 -1",
        ),
        (
            "$s.indexOf('a', 1) $s.indexOf('', 9) $s.indexOf('a', -4) $s.indexOf(99) $s.indexOf(-1)",
            "-1 3 0 2 -1",
        ),
        (
            "$s.startsWith('a') $s.startsWith('b', 1) $s.startsWith('a', -1) $s.endsWith('c')",
            "true true false true",
        ),
        (
            "$s.substring(1) $s.substring(1, 2) $s.substring('1') $s.substring(1.9) $s.substring(true)",
            "bc b bc bc bc",
        ),
        ("$s.toUpperCase() $s.toUpperCase().toLowerCase() $s.replace('b', 'x')", "ABC abc axc"),
        ("$s.split('b') $s.split('b').size() $s.split('b', 1)", "[a, c] 2 [abc]"),
        ("$u.length() $u.substring(3) $u.indexOf('b') $u.indexOf('b', 3) $u.substring(1, 3)", "4 b 3 3 😀"),
        (
            "$l.size() $l.get(1) $l.isEmpty() $l.contains('a') $l.indexOf('a') $l.indexOf('z')",
            "3 a false true 1 -1",
        ),
        ("$l.contains($nope) $l[0] $l[-2] $l.get('1')", "true 1 a a"),
        (
            "$m.get('a') $m.a $m['x y'] $m.containsKey('a') $m.containsKey('z') $m.isEmpty()",
            "1 1 2 true false false",
        ),
        (
            "$m.keySet() $m.values() $m.entrySet() $m.size()",
            "[a, size, x y] [1, L, 2] [a=1, size=L, x y=2] 3",
        ),
        (
            "$m.keySet().size() $m.keySet().contains('a') $m.values().isEmpty() $m.isEmpty",
            "3 true false false",
        ),
        (
            "#foreach($p in $m.entrySet())$p.key=$p.value$p.getKey()$p.getValue() #end",
            "a=1a1 size=LsizeL x y=2x y2 ",
        ),
        ("#set($r = [3..1])$r.size() $r[0] $r[-1] $r.contains(2) $r.indexOf(1)", "3 3 1 true 2"),
    ],
)
def test_what_is_allowed_gives_what_java_gives(template: str, text: str) -> None:
    assert rendered(template) == text


def test_an_entry_of_a_map_comes_before_a_method_of_its_name() -> None:
    assert rendered("$m.size") == "L"


@pytest.mark.parametrize(
    "template",
    [
        "$s.foo()",
        "$s.length(1)",
        "$s.contains(5)",
        "$s.substring($nope)",
        "$l.get($nope)",
        "$l.get($m)",
        "$l.add(1)",
        "$l.length()",
        "$m.put('a', 1)",
        "$m.empty",
        "$m.keySet().get(0)",
        "$m.get(1)",
        "$m.get($l)",
        "$n.length()",
        "$t.foo",
        "$d[0]",
        "$s[0]",
        "$s.class",
        "$n.toString()",
    ],
)
def test_what_is_not_allowed_has_no_value(template: str) -> None:
    assert rendered(template) == template


@pytest.mark.parametrize(
    "template",
    [
        "$l.get(3)",
        "$l.get(-1)",
        "$l[3]",
        "$l[-4]",
        "$l['x']",
        "$l.get('x')",
        "$l.get('99999999999999')",
        "$s[-1]",
        "$s.substring(4)",
        "$s.substring(2, 1)",
        "$s.substring(-1)",
        "$s.contains($nope)",
        "$s.replace('a', $nope)",
        "$s.split('(')",
        "#set($r = [1..2])$r.get(2)",
        "#set($r = [1..2])#set($r[0] = 1)",
        "#set($l[5] = 1)",
        "#set($x = {$l: 1})",
    ],
)
def test_what_java_throws_is_an_error_that_says_what_to_do(template: str) -> None:
    with pytest.raises(RenderError) as caught:
        rendered(template)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("#set($x = {})#set($x.a = 1)#set($x['b'] = 2)#set($x[3] = 4)$x", "{a=1, b=2, 3=4}"),
        ("#set($x = [1, 2])#set($x[0] = 5)#set($x[-1] = 6)#set($x['1'] = 7)$x", "[5, 7]"),
        ("#set($l[$nope] = 1)$l.get(0)", "1"),
        ("#set($s.a = 1)$s #set($l.a = 1)$l.size() #set($n[0] = 1)$n", "abc 3 5"),
        (
            "#foreach($i in [1..2])#set($foreach.x = $i)#set($foreach['y'] = 1)"
            "$foreach.x$foreach.get('y')$foreach #end",
            "11{x=1, y=1} 21{x=2, y=1} ",
        ),
    ],
)
def test_parts_of_values_are_assigned(template: str, text: str) -> None:
    assert rendered(template) == text


@pytest.mark.req("SEC-01")
def test_only_named_methods_can_be_called() -> None:
    names = {name for methods in METHODS.values() for name, _ in methods}
    assert set(METHODS) == {str, list, range, dict} | {
        kind for kind in METHODS if kind.__module__.startswith("whereupon.")
    }
    assert not [name for name in names if name.startswith("_") or not name.isidentifier()]


@pytest.mark.req("SEC-01")
@pytest.mark.parametrize("template", HOSTILE["templates"])
def test_nothing_but_the_data_can_be_reached(template: str) -> None:
    try:
        text, unresolved = parse(template).render_strict(HOSTILE["context"], limits=Limits(output=20_000))
    except (TemplateError, RenderError) as error:
        text, unresolved = error.message.replace(template, ""), ()
    for source in unresolved:
        text = text.replace(source, "")
    for sign in ("<class", "<built-in", "<function", "<module", "object at", "uid=", "root:", "whereupon."):
        assert sign not in text
    # What a template spells out itself may be put out; nothing else with two underscores may.
    assert all(word in template for word in re.findall(r"\w*__\w*", text, re.ASCII))


def test_there_are_enough_hostile_templates() -> None:
    assert len(set(HOSTILE["templates"])) >= 300

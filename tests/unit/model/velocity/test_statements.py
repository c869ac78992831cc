"""Directives as they render: #if, #foreach, #set, #break, #stop, and references with backslashes."""

from __future__ import annotations

from typing import Any

import pytest

from whereupon.model.velocity import RenderError, parse

CONTEXT: dict[str, Any] = {"x": "X", "l": [1, 2, 3], "m": {"a": 1, "b": 2}, "t": True, "f": False, "none": []}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("#if($f)a#elseif($t)b#{else}c#end", "b"),
        ("#if($f)a#elseif($f)b#{else}c#end", "c"),
        ("#if($f)a#end", ""),
        ("#foreach($i in $l)$i#if($foreach.hasNext), #end#end", "1, 2, 3"),
        ("#foreach($i in $m)$i#end", "12"),
        (
            "#foreach($i in [1..3])$foreach.index$foreach.count$foreach.first$foreach.last #end",
            "01truefalse 12falsefalse 23falsetrue ",
        ),
        (
            "#foreach($i in $l)$foreach.getIndex()$foreach.getCount()$foreach.isFirst()$foreach.isLast()#break#end",
            "01truefalse",
        ),
        (
            "#foreach($i in $l)$foreach.hasNext()$foreach.getHasNext()$foreach.getFirst()$foreach.getLast()#break#end",
            "truetruetruefalse",
        ),
        (
            "#foreach($i in $l)#foreach($j in [1..2])"
            "$foreach.parent.count$foreach.getParent().index$foreach.topmost.count #end#end",
            "101 101 212 212 323 323 ",
        ),
        (
            "#foreach($i in $none)x#{else}none#end #foreach($i in $x)x#{else}none#end #foreach($i in $none)x#end",
            "none none ",
        ),
        ("#foreach($x in $l)$x#end$x #foreach($q in $l)#end$q", "123X $q"),
        ("#foreach($i in $l)$i#if($i == 2)#break#end#end!", "12!"),
        (
            "#foreach($i in $l)#foreach($j in $l)$i$j #if($j == 2)#break($foreach.parent)#end#end#end!",
            "11 12 !",
        ),
        ("#foreach($i in $l)#foreach($j in $l)$j#break($foreach)#end;#end!", "1;1;1;!"),
        ("#foreach($i in $l)$i#if($i == 2)#stop#end#end!", "12"),
        ("#foreach($i in $m)#set($m.c = 3)$i#end $m", "12 {a=1, b=2, c=3}"),
        ("#foreach($i in [1])#set($foreach.x = 5)#foreach($j in $foreach)$j$foreach.parent.x#end#end", "55"),
        (
            "#set($foreach = 1)#foreach($j in [1])$!foreach.parent$foreach.count#end$foreach",
            "11",
        ),
        (
            "#set($a.b = 1)$a#set($a.b.c = 1) #set($x.y.z = 1)$x #set($m.q.z = 1)$m.size() #set($m.a() = 5)$m",
            "$a X 2 {a=1, b=2}",
        ),
        ("#set($x = $nope)[$x]", "[$x]"),
        ("\\$x \\\\$x \\\\\\$x \\$nope \\\\$nope \\\\\\$nope", "$x \\X \\$x \\$nope \\\\$nope \\\\$nope"),
        ("\\$!x \\$!nope \\\\$!nope|", "$!x \\$!nope \\\\|"),
        ("$$x \\$$x $\\$x #$x", "$X $x $\\X #X"),
    ],
)
def test_directives_render_as_velocity_does(template: str, text: str) -> None:
    assert parse(template).render(CONTEXT) == text


def test_only_a_loop_can_be_left() -> None:
    with pytest.raises(RenderError, match="no loop"):
        parse("#foreach($i in $l)#break($x)#end").render(CONTEXT)


def test_the_loop_variable_comes_back_when_a_loop_is_left_from_inside() -> None:
    template = "#foreach($a in [1])#foreach($x in $l)#break($foreach.parent)#end#end$x"
    assert parse(template).render(CONTEXT) == "X"

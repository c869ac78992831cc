"""Expressions: their values, whether they hold, and what Velocity makes of missing ones."""

from __future__ import annotations

from typing import Any

import pytest

from whereupon.model.velocity import RenderError, parse

CONTEXT: dict[str, Any] = {
    "n": 3,
    "t": True,
    "f": False,
    "s": "x",
    "l": [1, 2],
    "m": {"a": 1},
    "z": 0,
    "d": 2.5,
}


def value(expression: str) -> str:
    return parse(f"#set($v = {expression})$!v").render(CONTEXT)


def holds(condition: str) -> bool:
    return parse(f"#if({condition})yes#end").render(CONTEXT) == "yes"


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("1 + 2 * 3 - 4", "3"),
        ("(1 + 2) * 3", "9"),
        ("7 / 2", "3"),
        ("7 % 4 + 0.5", "3.5"),
        ("7 / 0", ""),
        ("$nope + 1", ""),
        ("$t + 1", ""),
        ("'a' + 1 + 2", "a12"),
        ("1 + 2 + 'a'", "3a"),
        ("'a' + $nope", "a$nope"),
        ("$nope.x + 1 + 'a'", "$nope.x + a"),
        ("'a' + ($nope * 2 * 3)", "a$nope *  * "),
        ("'a' + $l + $m", "a[1, 2]{a=1}"),
        ("-$n", "-3"),
        ("-$s", ""),
        ("- 5", "-5"),
        ("--5", "5"),
        ("'a' + -$s", "a-$s"),
        ("!$t", "false"),
        ("!!$n", "true"),
        ("not $nope", "true"),
        ("$t && $f || $t", "true"),
        ("$t and $f or $f", "false"),
        ("[1, 'a', $nope, [2], {'k': 1}]", "[1, a, null, [2], {k=1}]"),
        ("{'a': 1, $s: [1..2]}", "{a=1, x=[1, 2]}"),
        ("[]", "[]"),
        ("{}", "{}"),
        ("[1..3]", "[1, 2, 3]"),
        ("[3..1]", "[3, 2, 1]"),
        ("[2..2]", "[2]"),
        ("[$d..$n]", "[2, 3]"),
        ("[$s..3]", ""),
        ("[1..$nope]", ""),
        ('"a$s#if($t)b#end"', "axb"),
        ("'a$s'", "a$s"),
        ("true", "true"),
        ("${nope|'other'}", "other"),
        ("${z|$n}", "3"),
        ("${s|'other'}", "x"),
        ("$l.get(bare)", ""),
    ],
)
def test_expressions_have_velocitys_values(expression: str, text: str) -> None:
    assert value(expression) == text


@pytest.mark.parametrize(
    "condition",
    [
        "1 == 1.0",
        "'1.0' == 1",
        "'a' == 'a'",
        "$t == 'true'",
        "$l == '[1, 2]'",
        "$l == [1..2]",
        "$m == {'a': 1}",
        "$nope == $nope2",
        "$nope != 1",
        "$n >= 3 && $n <= 3 && $n > 2 && $n < 4",
        "$n ge 3 and $n le 3 and $n gt 2 and $n lt 4 and $n eq 3 and $n ne 4",
        "'2' < 10",
        "1 < 2 == $t",
        "[0]",
        "{'a': 0}",
        "-$n",
        "$t || $l.get(9)",
        "!($f && $l.get(9))",
        "'false'",
    ],
)
def test_conditions_that_hold(condition: str) -> None:
    assert holds(condition)
    assert not holds(f"!({condition})")


@pytest.mark.parametrize(
    "condition",
    [
        "$nope",
        "$z",
        "''",
        "[]",
        "{}",
        "[1..3]",
        "$n + 1",
        "'a' < 'b'",
        "'a' < 2",
        "$nope < 1",
        "$nope == 1",
        "$l == '[1]'",
        "[1] == [1.0]",
        "0.0",
        "-0",
        "1 < 2 < 3",
        "5 == true",
        "$nope.bare",
    ],
)
def test_conditions_that_do_not_hold(condition: str) -> None:
    assert not holds(condition)


def test_a_long_list_can_be_compared_with_a_text() -> None:
    for condition in ("$long == ''", "'[0, 1' == $long", "$long == $m"):
        template = parse(f"#if({condition})yes#{{else}}no#end")
        assert template.render({"long": list(range(100)), "m": {}}) == "no"
    assert parse("#if($long != '')yes#end").render({"long": ["x" * 70_000]}) == "yes"


def test_a_value_of_a_strange_kind_is_refused() -> None:
    for template in (
        "$v",
        "$v.x $v",
        "#if($v)x#end",
        "#set($w = 'a' + $v)",
        "#if($v == 'a')x#end",
        "#if('a' == $v)x#end",
        "${v|1}",
    ):
        with pytest.raises(RenderError, match="can't be used"):
            parse(template).render({"v": object()})


@pytest.mark.req("SEC-01")
def test_a_number_at_its_limits_is_refused() -> None:
    with pytest.raises(RenderError):
        parse("#if($a > '1')x#end").render({"a": float("inf")})

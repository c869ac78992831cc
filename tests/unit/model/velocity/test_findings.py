"""What is known of a template without rendering it."""

from __future__ import annotations

import pytest

from whereupon.model.velocity import parse


@pytest.mark.parametrize(
    ("template", "path"),
    [
        ("$a", ("a",)),
        ("$a.b.c", ("a", "b", "c")),
        ("$a.get('b').get(0).get('c')", ("a", "b")),
        ("$a['b'][0]", ("a", "b")),
        ('$a.get("b")', ("a", "b")),
        ("$a.get($k).c", ("a",)),
        ("$a.get('b', 'c')", ("a",)),
        ("$a.foo('b')", ("a",)),
        ('$a["$b"]', ("a",)),
    ],
)
def test_a_path_goes_as_far_as_it_is_certain(template: str, path: tuple[str, ...]) -> None:
    assert path in parse(template).paths


@pytest.mark.parametrize(
    ("template", "unguarded"),
    [
        ("$a", ("$a",)),
        ("$a $a", ("$a",)),
        ("$!a", ()),
        ("#if($a)$a#{else}$a#end", ()),
        ("#if($b)$a#end", ("$a",)),
        ("#if($b)#elseif($a)$a#end", ()),
        ("#if($a)#end$a", ("$a",)),
        ("#if($b)$a#elseif($c)$a#end", ("$a",)),
        ("#set($x = $a.get(0))", ("$a.get(0)",)),
        ("#set($x = $a)", ()),
        ("#foreach($i in $!a.get(0))#end", ("$!a.get(0)",)),
        ("\"$a\" '$b'", ("$a", "$b")),
        ('#set($x = "$a")', ("$a",)),
    ],
)
def test_what_may_print_itself_or_fail_is_listed(template: str, unguarded: tuple[str, ...]) -> None:
    assert parse(template).unguarded == unguarded

"""Nothing that a template does goes on for ever, and the limits are the ones that were asked for."""

from __future__ import annotations

import time

import pytest

from whereupon.model.velocity import Limits, RenderError, parse
from whereupon.model.velocity.scope import Scope


def reason(template: str, limits: Limits | None = None, **context: object) -> str:
    with pytest.raises(RenderError) as caught:
        parse(template).render(context, limits=limits or Limits())
    assert caught.value.hint
    return caught.value.message


@pytest.mark.req("SEC-01")
def test_loops_are_counted_together() -> None:
    assert "repeat too often" in reason("#foreach($i in [1..100000000])#end")
    assert "repeat too often" in reason("#foreach($i in [1..101])#foreach($j in [1..100])#end#end")
    assert parse("#foreach($i in [1..10000])#end").render({}, limits=Limits(seconds=10)) == ""


@pytest.mark.req("SEC-01")
def test_the_output_has_an_end() -> None:
    assert "too long" in reason("#foreach($i in [1..3])$s#end", Limits(output=29), s="x" * 10)
    assert parse("#foreach($i in [1..3])$s#end").render({"s": "x" * 10}, limits=Limits(output=30)) == "x" * 30
    assert "too long" in reason("$l", Limits(output=8), l=[1, 2, 3])


@pytest.mark.req("SEC-01")
@pytest.mark.parametrize("doubled", ["$a + $a", '"$a$a"', "$a.replace('x', $a)"])
def test_a_text_that_doubles_has_an_end(doubled: str) -> None:
    started = time.thread_time()
    assert "too long" in reason(f"#set($a = 'xx')#foreach($i in [1..100])#set($a = {doubled})#end$a")
    assert time.thread_time() - started < 0.3


@pytest.mark.req("SEC-01")
@pytest.mark.parametrize("start", ["2", "'2'", "'2.5'"])
def test_a_number_that_doubles_has_an_end(start: str) -> None:
    message = reason(f"#set($a = {start} * 1)#foreach($i in [1..100])#set($a = $a * $a)#end$a")
    assert "number" in message or "calculation" in message


@pytest.mark.req("SEC-01")
def test_all_that_is_built_has_an_end() -> None:
    chain = '#set($a = [])#foreach($i in [1..9999])#set($a = [$a, "$s"])#end'
    assert "too many values" in reason(chain, Limits(seconds=10), s="x" * 60_000)
    assert "too many values" in reason(
        "#foreach($i in $l)#foreach($j in $m)#break#end#end", l=[1] * 99, m={n: n for n in range(9000)}
    )


@pytest.mark.req("SEC-01")
@pytest.mark.parametrize(
    "part", ["$s.substring(1)", "$s.trim()", "$s.toUpperCase()", "$s.split('y')", "$s.replace('x', 'y')"]
)
def test_what_methods_give_is_counted_as_built(part: str) -> None:
    keep = f"#foreach($i in [1..9999])#set($a = [$a, {part}])#end"
    assert "too many values" in reason(keep, Limits(seconds=10), s="xy" * 4_000)


@pytest.mark.req("SEC-01")
def test_time_has_an_end() -> None:
    started = time.thread_time()
    busy = "#foreach($i in [1..9000])#set($a = $s.indexOf('zz'))#set($a = $s.indexOf('zy'))#end"
    assert "too long" in reason(busy, s="z" * 1_000_000)
    assert time.thread_time() - started < 0.6


@pytest.mark.req("SEC-01")
@pytest.mark.parametrize("use", ["$a", "#if($a == $b)x#end", "$a.contains($b)", "#set($z = 'x' + $a)"])
def test_values_that_hold_themselves_have_an_end(use: str) -> None:
    both = "#set($a = [1])#set($a[0] = $a)#set($b = [1])#set($b[0] = $b)"
    assert "nested too deeply" in reason(both + use)


@pytest.mark.req("SEC-01")
def test_values_that_share_their_parts_have_an_end() -> None:
    build = "#foreach($i in [1..45])#set($a = [$a, $a])#set($b = [$b, $b])#end"
    assert "nested too deeply" in reason(build + "#if($a == $b)x#end", Limits(seconds=30))
    assert "too long" in reason(build + "$a")


def test_what_was_written_before_an_inner_text_fails_is_kept_apart() -> None:
    scope = Scope({}, limits=Limits(value=3))
    scope.write("before")
    with pytest.raises(RenderError):
        scope.collect(lambda inner: inner.write("long"))
    scope.write(" after")
    assert scope.text() == "before after"


def test_a_name_that_was_assigned_nothing_hides_the_context() -> None:
    scope = Scope({"a": 1}, limits=Limits())
    assert scope.lookup("a") == 1
    scope.assign("a", None)
    assert scope.lookup("a") is None

"""Rules of the house for each module: a first sentence, a size, a name, and a test file of its own."""

from __future__ import annotations

import ast

import pytest

from tests.architecture.modules import SOURCE, Module, modules

MOST_LINES = 400
NAMES_THAT_SAY_NOTHING = {
    "utils",
    "util",
    "helpers",
    "helper",
    "common",
    "manager",
    "managers",
    "misc",
    "base",
    "core",
}
TESTS = SOURCE.parents[1] / "tests"
# Modules whose only honest test is not a unit test, and where it is.
TESTED_ELSEWHERE: dict[str, str] = {}
NAMED = pytest.mark.parametrize("module", modules(), ids=lambda each: each.name)


@NAMED
def test_a_module_opens_with_a_sentence(module: Module) -> None:
    first = (ast.get_docstring(module.tree) or "").partition("\n")[0]
    assert first, "it has no docstring"
    assert first.rstrip(":")[-1:] in ".!?;" or first.endswith(":"), first


@NAMED
def test_a_module_is_no_longer_than_can_be_read(module: Module) -> None:
    assert module.text.count("\n") <= MOST_LINES


@NAMED
def test_a_name_says_what_is_in_it(module: Module) -> None:
    assert not NAMES_THAT_SAY_NOTHING & {part.removesuffix(".py").strip("_") for part in module.place.parts}


@NAMED
def test_a_module_has_its_tests(module: Module) -> None:
    if module.path.name in {"__init__.py", "__main__.py"}:
        return
    unit = TESTS / "unit" / module.place.with_name(f"test_{module.path.name}")
    elsewhere = TESTED_ELSEWHERE.get(module.name)
    assert unit.is_file() or (elsewhere and (TESTS / elsewhere).is_file()), f"{unit} is missing"


@NAMED
def test_no_value_is_written_into_a_statement(module: Module) -> None:
    """A statement is never composed of values: `execute` and `text` get no f-string, `%` or `format`."""
    composed = [
        node.lineno
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func).rpartition(".")[2] in {"execute", "executemany", "exec_driver_sql", "text"}
        and node.args
        and _composed(node.args[0])
    ]
    assert not composed


def _composed(node: ast.expr) -> bool:
    if isinstance(node, ast.JoinedStr):
        return any(isinstance(each, ast.FormattedValue) and not _constant(each.value) for each in node.values)
    if isinstance(node, ast.BinOp):
        return isinstance(node.op, ast.Mod)
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "format"


def _constant(node: ast.expr) -> bool:
    """Names in capitals are constants of the module; quoted names have gone through the dialect."""
    return (isinstance(node, ast.Name) and node.id.isupper()) or (
        isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in {"quote", "quoted"}
    )


def test_every_exception_to_the_rule_is_a_module() -> None:
    assert TESTED_ELSEWHERE.keys() <= {each.name for each in modules()}

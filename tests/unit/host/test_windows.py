"""The ways of Windows have every name that those of POSIX have, with the same words; run for real on Windows alone."""

from __future__ import annotations

import ast
import importlib
import sys
from pathlib import Path

import pytest

from whereupon.host import machine

SOURCES = Path(machine.__file__).parent


def public(name: str) -> dict[str, str]:
    tree = ast.parse((SOURCES / name).read_text(encoding="utf-8"))
    found = {each.name: each for each in tree.body if isinstance(each, ast.FunctionDef | ast.ClassDef)}
    return {
        name: ast.unparse(each.args) if isinstance(each, ast.FunctionDef) else "a class"
        for name, each in found.items()
        if not name.startswith("_")
    }


def test_both_platforms_offer_the_same() -> None:
    assert public("windows.py") == public("posix.py")


@pytest.mark.skipif(sys.platform == "win32", reason="it is imported there")
def test_nobody_elsewhere_imports_it() -> None:
    with pytest.raises(ImportError, match="ways of Windows"):
        importlib.import_module("whereupon.host.windows")

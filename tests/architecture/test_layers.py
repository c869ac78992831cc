"""Which module may import which: the contracts of `pyproject.toml`, and what is imported is declared there too."""

from __future__ import annotations

import itertools
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from importlinter import cli
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.architecture.modules import SOURCE, Module, modules

ROOT = SOURCE.parents[1]
# Packages whose one user brings them along: pydantic, typer.
COMES_ALONG = {"pydantic_core", "click"}


def test_imports_point_down_only(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    # It would silence all loggers of this process, for the tests that follow too.
    monkeypatch.setattr(cli, "_configure_logging", lambda verbose: None)
    status = cli.lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True)
    assert status == cli.EXIT_STATUS_SUCCESS, capsys.readouterr().out


def test_what_is_imported_is_a_declared_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = itertools.chain(project["dependencies"], *project["optional-dependencies"].values())
    declared = {canonicalize_name(Requirement(each).name) for each in asked}
    packages = {
        name: {canonicalize_name(each) for each in those} for name, those in packages_distributions().items()
    }
    known = {"whereupon", *COMES_ALONG, *sys.stdlib_module_names}
    strangers = {
        f"{module.name} imports {name}"
        for module in modules()
        for name in module.imported_packages() - known
        if not packages.get(name, {canonicalize_name(name)}) & declared
    }
    assert not strangers


@pytest.mark.parametrize("module", modules(), ids=lambda each: each.name)
def test_nothing_of_the_product_sleeps(module: Module) -> None:
    assert not module.calls("time", "sleep")


def test_a_sleep_would_be_seen(tmp_path: Path) -> None:
    file = tmp_path / "late.py"
    file.write_text("import time as t\nfrom time import sleep\nt.sleep(1)\nsleep(1)\n", encoding="utf-8")
    assert len(Module(file, root=tmp_path).calls("time", "sleep")) == 2

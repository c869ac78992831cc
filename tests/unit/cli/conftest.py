"""The command line as a person has it in a terminal, without the cost of a process."""

from __future__ import annotations

import io
import json
import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.lived import applied, lived
from whereupon.cli.app import run


@dataclass(frozen=True, slots=True)
class Said:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> list[Any]:
        """Standard output as JSON, line by line."""
        return [json.loads(each) for each in self.out.splitlines()]


Words = Callable[..., Said]


@pytest.fixture
def words(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, home: Path) -> Iterator[Words]:
    """`words("apply", file, stdin="…")`: runs a command; the current folder is the test's own."""
    monkeypatch.chdir(home)

    def say(*given: object, stdin: str | bytes = "") -> Said:
        data = stdin.encode() if isinstance(stdin, str) else stdin
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data), encoding="utf-8"))
        capsys.readouterr()
        code = run([os.fspath(each) if isinstance(each, Path) else str(each) for each in given])
        said = capsys.readouterr()
        return Said(code, said.out, said.err)

    handlers = list(logging.getLogger().handlers)
    yield say
    logging.getLogger().handlers[:] = handlers


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: Path) -> Path:
    """The worked example, applied; $WHEREUPON_SYSTEM names it."""
    folder = applied(tmp_path / "TealHols")
    monkeypatch.setenv("WHEREUPON_SYSTEM", str(folder))
    return folder


@pytest.fixture
def lived_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: Path) -> Path:
    """The same after some sign-ins (tests.lived)."""
    folder = lived(tmp_path / "TealHols")
    monkeypatch.setenv("WHEREUPON_SYSTEM", str(folder))
    return folder

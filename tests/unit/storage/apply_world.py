"""A set-up file that tests change, and the system it is applied to."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from whereupon.host.clock import FakeClock
from whereupon.host.paths import resources
from whereupon.kit.registry import Registry
from whereupon.model.errors import Mistakes
from whereupon.storage import folder as folders
from whereupon.storage.apply import Applied, apply, compared
from whereupon.storage.repository import Repository
from whereupon.storage.vault import MemoryVault, Vault


class World:
    """A set-up file that tests change, and the system it is applied to."""

    def __init__(self, folder: Path, registry: Registry) -> None:
        shutil.copytree(resources() / "example", folder / "files")
        self.file = folder / "files" / "tealhols.yaml"
        self.people = folder / "files" / "people.csv"
        self.system = folder / "TealHols"
        self.registry = registry
        self.vault: Vault = MemoryVault()

    def change(self, old: str, new: str) -> None:
        text = self.file.read_text(encoding="utf-8")
        assert old in text
        self.file.write_text(text.replace(old, new), encoding="utf-8")

    def without(self, begin: str, end: str) -> None:
        text = self.file.read_text(encoding="utf-8")
        self.file.write_text(text[: text.index(begin)] + text[text.index(end) :], encoding="utf-8")

    def apply(self, *, prune: bool = False, reload: bool = False) -> Applied:
        return apply(
            self.file, self.system, author="ann", registry=self.registry, prune=prune, reload=reload,
            vault=self.vault, clock=FakeClock(),
        )  # fmt: skip

    def compare(self, *, prune: bool = False) -> Applied:
        return compared(self.file, self.system, registry=self.registry, prune=prune, vault=self.vault)

    def mistakes(self, *, prune: bool = False) -> list[str]:
        with pytest.raises(Mistakes) as raised:
            self.apply(prune=prune)
        return raised.value.mistakes

    def repository(self) -> Repository:
        there = folders.opened(self.system).databases(self.vault).system
        return Repository(there, self.registry, self.vault)

"""Settings of a kind made from its own declaration, for the contract tests."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from whereupon.connect.databases import database
from whereupon.host.clock import Clock
from whereupon.kit.config import Config
from whereupon.kit.registry import Kind, discover
from whereupon.kit.roles import Context, Role
from whereupon.model.setup import FieldDefinition

SECRET = "hush-nobody-may-read-this"


def kinds(role: Role) -> list[Kind]:
    """Every kind of a role that there is."""
    return list(discover(f"whereupon.components.{role}s").of(role))


def example(config: type[Config]) -> Config:
    """The settings with the example of each that is required, and a secret in each that holds one."""
    values: dict[str, Any] = {}
    for name, info in config.model_fields.items():
        if info.annotation is SecretStr:
            values[name] = SECRET
        elif info.is_required():
            values[name] = (info.examples or ["no example"])[0]
    return config.model_validate(values)


def made(
    kind: Kind, folder: Path, provider: Config | None = None, config: Config | None = None,
    parts: Mapping[str, Any] | None = None,
) -> Any:  # fmt: skip
    """A part of this kind, with a Pull Marketing database in `folder`; `parts` are those that its settings name."""
    fields = (FieldDefinition(name="urn", type="Reference"),)
    context = Context(
        "Part",
        "TealHols",
        folder,
        "folder",
        Clock(),
        {"pull_marketing": database("sqlite:///PM.db", folder=folder)},
        parts or {},
        fields=fields,
    )
    return kind.make(provider or example(kind.provider), config or example(kind.config), context)

"""Which vault a system's folder chose, made from what its whereupon.toml says."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from whereupon.storage.keyring_vault import KeyringVault
from whereupon.storage.vault import EnvironmentVault, FileVault, Vault, passphrase

Kind: TypeAlias = Literal["keyring", "environment", "file"]


@dataclass(frozen=True, slots=True)
class VaultSettings:
    """What whereupon.toml says of the vault; `key_file` holds the passphrase of an encrypted file."""

    system: str
    folder_id: str
    folder: Path
    kind: Kind = "keyring"
    key_file: Path | None = None


def vault(settings: VaultSettings) -> Vault:
    """The vault that a system's folder chose. It is opened when first used."""
    if settings.kind == "environment":
        return EnvironmentVault()
    if settings.kind == "file":
        return FileVault(settings.folder / "secrets.vault", lambda: passphrase(settings.key_file))
    return KeyringVault(f"whereupon/{settings.system}/{settings.folder_id}")

"""The vault over a real Secret Service."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.servers.keyring import KeyringBus
from whereupon.model.errors import SetupError
from whereupon.storage.vault import Vault
from whereupon.storage.vault_choice import VaultSettings, vault

pytestmark = [pytest.mark.outside, pytest.mark.req("SEC-01")]


def kept(folder: Path, folder_id: str = "abc") -> Vault:
    return vault(VaultSettings("TealHols", folder_id, folder))


def test_secrets_are_kept_listed_split_and_deleted(keyring_bus: KeyringBus, tmp_path: Path) -> None:
    one = kept(tmp_path)
    one.check()
    assert one.names() == []
    long = "".join(chr(33 + number % 900) for number in range(100_000))
    one.write("pem", long)
    one.write("esp/token", "s3cret “ü” 🙂")
    again = kept(tmp_path)
    assert again.read("pem") == long
    assert again.read("esp/token") == "s3cret “ü” 🙂"
    assert again.names() == ["esp/token", "pem"]
    assert kept(tmp_path, "other").names() == []
    again.delete("pem")
    assert one.read("pem") is None
    assert one.names() == ["esp/token"]


def test_a_locked_keyring_says_so_and_names_the_other_places(keyring_bus: KeyringBus, tmp_path: Path) -> None:
    kept(tmp_path).write("a", "1")
    keyring_bus.lock()
    one = kept(tmp_path)
    asked: list[Callable[[], object]] = [one.check, lambda: one.read("a"), lambda: one.write("a", "2")]
    for ask in asked:
        with pytest.raises(SetupError, match="keyring") as raised:
            ask()
        assert 'kind = "file"' in raised.value.hint
    assert list(tmp_path.iterdir()) == []

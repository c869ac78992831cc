"""Which vault a system's folder chose."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from whereupon.model.errors import SetupError
from whereupon.storage.vault_choice import VaultSettings, vault


def test_without_a_secret_service_a_system_says_so_when_a_secret_is_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", f"unix:path={tmp_path}/nobody")
    monkeypatch.setattr(sys, "platform", "linux")
    kept = vault(VaultSettings("TealHols", "abc", tmp_path))
    with pytest.raises(SetupError, match="can't be used"):
        kept.read("a")


def test_the_process_s_own_environment_is_the_default(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("WHEREUPON_SECRET_A_B", "1")
    assert vault(VaultSettings("S", "id", tmp_path, "environment")).read("a-b") == "1"


def test_the_passphrase_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WHEREUPON_VAULT_PASSPHRASE", "many more words")
    kept = vault(VaultSettings("S", "id", tmp_path, "file"))
    kept.write("a", "1")
    assert vault(VaultSettings("S", "id", tmp_path, "file")).read("a") == "1"


def test_the_passphrase_comes_from_a_key_file(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("many more words\n", encoding="utf-8")
    settings = VaultSettings("S", "id", tmp_path, "file", key)
    vault(settings).write("a", "1")
    assert vault(settings).read("a") == "1"


@pytest.mark.parametrize(
    ("content", "said"), [(None, "can't be read"), (b"", "holds no"), (b"\xff", "can't be read")]
)
def test_a_key_file_without_a_passphrase_is_said(tmp_path: Path, content: bytes | None, said: str) -> None:
    key = tmp_path / "key"
    if content is not None:
        key.write_bytes(content)
    with pytest.raises(SetupError, match=said):
        vault(VaultSettings("S", "id", tmp_path, "file", key)).write("a", "1")


def test_without_any_passphrase_the_hint_names_both_ways(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="WHEREUPON_VAULT_PASSPHRASE"):
        vault(VaultSettings("S", "id", tmp_path, "file")).write("a", "1")

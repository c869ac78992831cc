"""Any vault; that over the environment, an encrypted file and memory; secrets put into settings."""

from __future__ import annotations

import stat
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.unit.storage.ring import Ring
from whereupon.model.errors import SetupError
from whereupon.storage.keyring_vault import KeyringVault
from whereupon.storage.sealing import Seal
from whereupon.storage.vault import EnvironmentVault, FileVault, MemoryVault, Vault, VaultWith, resolved


def file_vault(folder: Path) -> FileVault:
    return FileVault(folder / "secrets.vault", lambda: "a passphrase", cost=2**4)


VAULTS: Mapping[str, Callable[[Path], Vault]] = {
    "memory": lambda folder: MemoryVault(),
    "keyring": lambda folder: KeyringVault("whereupon/test", Ring()),
    "file": file_vault,
    "with": lambda folder: VaultWith(MemoryVault(), {}),
}


@pytest.fixture(params=VAULTS)
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Vault:
    return VAULTS[request.param](tmp_path)


@pytest.mark.req("SEC-01")
class TestAnyVault:
    def test_a_secret_is_read_as_it_was_written(self, kept: Vault) -> None:
        kept.write("confluent/password", "s3cret “ü” 🙂")
        assert kept.read("confluent/password") == "s3cret “ü” 🙂"

    def test_a_secret_that_is_not_there_is_none(self, kept: Vault) -> None:
        assert kept.read("nothing") is None

    def test_a_later_value_takes_the_place_of_the_earlier(self, kept: Vault) -> None:
        kept.write("a", "x" * 5000)
        kept.write("a", "short")
        assert kept.read("a") == "short"

    def test_a_deleted_secret_is_gone_and_deleting_it_again_is_fine(self, kept: Vault) -> None:
        kept.write("a", "1")
        kept.delete("a")
        kept.delete("a")
        assert kept.read("a") is None
        assert kept.names() == []

    def test_names_are_listed_in_order(self, kept: Vault) -> None:
        for name in ("b", "a/1", "c"):
            kept.write(name, name)
        assert kept.names() == ["a/1", "b", "c"]
        kept.check()

    def test_a_name_that_cannot_be_mentioned_is_refused(self, kept: Vault) -> None:
        with pytest.raises(SetupError, match="can't be called"):
            kept.write("a}b", "1")

    def test_the_hint_for_a_missing_one_is_a_command(self, kept: Vault) -> None:
        assert "whereupon secrets set a/b" in kept.advice("a/b")

    @pytest.mark.parametrize("length", [1, 1199, 1200, 1201, 2400, 100_000])
    def test_long_values_come_back_whole(self, kept: Vault, length: int) -> None:
        value = "".join(chr(33 + number % 90) for number in range(length))
        kept.write("key", value)
        assert kept.read("key") == value


class TestEnvironment:
    def test_a_secret_is_a_variable(self) -> None:
        kept = EnvironmentVault({"WHEREUPON_SECRET_ESP_TOKEN": "t", "HOME": "/"})
        assert kept.read("esp/token") == "t"
        assert kept.read("esp/other") is None
        assert kept.names() == ["ESP_TOKEN"]
        assert "WHEREUPON_SECRET_ESP_OTHER" in kept.advice("esp/other")

    def test_it_cannot_be_written_and_names_the_variable(self) -> None:
        kept = EnvironmentVault({})
        with pytest.raises(SetupError, match="WHEREUPON_SECRET_ESP_TOKEN"):
            kept.write("esp/token", "t")
        with pytest.raises(SetupError, match="WHEREUPON_SECRET_ESP_TOKEN"):
            kept.delete("esp/token")


class TestFile:
    @pytest.mark.skipif(sys.platform == "win32", reason="POSIX modes")
    def test_the_file_is_its_owners_alone(self, tmp_path: Path) -> None:
        file_vault(tmp_path).write("a", "1")
        assert stat.S_IMODE((tmp_path / "secrets.vault").stat().st_mode) == 0o600

    def test_what_another_process_writes_is_seen(self, tmp_path: Path) -> None:
        mine, other = file_vault(tmp_path), file_vault(tmp_path)
        mine.write("a", "1")
        other.write("b", "2")
        assert mine.names() == ["a", "b"]

    def test_writing_the_same_leaves_the_file_alone(self, tmp_path: Path) -> None:
        kept = file_vault(tmp_path)
        kept.write("a", "1")
        before = (tmp_path / "secrets.vault").read_bytes()
        kept.write("a", "1")
        assert (tmp_path / "secrets.vault").read_bytes() == before

    def test_a_file_that_cannot_be_read_is_said(self, tmp_path: Path) -> None:
        (tmp_path / "secrets.vault").mkdir()
        with pytest.raises(SetupError, match="can't be read"):
            file_vault(tmp_path).read("a")

    @pytest.mark.req("SEC-01")
    def test_a_new_file_wants_a_passphrase_of_twelve_characters_before_anything_is_kept(
        self, tmp_path: Path
    ) -> None:
        kept = FileVault(tmp_path / "secrets.vault", lambda: "elevenchars", cost=2**4)
        kept.check()
        for ask in (kept.check_writing, lambda: kept.write("a", "1")):
            with pytest.raises(SetupError, match="at least 12 characters; this one has 11") as raised:
                ask()
            assert "WHEREUPON_VAULT_PASSPHRASE" in raised.value.hint
            assert "elevenchars" not in str(raised.value)
        assert not (tmp_path / "secrets.vault").exists()
        twelve = FileVault(tmp_path / "secrets.vault", lambda: "twelve chars", cost=2**4)
        twelve.check_writing()
        twelve.write("a", "1")
        assert twelve.read("a") == "1"

    def test_a_file_that_was_made_with_a_short_passphrase_can_still_be_used(self, tmp_path: Path) -> None:
        (tmp_path / "secrets.vault").write_bytes(Seal("short", cost=2**4).sealed({"a": "1"}))
        kept = FileVault(tmp_path / "secrets.vault", lambda: "short", cost=2**4)
        kept.check_writing()
        kept.write("b", "2")
        assert kept.names() == ["a", "b"]


class TestWith:
    def test_what_stands_in_front_is_read_first_and_the_vault_behind_is_written(self) -> None:
        behind = MemoryVault({"a": "old", "b": "2"})
        both = VaultWith(behind, {"a": "new"})
        assert (both.read("a"), both.read("b"), both.names()) == ("new", "2", ["a", "b"])
        both.write("c", "3")
        both.delete("b")
        assert behind.names() == ["a", "c"]


class TestResolved:
    def test_secrets_are_put_in_anywhere_and_given_for_redaction(self) -> None:
        settings: dict[str, Any] = {
            "password": "${secret:p}",
            "url": "https://${secret:u}@host",
            "headers": {"X": ["a ${secret:p}"]},
            "port": 5,
        }
        filled, used = resolved(settings, MemoryVault({"p": "1", "u": "2"}), where="Channel ESP")
        assert filled == {"password": "1", "url": "https://2@host", "headers": {"X": ["a 1"]}, "port": 5}
        assert used == {"1", "2"}

    @pytest.mark.req("SEC-01")
    def test_a_missing_one_names_form_field_and_command(self) -> None:
        with pytest.raises(SetupError) as raised:
            resolved({"headers": {"token": "${secret:esp/token}"}}, MemoryVault(), where="Channel ESP")
        assert (
            raised.value.message == "Channel ESP: headers.token needs the secret esp/token, which isn't set."
        )
        assert "whereupon secrets set esp/token" in raised.value.hint

    def test_a_secret_that_looks_like_a_reference_is_not_followed(self) -> None:
        filled, _ = resolved({"a": "${secret:x}"}, MemoryVault({"x": "${secret:y}", "y": "1"}), where="W")
        assert filled == {"a": "${secret:y}"}

    def test_the_settings_themselves_stay_as_they_are(self) -> None:
        settings = {"a": "${secret:x}"}
        resolved(settings, MemoryVault({"x": "1"}), where="W")
        assert settings == {"a": "${secret:x}"}

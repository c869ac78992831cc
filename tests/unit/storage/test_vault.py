"""The vault over a keyring, the environment, an encrypted file and memory."""

from __future__ import annotations

import stat
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from keyring.backend import KeyringBackend
from keyring.errors import KeyringLocked, NoKeyringError, PasswordDeleteError

from whereupon.model.errors import SetupError
from whereupon.storage.vault import (
    EnvironmentVault,
    FileVault,
    KeyringVault,
    MemoryVault,
    Vault,
    VaultSettings,
    VaultWith,
    resolved,
    usable_keyring,
    vault,
)


class Ring(KeyringBackend):
    """A keyring in memory with the limit that Windows has: 2,560 bytes of UTF-16 an entry."""

    priority = 1

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.entries: dict[tuple[str, str], str] = {}
        self.fails: Exception | None = None
        self.left = -1

    def get_password(self, service: str, username: str) -> str | None:
        if self.fails:
            raise self.fails
        return self.entries.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        if self.left == 0:
            raise OSError("the keyring died")
        self.left -= 1
        if len(password.encode("utf-16-le")) > 2560:
            raise ValueError("too long for Windows")
        self.entries[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        if self.entries.pop((service, username), None) is None:
            raise PasswordDeleteError("no such password")


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


class TestKeyring:
    def test_pieces_of_an_earlier_long_value_do_not_stay(self) -> None:
        ring = Ring()
        kept = KeyringVault("service", ring)
        kept.write("pem", "x" * 100_000)
        kept.write("pem", "short")
        assert {name for _, name in ring.entries} == {"pem", KeyringVault.INDEX}
        kept.write("pem", "y" * 5000)
        kept.delete("pem")
        assert {name for _, name in ring.entries} == {KeyringVault.INDEX}

    def test_a_write_that_ends_in_the_middle_leaves_the_earlier_value(self) -> None:
        ring = Ring()
        kept = KeyringVault("service", ring)
        kept.write("pem", "old" * 1000)
        ring.left = 2
        with pytest.raises(SetupError, match="can't be used"):
            kept.write("pem", "new" * 1000)
        assert kept.read("pem") == "old" * 1000

    def test_a_value_that_looks_like_our_own_note_is_kept_as_it_is(self) -> None:
        kept = KeyringVault("service", Ring())
        kept.write("a", "whereupon:split:3:abcd")
        assert kept.read("a") == "whereupon:split:3:abcd"

    def test_a_piece_that_somebody_deleted_is_said(self) -> None:
        ring = Ring()
        kept = KeyringVault("service", ring)
        kept.write("pem", "x" * 3000)
        del ring.entries[next(each for each in ring.entries if each[1].endswith("/2"))]
        with pytest.raises(SetupError, match="only a part"):
            kept.read("pem")

    def test_a_name_whose_entry_somebody_deleted_is_not_listed(self) -> None:
        ring = Ring()
        kept = KeyringVault("service", ring)
        kept.write("a", "1")
        kept.write("b", "2")
        del ring.entries["service", "a"]
        assert kept.names() == ["b"]

    def test_two_systems_do_not_see_each_other(self) -> None:
        ring = Ring()
        KeyringVault("whereupon/A/1", ring).write("a", "1")
        assert KeyringVault("whereupon/A/2", ring).read("a") is None

    @given(st.text(max_size=4000))
    def test_any_text_comes_back(self, value: str) -> None:
        kept = KeyringVault("service", Ring())
        kept.write("a", value)
        assert kept.read("a") == value

    @pytest.mark.parametrize(
        ("error", "said"),
        [
            (KeyringLocked("dismissed"), "The keyring is locked"),
            (NoKeyringError("none"), "can't be used"),
            (RuntimeError("no bus"), "can't be used"),
            (OSError("gone"), "can't be used"),
        ],
    )
    def test_whatever_a_keyring_raises_is_said_with_the_other_choices(
        self, error: Exception, said: str
    ) -> None:
        ring = Ring()
        ring.fails = error
        kept = KeyringVault("service", ring)
        with pytest.raises(SetupError, match=said) as raised:
            kept.read("a")
        assert 'kind = "environment"' in raised.value.hint
        assert 'kind = "file"' in raised.value.hint
        with pytest.raises(SetupError):
            kept.check()

    @pytest.mark.parametrize("platform", sorted({"win32", "darwin", "linux"} - {sys.platform}))
    def test_without_the_systems_own_keyring_no_other_one_is_taken(self, platform: str) -> None:
        with pytest.raises(SetupError, match="can't be used"):
            usable_keyring(platform)

    def test_without_a_secret_service_a_system_says_so_when_a_secret_is_read(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", f"unix:path={tmp_path}/nobody")
        monkeypatch.setattr(sys, "platform", "linux")
        kept = vault(VaultSettings("TealHols", "abc", tmp_path))
        with pytest.raises(SetupError, match="can't be used"):
            kept.read("a")


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

    def test_the_process_s_own_environment_is_the_default(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("WHEREUPON_SECRET_A_B", "1")
        assert vault(VaultSettings("S", "id", tmp_path, "environment")).read("a-b") == "1"


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

    def test_the_passphrase_comes_from_the_environment(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("WHEREUPON_VAULT_PASSPHRASE", "many words")
        kept = vault(VaultSettings("S", "id", tmp_path, "file"))
        kept.write("a", "1")
        assert vault(VaultSettings("S", "id", tmp_path, "file")).read("a") == "1"

    def test_the_passphrase_comes_from_a_key_file(self, tmp_path: Path) -> None:
        key = tmp_path / "key"
        key.write_text("many words\n", encoding="utf-8")
        settings = VaultSettings("S", "id", tmp_path, "file", key)
        vault(settings).write("a", "1")
        assert vault(settings).read("a") == "1"

    @pytest.mark.parametrize(
        ("content", "said"), [(None, "can't be read"), (b"", "holds no"), (b"\xff", "can't be read")]
    )
    def test_a_key_file_without_a_passphrase_is_said(
        self, tmp_path: Path, content: bytes | None, said: str
    ) -> None:
        key = tmp_path / "key"
        if content is not None:
            key.write_bytes(content)
        with pytest.raises(SetupError, match=said):
            vault(VaultSettings("S", "id", tmp_path, "file", key)).write("a", "1")

    def test_without_any_passphrase_the_hint_names_both_ways(self, tmp_path: Path) -> None:
        with pytest.raises(SetupError, match="WHEREUPON_VAULT_PASSPHRASE"):
            vault(VaultSettings("S", "id", tmp_path, "file")).write("a", "1")


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

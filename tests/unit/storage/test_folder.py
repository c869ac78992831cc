"""A system's folder."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest

from whereupon.host.paths import known_systems
from whereupon.model.errors import Mistakes, SetupError, Unavailable
from whereupon.storage import folder as folders
from whereupon.storage.folder import changed, create, is_system, opened, planned, proposed, saved
from whereupon.storage.keyring_vault import KeyringVault
from whereupon.storage.vault import EnvironmentVault, FileVault, MemoryVault

pytestmark = pytest.mark.usefixtures("home")


def test_a_new_system_has_its_folders_and_is_opened_as_it_was_made(tmp_path: Path) -> None:
    made = create(tmp_path / "TealHols", "TealHols", {})
    assert is_system(tmp_path / "TealHols")
    assert made.stash.is_dir()
    assert made.logs.is_dir()
    assert opened(tmp_path / "TealHols") == made
    assert made.urls == proposed("TealHols")
    assert known_systems()[0] == made.path


def test_the_id_is_made_once_and_differs(tmp_path: Path) -> None:
    first, second = create(tmp_path / "A", "A", {}), create(tmp_path / "B", "A", {})
    assert first.id != second.id
    assert opened(tmp_path / "A").id == first.id


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX modes")
def test_folder_and_settings_are_their_owners_alone(tmp_path: Path) -> None:
    made = create(tmp_path / "A", "A", {})
    for path, mode in ((made.path, 0o700), (made.stash, 0o700), (made.path / "whereupon.toml", 0o600)):
        assert stat.S_IMODE(path.stat().st_mode) == mode


def test_names_that_no_file_could_have_are_proposed_plain() -> None:
    assert proposed('A/B: "C"')["streams"] == "sqlite:///SD_A_B___C_.db"


def test_everything_comes_back_whatever_signs_it_holds(tmp_path: Path) -> None:
    urls = {"system": 'postgresql://ann@host/db?application_name="x\\y"', "streams": "sqlite:///é\x7f.db"}
    made = create(tmp_path / "A", 'Te"al\\ “Hols” 🙂', urls, kind="file", key_file="../key")
    after = saved(
        changed(
            made,
            urls={"system": ""},
            web_address="http://127.0.0.1:8000",
            web_urls={"streams": "sqlite:///w.db"},
        )
    )
    assert opened(tmp_path / "A") == after
    assert after.urls["system"] == urls["system"]
    assert after.web_urls == {"streams": "sqlite:///w.db"}
    assert after.backups == after.path / "Backups"


def test_a_second_system_in_a_folder_is_refused(tmp_path: Path) -> None:
    create(tmp_path, "A", {})
    with pytest.raises(SetupError, match="is a system already"):
        create(tmp_path, "B", {})


@pytest.mark.req("SEC-01")
def test_a_password_in_a_connection_string_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="secrets set database/streams"):
        create(tmp_path / "A", "A", {"streams": "postgresql://ann:hush@host/db"})
    assert not is_system(tmp_path / "A")


def test_a_folder_that_is_no_system_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="--system") as raised:
        opened(tmp_path)
    assert "is no system" in raised.value.message


def settings(folder: Path, text: str) -> None:
    (folder / "whereupon.toml").write_text(text, encoding="utf-8")


def test_a_broken_line_is_named(tmp_path: Path) -> None:
    settings(tmp_path, 'id = "abcdefgh"\nname = TealHols\n')
    with pytest.raises(SetupError, match="line 2"):
        opened(tmp_path)


def test_wrong_settings_are_all_said(tmp_path: Path) -> None:
    settings(tmp_path, 'id = "abcdefgh"\nnam = "A"\n[databases]\nsystem = 5\n[vault]\nkind = "paper"\n')
    with pytest.raises(Mistakes) as raised:
        opened(tmp_path)
    said = "\n".join(raised.value.mistakes)
    for word in ("nam", "name", "databases.system", "databases.streams", "vault.kind"):
        assert word in said


def test_settings_that_are_no_text_are_said(tmp_path: Path) -> None:
    (tmp_path / "whereupon.toml").write_bytes(b"\xff")
    with pytest.raises(SetupError, match="can't be read"):
        opened(tmp_path)


def test_the_folders_own_choice_of_vault_is_taken(tmp_path: Path) -> None:
    assert isinstance(planned(tmp_path, "A").vault(), KeyringVault)
    assert isinstance(planned(tmp_path, "A", kind="environment").vault(), EnvironmentVault)
    assert isinstance(planned(tmp_path, "A", kind="file", key_file="key").vault(), FileVault)


def test_passwords_come_from_the_vault(tmp_path: Path) -> None:
    urls = {"system": "postgresql://ann@host/db", "streams": "postgresql://ann:${secret:pg}@host/db"}
    made = planned(tmp_path, "A", urls)
    kept = MemoryVault({"database/system": "one", "pg": "two", "database/pull_marketing": "not for a file"})
    assert made.way_to("system", kept) == ("postgresql://ann@host/db", "one")
    assert made.way_to("streams", kept) == ("postgresql://ann:two@host/db", None)
    assert made.way_to("pull_marketing", kept) == ("sqlite:///PM_A.db", None)
    found = made.databases(kept)
    assert found.pull_marketing.path == tmp_path.resolve() / "PM_A.db"
    assert "two" not in repr(found)
    found.close()


def test_a_missing_secret_of_a_connection_string_is_said(tmp_path: Path) -> None:
    made = planned(tmp_path, "A", {"system": "postgresql://ann:${secret:pg}@host/db"})
    with pytest.raises(SetupError, match="whereupon secrets set pg"):
        made.databases(MemoryVault())


def test_a_home_that_cannot_be_written_stops_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(folder: Path) -> None:
        raise Unavailable("full", hint="")

    monkeypatch.setattr(folders, "remember_system", broken)
    assert opened(create(tmp_path / "A", "A", {}).path).name == "A"


def test_a_write_that_fails_leaves_the_settings_as_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = create(tmp_path / "A", "A", {})
    before = (made.path / "whereupon.toml").read_bytes()
    monkeypatch.setattr(
        os, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device"))
    )
    with pytest.raises(Unavailable):
        saved(changed(made, urls={"system": "sqlite:///other.db"}, web_address="", web_urls={}))
    assert (made.path / "whereupon.toml").read_bytes() == before

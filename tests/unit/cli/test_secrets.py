"""secrets set, list, delete."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lived import set_up_file
from tests.unit.cli.conftest import Words

pytestmark = pytest.mark.req("SEC-01")


@pytest.fixture
def with_file(words: Words, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A system whose secrets are in an encrypted file."""
    monkeypatch.setenv("WHEREUPON_VAULT_PASSPHRASE", "a passphrase of good length")
    folder = tmp_path / "TealHols"
    assert words("apply", set_up_file(tmp_path), "--system", folder, "--vault", "file").code == 0
    monkeypatch.setenv("WHEREUPON_SYSTEM", str(folder))
    return folder


def test_a_secret_is_read_from_standard_input_listed_by_name_and_deleted(
    words: Words, with_file: Path
) -> None:
    said = words("secrets", "set", "esp/token", stdin="sesame-4711\n")
    assert said.code == 0
    assert "sesame" not in said.out + said.err
    assert words("secrets", "list").out == "esp/token\n"
    assert words("secrets", "list", "--json").json == [["esp/token"]]
    assert words("secrets", "delete", "esp/token").code == 0
    assert words("secrets", "list").out == ""
    assert not any(b"sesame" in each.read_bytes() for each in with_file.rglob("*") if each.is_file())


def test_an_empty_value_is_a_mistake_of_usage(words: Words, with_file: Path) -> None:
    said = words("secrets", "set", "esp/token", stdin="\n")
    assert said.code == 2
    assert "empty" in said.err


def test_deleting_what_is_not_there_is_no_error(words: Words, with_file: Path) -> None:
    said = words("secrets", "delete", "nothing")
    assert said.code == 0
    assert "no secret nothing" in said.err


def test_secrets_of_the_environment_cannot_be_set_by_a_command(words: Words, system: Path) -> None:
    said = words("secrets", "set", "esp/token", stdin="x")
    assert said.code == 3
    assert "WHEREUPON_SECRET_ESP_TOKEN" in said.err

"""The vault over a keyring."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from keyring.errors import KeyringLocked, NoKeyringError

from tests.unit.storage.ring import Ring
from whereupon.model.errors import SetupError
from whereupon.storage.keyring_vault import KeyringVault, usable_keyring


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

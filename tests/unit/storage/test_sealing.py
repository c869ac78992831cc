"""The encrypted file of secrets."""

from __future__ import annotations

import json

import pytest

from whereupon.model.errors import SetupError
from whereupon.storage.sealing import Seal

VALUES = {"confluent/password": "s3cret", "esp/token": "“ünïcode”" * 500}


def seal(passphrase: str = "") -> Seal:
    return Seal(passphrase or "a passphrase of many words", cost=2**4)


def test_what_was_sealed_opens_with_the_same_passphrase() -> None:
    assert seal().opened(seal().sealed(VALUES)) == VALUES


def test_nothing_of_a_secret_or_its_name_can_be_read_in_the_file() -> None:
    data = seal().sealed(VALUES)
    assert b"s3cret" not in data
    assert b"confluent" not in data


def test_two_seals_of_the_same_values_differ() -> None:
    one = seal()
    first, second = json.loads(one.sealed(VALUES)), json.loads(one.sealed(VALUES))
    assert first["nonce"] != second["nonce"]
    assert first["salt"] == second["salt"]


def test_another_passphrase_is_refused_in_words() -> None:
    with pytest.raises(SetupError, match="passphrase is another one"):
        seal("another").opened(seal().sealed(VALUES))


def test_a_changed_file_is_refused() -> None:
    data = json.loads(seal().sealed(VALUES))
    data["body"] = data["body"][:-8] + "AAAAAAA="
    with pytest.raises(SetupError, match="file was changed"):
        seal().opened(json.dumps(data).encode())


@pytest.mark.parametrize(
    "data",
    [b"", b"[]", b"{}", b'{"format": "other", "cost": 16, "salt": "", "nonce": "", "body": ""}', b"\xff\xfe"],
)
def test_what_is_no_file_of_secrets_is_called_damaged(data: bytes) -> None:
    with pytest.raises(SetupError, match="damaged"):
        seal().opened(data)


def test_a_cost_that_would_take_all_memory_is_refused() -> None:
    data = json.loads(seal().sealed(VALUES))
    data["cost"] = 2**40
    with pytest.raises(SetupError, match="damaged"):
        seal().opened(json.dumps(data).encode())

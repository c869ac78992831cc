"""Secrets in the operating system's keyring."""

from __future__ import annotations

import json
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from keyring.backend import KeyringBackend
from keyring.errors import KeyringLocked, PasswordDeleteError

from whereupon.model.errors import SetupError
from whereupon.storage.secret_names import named
from whereupon.storage.vault import PASSPHRASE, Vault

OTHER_VAULTS = (
    'Unlock or start the keyring, or choose another place under [vault] in whereupon.toml: kind = "environment"'
    f' (variables WHEREUPON_SECRET_...) or kind = "file" (encrypted; passphrase in {PASSPHRASE} or key_file).'
)


class KeyringVault(Vault):
    """Secrets in the operating system's keyring.

    Keyrings can't list what they hold, so an entry of ours keeps the names. Windows holds 2,560 bytes an entry, so a
    longer value is split over numbered entries; its own entry says which, and is written when they all stand.
    """

    MOST = 1_200
    INDEX = "whereupon:names"
    SPLIT = "whereupon:split"

    def __init__(self, service: str, backend: KeyringBackend | None = None) -> None:
        self._service = service
        self._chosen = backend

    @property
    def _backend(self) -> KeyringBackend:
        # Chosen at the first use: what needs no secret works without a keyring.
        if self._chosen is None:
            self._chosen = usable_keyring()
        return self._chosen

    def read(self, name: str) -> str | None:
        with _said():
            return self._whole(name)

    def write(self, name: str, value: str) -> None:
        with _said():
            self._list({*self._index(), named(name)})
            self._keep(name, value)

    def delete(self, name: str) -> None:
        with _said():
            for entry in (*self._pieces(name), name):
                self._drop(entry)
            self._list(set(self._index()) - {name})

    def names(self) -> list[str]:
        with _said():
            return sorted(each for each in self._index() if self._entry(each) is not None)

    def _index(self) -> list[str]:
        with _said():
            names: list[str] = json.loads(self._whole(self.INDEX) or "[]")
        return names

    def _list(self, names: set[str]) -> None:
        if names != set(self._index()):
            self._keep(self.INDEX, json.dumps(sorted(names), ensure_ascii=False))

    def _whole(self, name: str) -> str | None:
        value = self._entry(name)
        if value is None or not value.startswith(self.SPLIT):
            return value
        pieces = [self._entry(each) for each in self._pieces(name)]
        if any(each is None for each in pieces):
            raise SetupError(f"The keyring holds only a part of the secret {name}.", hint=self.advice(name))
        return "".join(each for each in pieces if each is not None)

    def _keep(self, name: str, value: str) -> None:
        before = self._pieces(name)
        # Windows counts UTF-16: a character beyond U+FFFF weighs two.
        weight = len(value.encode("utf-16-le")) // 2
        if weight <= self.MOST and not value.startswith(self.SPLIT):
            self._backend.set_password(self._service, name, value)
        else:
            self._keep_split(name, value, size=self.MOST if weight == len(value) else self.MOST // 2)
        for entry in before:
            self._drop(entry)

    def _keep_split(self, name: str, value: str, *, size: int) -> None:
        pieces = [value[at : at + size] for at in range(0, len(value), size)]
        made = f"{self.SPLIT}:{len(pieces)}:{secrets.token_hex(4)}"
        for entry, piece in zip(self._named_pieces(name, made), pieces, strict=True):
            self._backend.set_password(self._service, entry, piece)
        self._backend.set_password(self._service, name, made)

    def _pieces(self, name: str) -> list[str]:
        value = self._entry(name) or ""
        return self._named_pieces(name, value) if value.startswith(self.SPLIT) else []

    @staticmethod
    def _named_pieces(name: str, split: str) -> list[str]:
        count, made = split.rsplit(":", 2)[1:]
        return [f"{name}#{made}/{number}" for number in range(1, int(count) + 1)]

    def _entry(self, name: str) -> str | None:
        return self._backend.get_password(self._service, name)

    def _drop(self, entry: str) -> None:
        with suppress(PasswordDeleteError):
            self._backend.delete_password(self._service, entry)


@contextmanager
def _said() -> Iterator[None]:
    """Whatever a keyring raises, in a person's words. Backends raise bare RuntimeErrors and errors of D-Bus, too."""
    try:
        yield
    except SetupError:
        raise
    except KeyringLocked as error:
        raise SetupError("The keyring is locked.", hint=OTHER_VAULTS) from error
    except Exception as error:
        raise SetupError(f"The keyring can't be used ({type(error).__name__}).", hint=OTHER_VAULTS) from error


def usable_keyring(platform: str = sys.platform) -> KeyringBackend:
    """The keyring of this operating system. keyring's own choice might be one that keeps plain text."""
    with _said():
        backend = _backend(platform)
        _ = backend.priority  # raises where the keyring isn't there
        keyring: KeyringBackend = backend()
        return keyring


def _backend(platform: str) -> Any:
    if platform == "win32":
        from keyring.backends.Windows import WinVaultKeyring

        return WinVaultKeyring
    if platform == "darwin":
        from keyring.backends.macOS import Keyring as Keychain

        return Keychain
    from keyring.backends.SecretService import Keyring as SecretService

    return SecretService

"""Where secrets are kept: the system's keyring, the environment or an encrypted file, behind one interface."""

from __future__ import annotations

import json
import os
import secrets
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from keyring.backend import KeyringBackend
from keyring.errors import KeyringLocked, PasswordDeleteError

from whereupon.host.files import write_atomically
from whereupon.host.locks import FolderLock
from whereupon.model.errors import SetupError
from whereupon.storage.sealing import COST, Seal
from whereupon.storage.secret_names import REFERENCE, named, variable

Kind: TypeAlias = Literal["keyring", "environment", "file"]
KINDS: tuple[Kind, ...] = ("keyring", "environment", "file")
PASSPHRASE = "WHEREUPON_VAULT_PASSPHRASE"  # noqa: S105 - the name of a variable
OTHER_VAULTS = (
    'Unlock or start the keyring, or choose another place under [vault] in whereupon.toml: kind = "environment"'
    f' (variables WHEREUPON_SECRET_...) or kind = "file" (encrypted; passphrase in {PASSPHRASE} or key_file).'
)


@dataclass(frozen=True, slots=True)
class VaultSettings:
    """What whereupon.toml says of the vault; `key_file` holds the passphrase of an encrypted file."""

    system: str
    folder_id: str
    folder: Path
    kind: Kind = "keyring"
    key_file: Path | None = None


class Vault(ABC):
    """Secrets by name. Everything raises SetupError if the place can't be used."""

    @abstractmethod
    def read(self, name: str) -> str | None:
        """The secret of this name, or None."""

    @abstractmethod
    def write(self, name: str, value: str) -> None:
        """Keep a secret, in place of an earlier one."""

    @abstractmethod
    def delete(self, name: str) -> None:
        """Forget a secret; one that isn't there is no error."""

    @abstractmethod
    def names(self) -> list[str]:
        """The names of all secrets, sorted."""

    def check(self) -> None:
        """Look whether the place can be used; asked when a service starts and by doctor."""
        self.names()

    def check_writing(self) -> None:
        """Look whether it can keep secrets."""
        self.check()

    def advice(self, name: str) -> str:
        """What a person does to set this secret."""
        return f'Set it with "whereupon secrets set {name}".'


class MemoryVault(Vault):
    """Secrets for as long as the process lives."""

    def __init__(self, values: Mapping[str, str] | None = None) -> None:
        self._values = dict(values or {})

    def read(self, name: str) -> str | None:
        return self._values.get(name)

    def write(self, name: str, value: str) -> None:
        self._values[named(name)] = value

    def delete(self, name: str) -> None:
        self._values.pop(name, None)

    def names(self) -> list[str]:
        return sorted(self._values)


class VaultWith(Vault):
    """A vault with some secrets in front of it that it doesn't keep yet."""

    def __init__(self, behind: Vault, values: Mapping[str, str]) -> None:
        self._behind = behind
        self._values = dict(values)

    def read(self, name: str) -> str | None:
        return self._values.get(name) or self._behind.read(name)

    def write(self, name: str, value: str) -> None:
        self._behind.write(name, value)

    def delete(self, name: str) -> None:
        self._behind.delete(name)

    def names(self) -> list[str]:
        return sorted({*self._values, *self._behind.names()})

    def check_writing(self) -> None:
        self._behind.check_writing()

    def advice(self, name: str) -> str:
        return self._behind.advice(name)


class EnvironmentVault(Vault):
    """Secrets that the server's admin gives in environment variables; they can only be read."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._environment = os.environ if environment is None else environment

    def read(self, name: str) -> str | None:
        return self._environment.get(variable(name))

    def write(self, name: str, value: str) -> None:
        raise self._read_only(name)

    def delete(self, name: str) -> None:
        raise self._read_only(name)

    def names(self) -> list[str]:
        """What follows WHEREUPON_SECRET_; the names that the variables stand for can't be known."""
        prefix = variable("")
        return sorted(each.removeprefix(prefix) for each in self._environment if each.startswith(prefix))

    def check_writing(self) -> None:
        raise self._read_only("NAME")

    def advice(self, name: str) -> str:
        return f"Set the environment variable {variable(name)} for the service and for this command."

    @staticmethod
    def _read_only(name: str) -> SetupError:
        return SetupError(
            "Secrets come from the environment here, and can't be changed by a command.",
            hint=f"Set or remove the environment variable {variable(name)} and start the service again.",
        )


class FileVault(Vault):
    """Secrets in one encrypted file that its owner alone can read; several processes may use it."""

    def __init__(self, path: Path, passphrase: Callable[[], str], *, cost: int = COST) -> None:
        self._path = path
        self._passphrase = passphrase
        self._cost = cost
        self._seal: Seal | None = None

    def read(self, name: str) -> str | None:
        return self._values().get(name)

    def write(self, name: str, value: str) -> None:
        with self._changing() as values:
            values[named(name)] = value

    def delete(self, name: str) -> None:
        with self._changing() as values:
            values.pop(name, None)

    def names(self) -> list[str]:
        return sorted(self._values())

    @contextmanager
    def _changing(self) -> Iterator[MutableMapping[str, str]]:
        with FolderLock(self._path.with_name(f"{self._path.name}.lock"), "A change of the secrets"):
            before = self._values()
            values = dict(before)
            yield values
            if values != before:
                write_atomically(self._path, self._sealing().sealed(values), private=True)

    def _values(self) -> dict[str, str]:
        try:
            data = self._path.read_bytes()
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise SetupError(
                f"The file of secrets can't be read: {error.strerror}.",
                hint=f"Give yourself the right to {self._path}.",
            ) from error
        return self._sealing().opened(data)

    def _sealing(self) -> Seal:
        if self._seal is None:
            self._seal = Seal(self._passphrase(), cost=self._cost)
        return self._seal


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


def vault(settings: VaultSettings) -> Vault:
    """The vault that a system's folder chose. It is opened when first used."""
    if settings.kind == "environment":
        return EnvironmentVault()
    if settings.kind == "file":
        return FileVault(settings.folder / "secrets.vault", lambda: _passphrase(settings.key_file))
    return KeyringVault(f"whereupon/{settings.system}/{settings.folder_id}")


def _passphrase(key_file: Path | None) -> str:
    if given := os.environ.get(PASSPHRASE):
        return given
    if key_file is None:
        raise SetupError(
            "The file of secrets has no passphrase.",
            hint=f"Set {PASSPHRASE}, or name a file that holds it by key_file under [vault] in whereupon.toml.",
        )
    try:
        found = key_file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SetupError(
            f"The passphrase can't be read from {key_file}.",
            hint="Check key_file under [vault] in whereupon.toml.",
        ) from error
    if not found:
        raise SetupError(
            f"{key_file} holds no passphrase.", hint="Write one line of at least 20 characters into it."
        )
    return found


def resolved(
    settings: Mapping[str, Any], vault: Vault, *, where: str
) -> tuple[dict[str, Any], frozenset[str]]:
    """The settings with each `${secret:NAME}` replaced, and the secrets that were put in.

    `where` names the form for the SetupError that a missing secret raises.
    """
    used: set[str] = set()

    def filled(value: Any, field: str) -> Any:
        if isinstance(value, str):
            return REFERENCE.sub(lambda found: secret(found[1], field), value)
        if isinstance(value, Mapping):
            return {
                name: filled(each, f"{field}.{name}" if field else str(name)) for name, each in value.items()
            }
        if isinstance(value, list | tuple):
            return [filled(each, field) for each in value]
        return value

    def secret(name: str, field: str) -> str:
        value = vault.read(name)
        if value is None:
            raise SetupError(
                f"{where}: {field} needs the secret {name}, which isn't set.", hint=vault.advice(name)
            )
        used.add(value)
        return value

    return filled(settings, ""), frozenset(used - {""})

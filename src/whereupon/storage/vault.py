"""Where secrets are kept: what every such place can do, and those that need no keyring."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from whereupon.host.files import write_atomically
from whereupon.host.locks import FolderLock
from whereupon.model.errors import SetupError
from whereupon.storage.sealing import COST, Seal
from whereupon.storage.secret_names import REFERENCE, named, variable

PASSPHRASE = "WHEREUPON_VAULT_PASSPHRASE"  # noqa: S105 - the name of a variable
SHORTEST_PASSPHRASE = 12
"""Characters; asked when a file is made, so that an older file can still be opened."""


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

    def check_writing(self) -> None:
        self.check()
        self._sealing()

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
            given = self._passphrase()
            if not self._path.exists():
                _check_length(given)
            self._seal = Seal(given, cost=self._cost)
        return self._seal


def _check_length(passphrase: str) -> None:
    if len(passphrase) < SHORTEST_PASSPHRASE:
        raise SetupError(
            f"A new file of secrets needs a passphrase of at least {SHORTEST_PASSPHRASE} characters; "
            f"this one has {len(passphrase)}.",
            hint=f"Choose a longer one, such as four words, in {PASSPHRASE} or the key_file.",
        )


def passphrase(key_file: Path | None) -> str:
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
            f"{key_file} holds no passphrase.",
            hint=f"Write one line of at least {SHORTEST_PASSPHRASE} characters into it.",
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

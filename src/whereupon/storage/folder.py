"""A system's folder: whereupon.toml, the stash and the logs; it says where the databases and the secrets are."""

from __future__ import annotations

import json
import re
import secrets
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from pydantic import ConfigDict, Field, ValidationError

from whereupon.connect.databases import Database, database
from whereupon.host.files import private_folder, write_atomically
from whereupon.host.paths import known_systems, remember_system
from whereupon.kit.config import mistakes
from whereupon.model.errors import Mistakes, SetupError, Unavailable
from whereupon.model.setup import Noun
from whereupon.storage.passwords import password_in
from whereupon.storage.vault import Vault, resolved
from whereupon.storage.vault_choice import Kind, VaultSettings, vault

SETTINGS = "whereupon.toml"
DATABASES = ("system", "pull_marketing", "streams")
_HEADER = """\
# A system of Whereupon. Connection strings stand here without passwords: those are in the vault
# (whereupon secrets set database/system). The service reads this file when it starts.
"""


class _Databases(Noun):
    system: str
    pull_marketing: str
    streams: str


class _Web(Noun):
    address: str = ""
    databases: dict[Literal["pull_marketing", "streams"], str] = Field(default_factory=dict)


class _VaultChoice(Noun):
    kind: Kind = "keyring"
    key_file: str = ""


class _Settings(Noun):
    model_config = ConfigDict(frozen=True, extra="forbid")
    id: str = Field(min_length=8, max_length=40, pattern="^[0-9a-z]+$")
    name: str = Field(min_length=1)
    databases: _Databases
    web_service: _Web = _Web()
    vault: _VaultChoice = _VaultChoice()


@dataclass(frozen=True, slots=True)
class Databases:
    """The three databases of a system, not connected yet."""

    system: Database
    pull_marketing: Database
    streams: Database

    def close(self) -> None:
        """Give back what was opened for migrations and built queries."""
        for each in (self.system, self.pull_marketing, self.streams):
            each.close()


@dataclass(frozen=True, slots=True)
class SystemFolder:
    """A system's folder as whereupon.toml describes it. `id` is made once; `urls` are connection strings by database,
    without passwords; `web_address` and `web_urls` are the web service's own."""

    path: Path
    id: str
    name: str
    urls: Mapping[str, str]
    web_address: str = ""
    web_urls: Mapping[str, str] = field(default_factory=dict)
    vault_kind: Kind = "keyring"
    key_file: str = ""

    @property
    def stash(self) -> Path:
        """Communications in files."""
        return self.path / "Stash"

    @property
    def logs(self) -> Path:
        """What the service wrote."""
        return self.path / "Logs"

    @property
    def backups(self) -> Path:
        """Copies of SQLite databases."""
        return self.path / "Backups"

    def vault(self) -> Vault:
        """The vault that this folder chose. It is opened when first used."""
        key_file = self.path / self.key_file if self.key_file else None
        return vault(VaultSettings(self.name, self.id, self.path, self.vault_kind, key_file))

    def databases(self, vault: Vault) -> Databases:
        """The three databases with their passwords: `${secret:…}` in a connection string, or `database/<name>`.

        Nothing is connected; raises SetupError where a connection string can't be used.
        """
        ways = (self.way_to(name, vault) for name in DATABASES)
        return Databases(*(database(url, folder=self.path, password=password) for url, password in ways))

    def way_to(self, name: str, vault: Vault) -> tuple[str, str | None]:
        """The connection string of a database with its secrets in it, and its password where that stands apart."""
        url = resolved({name: self.urls[name]}, vault, where=f"{SETTINGS}, databases")[0][name]
        return url, None if url.startswith("sqlite") else vault.read(secret_of(name))


def secret_of(name: str) -> str:
    """The name of the secret that holds a database's password."""
    return f"database/{name}"


def proposed(name: str) -> dict[str, str]:
    """SQLite files in the system's folder under their proposed names."""
    plain = re.sub(r"[^\w.-]", "_", name)
    return {
        each: f"sqlite:///{prefix}{plain}.db"
        for each, prefix in zip(DATABASES, ("", "PM_", "SD_"), strict=True)
    }


def create(
    folder: Path, name: str, urls: Mapping[str, str], *, kind: Kind = "keyring", key_file: str = ""
) -> SystemFolder:
    """Make a system's folder; a connection string that is missing or empty becomes a SQLite file in it.

    Raises SetupError if a system is there already, or a connection string holds a password.
    """
    if (folder / SETTINGS).exists():
        raise SetupError(f"{folder} is a system already.", hint="Choose another folder.")
    made = planned(folder, name, urls, kind=kind, key_file=key_file)
    return saved(made)


def planned(
    folder: Path,
    name: str,
    urls: Mapping[str, str] = MappingProxyType({}),
    *,
    kind: Kind = "keyring",
    key_file: str = "",
) -> SystemFolder:
    """A new system's folder, with nothing made yet."""
    given = {each: url for each, url in urls.items() if url}
    return SystemFolder(
        folder.resolve(),
        secrets.token_hex(8),
        name,
        {**proposed(name), **given},
        vault_kind=kind,
        key_file=key_file,
    )


def saved(system: SystemFolder) -> SystemFolder:
    """Write whereupon.toml anew, whole or not at all."""
    for name, url in system.urls.items():
        if password_in(url) is not None:
            raise SetupError(
                f"The connection string of the {name} database holds a password.",
                hint=f'Leave it out, and set it with "whereupon secrets set {secret_of(name)}".',
            )
    for each in (system.path, system.stash, system.logs):
        private_folder(each)
    write_atomically(system.path / SETTINGS, _written(system), private=True)
    _remember(system.path)
    return system


def changed(
    system: SystemFolder, *, urls: Mapping[str, str], web_address: str, web_urls: Mapping[str, str]
) -> SystemFolder:
    """The folder with other connection strings; empty ones stay as they are."""
    return replace(
        system,
        urls={**system.urls, **{name: url for name, url in urls.items() if url}},
        web_address=web_address or system.web_address,
        web_urls={**system.web_urls, **{name: url for name, url in web_urls.items() if url}},
    )


def is_system(folder: Path) -> bool:
    """True if a system's settings stand in this folder."""
    return (folder / SETTINGS).is_file()


def opened(folder: Path) -> SystemFolder:
    """The system in a folder; raises SetupError if there is none, or its settings can't be read."""
    path = folder / SETTINGS
    try:
        settings = _Settings.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise SetupError(
            f"{folder} is no system of Whereupon.",
            hint="Go to a system's folder, name one by --system, or make one: whereupon apply FILE --system DIR.",
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SetupError(f"{path} can't be read: {error}.", hint="Put it back from a backup.") from error
    except tomllib.TOMLDecodeError as error:
        raise SetupError(f"{path} is broken: {error}.", hint="Put that line right.") from None
    except ValidationError as error:
        raise Mistakes(f"{path} has mistakes.", mistakes(error, SETTINGS), hint="Put them right.") from None
    _remember(folder.resolve())
    return _system(folder.resolve(), settings)


def _remember(folder: Path) -> None:
    # The list is a convenience: a home that can't be written stops nobody.
    with suppress(Unavailable):
        if folder not in known_systems()[:1]:
            remember_system(folder)


def _system(folder: Path, settings: _Settings) -> SystemFolder:
    return SystemFolder(
        folder,
        settings.id,
        settings.name,
        settings.databases.model_dump(),
        settings.web_service.address,
        {str(name): url for name, url in settings.web_service.databases.items()},
        settings.vault.kind,
        settings.vault.key_file,
    )


def _written(system: SystemFolder) -> str:
    tables: dict[str, Mapping[str, str]] = {
        "": {"id": system.id, "name": system.name},
        "databases": system.urls,
        "web_service": {"address": system.web_address} if system.web_address else {},
        "web_service.databases": system.web_urls,
        "vault": {"kind": system.vault_kind, **({"key_file": system.key_file} if system.key_file else {})},
    }
    blocks = [_table(name, values) for name, values in tables.items() if values]
    return _HEADER + "\n".join(blocks)


def _table(name: str, values: Mapping[str, str]) -> str:
    head = f"[{name}]\n" if name else ""
    return head + "".join(f"{key} = {_text(value)}\n" for key, value in values.items())


def _text(value: str) -> str:
    # JSON's texts are TOML's, but for the one control character that JSON lets stand.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")

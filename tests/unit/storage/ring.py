"""A keyring in memory, for the tests of vaults."""

from __future__ import annotations

from keyring.backend import KeyringBackend
from keyring.errors import PasswordDeleteError


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

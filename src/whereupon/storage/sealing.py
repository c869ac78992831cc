"""The encrypted file that holds a server's secrets: scrypt makes the key, AES-GCM seals."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from whereupon.model.errors import SetupError

FORMAT = "whereupon-vault-1"
# OWASP's least for scrypt: N = 2**17, r = 8, p = 1 (128 MB, about 0.3 s), asked once a process.
COST = 2**17


class Seal:
    """Seals and opens with one passphrase; the key of a salt is worked out once."""

    def __init__(self, passphrase: str, *, cost: int = COST) -> None:
        self._passphrase = passphrase.encode("utf-8")
        self._cost = cost
        self._keys: dict[tuple[bytes, int], bytes] = {}

    def sealed(self, values: Mapping[str, str]) -> bytes:
        """The values as the bytes of a file. Each call uses a new nonce; a salt is used as long as the process."""
        salt = next((salt for salt, cost in self._keys if cost == self._cost), None) or os.urandom(16)
        nonce = os.urandom(12)
        plain = json.dumps(dict(values), ensure_ascii=False).encode("utf-8")
        body = AESGCM(self._key(salt, self._cost)).encrypt(nonce, plain, FORMAT.encode())
        parts = {"salt": salt, "nonce": nonce, "body": body}
        written = {name: base64.b64encode(each).decode() for name, each in parts.items()}
        return json.dumps({"format": FORMAT, "cost": self._cost, **written}, indent=1).encode()

    def opened(self, data: bytes) -> dict[str, str]:
        """The values in a file's bytes; raises SetupError if the passphrase is wrong or the file damaged."""
        try:
            parts = json.loads(data)
            salt, nonce, body = (base64.b64decode(parts[name]) for name in ("salt", "nonce", "body"))
            cost = int(parts["cost"])
            if parts["format"] != FORMAT or not 2 <= cost <= 2**20:
                raise ValueError(parts["format"])
            plain = AESGCM(self._key(salt, cost)).decrypt(nonce, body, FORMAT.encode())
        except InvalidTag:
            raise SetupError(
                "The file of secrets can't be opened: the passphrase is another one, or the file was changed.",
                hint="Give the passphrase it was made with, or put the file back from a backup.",
            ) from None
        except (ValueError, KeyError, TypeError) as error:
            raise SetupError(
                "The file of secrets is damaged or was written by a newer Whereupon.",
                hint="Put it back from a backup, or delete it and set the secrets again.",
            ) from error
        values: dict[str, str] = json.loads(plain)
        return values

    def _key(self, salt: bytes, cost: int) -> bytes:
        if (salt, cost) not in self._keys:
            self._keys[salt, cost] = Scrypt(salt=salt, length=32, n=cost, r=8, p=1).derive(self._passphrase)
        return self._keys[salt, cost]

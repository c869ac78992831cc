"""A certificate authority of the suite's own, for servers that speak TLS on localhost."""

from __future__ import annotations

import ssl
from pathlib import Path

import trustme
from cryptography.hazmat.primitives import serialization


class Authority:
    """Signs one certificate for `localhost` and 127.0.0.1 and writes all as PEM files into `folder`."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        authority = trustme.CA()
        leaf = authority.issue_cert("localhost", "127.0.0.1")
        self.ca, self.certificate = folder / "ca.pem", folder / "certificate.pem"
        self.key, self.keystore = folder / "key.pem", folder / "keystore.pem"
        chain = b"".join(each.bytes() for each in leaf.cert_chain_pems)
        # Java reads PKCS#8 alone.
        key = serialization.load_pem_private_key(leaf.private_key_pem.bytes(), None).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        self.ca.write_bytes(authority.cert_pem.bytes())
        self.certificate.write_bytes(chain)
        self.key.write_bytes(key)
        self.keystore.write_bytes(key + chain)

    def context(self) -> ssl.SSLContext:
        """What a server shows to its clients."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.certificate, self.key)
        return context

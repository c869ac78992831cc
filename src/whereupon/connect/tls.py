"""Encryption of calls: which authorities are trusted. Verification can't be switched off."""

from __future__ import annotations

import ssl
import sys
from dataclasses import dataclass
from pathlib import Path

import certifi
import pycurl

from whereupon.model.errors import SetupError

# These read the system's own store of authorities; OpenSSL on Windows has none.
NATIVE = any(each in pycurl.version.lower() for each in ("schannel", "securetransport"))


@dataclass(frozen=True, slots=True)
class Tls:
    """`ca_file` is a PEM file of authorities that are trusted instead of the usual ones; empty: the usual ones."""

    ca_file: str = ""

    def apply(self, curl: pycurl.Curl) -> None:
        """TLS 1.2 or later, the certificate and its name verified. Raises SetupError if the file isn't there."""
        curl.setopt(pycurl.SSLVERSION, pycurl.SSLVERSION_TLSv1_2)
        curl.setopt(pycurl.SSL_VERIFYPEER, 1)
        curl.setopt(pycurl.SSL_VERIFYHOST, 2)
        if self.ca_file or not NATIVE:
            curl.setopt(pycurl.CAINFO, self.authorities())

    def authorities(self) -> str:
        """The file of authorities. Raises SetupError if it isn't there."""
        if self.ca_file and not Path(self.ca_file).is_file():
            raise _unusable(self.ca_file, "isn't there")
        return self.ca_file or certifi.where()

    def context(self) -> ssl.SSLContext:
        """The same trust for Python's own sockets. Raises SetupError if the file can't be used."""
        usual = None if sys.platform == "win32" else certifi.where()
        try:
            context = ssl.create_default_context(cafile=self.authorities() if self.ca_file else usual)
        except OSError as error:
            raise _unusable(self.ca_file, "holds no certificates in PEM form") from error
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return context


def _unusable(file: str, said: str) -> SetupError:
    return SetupError(f"The file of authorities {file} {said}.", hint="Name another, or leave it empty.")

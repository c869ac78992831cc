"""Stages that every *Test* of a connection begins with: the host's name, its port, its certificate."""

from __future__ import annotations

import contextlib
import socket
import ssl

from whereupon.connect.tls import Tls
from whereupon.kit.roles import Stage
from whereupon.model.errors import SetupError


def resolve(host: str) -> Stage:
    """Whether the host's name is known."""
    try:
        addresses = {str(each[4][0]) for each in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
    except (OSError, UnicodeError):
        return Stage("Name", False, f"The host {host} isn't known.", "Check its spelling, and the network.")
    return Stage("Name", True, f"{host} is {', '.join(sorted(addresses))}.")


def reach(host: str, port: int, timeout: float = 5.0) -> Stage:
    """Whether something listens there."""
    try:
        socket.create_connection((host, port), timeout).close()
    except (OSError, ValueError) as error:
        said = "didn't answer in time" if isinstance(error, TimeoutError) else "can't be reached"
        return Stage(
            "Port", False, f"{host}, port {port}, {said}.", "Check the port, the firewall, and that it runs."
        )
    return Stage("Port", True, f"{host}, port {port}, answers.")


def tls(host: str, port: int, *, trust: Tls | None = None, timeout: float = 5.0) -> Stage:
    """Whether the other side speaks TLS with a certificate that is trusted."""
    try:
        with contextlib.ExitStack() as stack:
            plain = stack.enter_context(socket.create_connection((host, port), timeout))
            context = (trust or Tls()).context()
            secure = stack.enter_context(context.wrap_socket(plain, server_hostname=host))
            version = secure.version()
    except ssl.SSLCertVerificationError as error:
        return Stage("Encryption", False, f"The certificate of {host} can't be trusted: {error.verify_message}.",
                     "Use the name that stands in it, or name its authority's file.")  # fmt: skip
    except SetupError as error:
        return Stage("Encryption", False, error.message, error.hint)
    except (OSError, ValueError):
        return Stage(
            "Encryption", False, f"{host}, port {port}, doesn't speak TLS.", "Check port and encryption."
        )
    return Stage("Encryption", True, f"Encrypted by {version}.")

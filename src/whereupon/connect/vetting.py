"""Addresses that nobody of the house wrote: what may be called, and by which IP (reliability.md 5.5)."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from whereupon.model.errors import Refused

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
NAT64 = ipaddress.ip_network("64:ff9b::/96")
UNICAST = ipaddress.ip_network("2000::/3")
"""The only IPv6 addresses that are given out to the public (RFC 4291, 2.4)."""
TUNNELS = tuple(map(ipaddress.ip_network, ("2001::/23", "2002::/16")))
INSIDE = tuple(map(ipaddress.ip_network, ("192.0.0.0/24", "192.88.99.0/24", "168.63.129.16/32")))
"""IPv4 that looks public: protocol assignments with a cloud's metadata among them, 6to4 relays, Azure's host."""
HOST = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9])?|[0-9a-f:.]*:[0-9a-f:.]*")


@dataclass(frozen=True, slots=True)
class Vetted:
    """An address that may be called; `pinned` is the IP to connect to, None where the address has it itself or an
    admin named the host."""

    url: str
    pinned: str | None


def resolve(host: str) -> Sequence[str]:
    """All IP addresses of a host; raises OSError."""
    return [str(each[4][0]) for each in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]


@dataclass(frozen=True, slots=True)
class Vetting:
    """`admin_hosts` are the hosts that an admin wrote out in settings: those may be private, and use plain HTTP."""

    admin_hosts: frozenset[str] = frozenset()
    resolve: Callable[[str], Sequence[str]] = field(default=resolve)

    def vet(self, url: str) -> Vetted:
        """Raises Refused, with the reason, for what must not be called."""
        scheme, host = _parts(url)
        if host in self.admin_hosts and scheme in ("http", "https"):
            return Vetted(url, None)
        if scheme != "https":
            raise Refused(
                "The address doesn't begin with https.", hint="Use https, or let an admin allow the host."
            )
        addresses = self._addresses(host)
        for each in addresses:
            if not public(each):
                raise Refused(
                    f"{host} leads to {each}, which is not a public address.", hint="Let an admin allow it."
                )
        return Vetted(url, None if _ip(host, "version") else str(addresses[0]))

    def _addresses(self, host: str) -> list[Address]:
        try:
            given = [host] if _ip(host, "version") else self.resolve(host)
            found = [ipaddress.ip_address(each.partition("%")[0]) for each in given]
        except (OSError, ValueError):
            found = []
        if not found:
            raise Refused(f"The host {host} isn't known.", hint="Correct the address.")
        return found


def _parts(url: str) -> tuple[str, str]:
    """Scheme and host, if everybody who reads the address must find the same ones in it; raises Refused."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port = "", None
    plain = url.isascii() and url.isprintable() and " " not in url and "\\" not in url and port != 0
    if not plain or not HOST.fullmatch(host) or parts.username is not None:
        raise Refused("The address has no plain host name.", hint="Write it as https://host/path.")
    # 127.1, 0x7f000001 and 2130706433 are one address to some readers and a name to others.
    if ":" not in host and host.rpartition(".")[2][0].isdigit() and not _ip(host, "version"):
        raise Refused(f"{host} is no plain IP address.", hint="Write four numbers, as in 192.0.2.1.")
    return parts.scheme, host


def public(address: Address) -> bool:
    """True for an address of the public network: not private, link-local, loopback, shared, reserved or multicast, nor
    an IPv6 form that carries such an IPv4 address."""
    if isinstance(address, ipaddress.IPv4Address):
        return address.is_global and not address.is_multicast and not _in(address, INSIDE)
    if address.ipv4_mapped is not None:
        return public(address.ipv4_mapped)
    if address in NAT64:
        return public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return address in UNICAST and address.is_global and not _in(address, TUNNELS)


def _in(address: Address, networks: Sequence[Network]) -> bool:
    return any(address in each for each in networks)


def warnings_for(url: str) -> tuple[str, ...]:
    """What is weak about an address that an admin wrote, in sentences; loopback is exempt."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if loopback(host):
        return ()
    said = (
        [f"Messages travel to {host} unencrypted; use an address with https."]
        if parts.scheme == "http"
        else []
    )
    if _ip(host, "is_private"):
        said.append(f"{host} is an address of a private network.")
    return tuple(said)


def loopback(host: str) -> bool:
    """Whether a host's name or address means this machine."""
    return host == "localhost" or _ip(host, "is_loopback")


def _ip(host: str, quality: str) -> bool:
    try:
        return bool(getattr(ipaddress.ip_address(host), quality))
    except ValueError:
        return False

"""Passwords in connection strings: found and taken out before a string is kept anywhere."""

from __future__ import annotations

import re
from urllib.parse import unquote

from whereupon.storage.secret_names import references

# The password of a URL ends at the last @ before the path; that of an ODBC string at the next ; or at its closing
# brace, as it stands or as a URL's parameter encodes it.
_PLACES = (
    re.compile(r"^[\w+.-]+://[^:@/?#]*:(?P<password>.*)@(?=[^@]*$)"),
    re.compile(r"[?&]password=(?P<password>[^&]*)", re.IGNORECASE),
    re.compile(
        r"(?:^|[;=?:])\s*(?:pwd|password)\s*=\s*(?P<password>\{(?:[^}]|\}\})*\}|[^;&]*)", re.IGNORECASE
    ),
    re.compile(r"(?:^|%3B|=)\s*(?:pwd|password)%3D(?P<password>(?:(?!%3B)[^&])*)", re.IGNORECASE),
)


def password_in(url: str) -> str | None:
    """The password that stands in a connection string, as it stands there; None if there is none, or a reference."""
    found = _found(url)
    return found["password"] if found else None


def plain(url: str) -> str | None:
    """The same password as a person would type it."""
    password = password_in(url)
    if password is None:
        return None
    if password.startswith("{") and password.endswith("}"):
        return password[1:-1].replace("}}", "}")
    return unquote(password) if "://" in url else password


def with_password(url: str, password: str) -> str:
    """A connection string with something else in the place of its password, such as a reference to a secret."""
    found = _found(url)
    return url if found is None else url[: found.start("password")] + password + url[found.end("password") :]


def without_password(url: str) -> str:
    """A connection string without its password and without what leads to it."""
    found = _found(url)
    if found is None:
        return url
    begin, end = found.span("password")
    if url[begin - 1] == ":":
        return url[: begin - 1] + url[end:]
    return with_password(url, "")


def _found(url: str) -> re.Match[str] | None:
    matches = (place.search(url) for place in _PLACES)
    found = next((each for each in matches if each and each["password"]), None)
    return None if found is None or references(found["password"]) else found

"""Keys that identify contacts, made comparable: trimmed, e-mail without case, phone in E.164."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import phonenumbers

KeyKind = Literal["external_id", "email", "phone"]


def comparable(kind: KeyKind, value: str, *, region: str = "") -> str:
    """A key as it is compared; "" if it is empty or no phone number.

    `region` (ISO 3166, `GB`) is where a phone number without its country's code is from; without it such a number is
    none.
    """
    trimmed = value.strip()
    if kind == "email":
        return trimmed.casefold()
    return _e164(trimmed, region) if kind == "phone" else trimmed


def _e164(value: str, region: str) -> str:
    try:
        number = phonenumbers.parse(value, region.upper() or None)
    except phonenumbers.NumberParseException:
        return ""
    if not phonenumbers.is_possible_number(number):
        return ""
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


def ambiguous(
    kind: KeyKind, keys: Iterable[tuple[str, int]], *, region: str = ""
) -> dict[str, tuple[int, ...]]:
    """Keys that fit several contacts, each with those contacts; takes pairs of a key as written and a contact's ID."""
    found: dict[str, list[int]] = {}
    for written, contact in keys:
        key = comparable(kind, written, region=region)
        if key and contact not in found.setdefault(key, []):
            found[key].append(contact)
    return {key: tuple(contacts) for key, contacts in found.items() if len(contacts) > 1}

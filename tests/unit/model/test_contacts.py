"""Keys of contacts made comparable."""

from __future__ import annotations

import pytest

from whereupon.model.contacts import KeyKind, ambiguous, comparable


@pytest.mark.req("DAT-01")
@pytest.mark.parametrize(
    ("kind", "written", "key"),
    [
        ("external_id", " A-1 ", "A-1"),
        ("email", " Ada@Example.ORG ", "ada@example.org"),
        ("phone", "+44 20 7946 0018", "+442079460018"),
        ("phone", "020 7946 0018", "+442079460018"),
        ("phone", "no number", ""),
        ("phone", "12", ""),
        ("phone", "", ""),
    ],
)
def test_keys_match_however_they_are_written(kind: KeyKind, written: str, key: str) -> None:
    assert comparable(kind, written, region="gb") == key


def test_a_number_without_its_country_needs_a_region() -> None:
    assert comparable("phone", "020 7946 0018") == ""
    assert comparable("phone", "+442079460018") == "+442079460018"


@pytest.mark.req("DAT-01")
def test_a_key_that_fits_several_contacts_is_reported() -> None:
    keys = [("ada@x.org", 1), ("ADA@x.org ", 2), ("bo@x.org", 3), ("bo@x.org", 3), ("", 4), (" ", 5)]
    assert ambiguous("email", keys) == {"ada@x.org": (1, 2)}

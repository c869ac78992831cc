"""Contact IDs of people whose table is somebody else's: they last."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from whereupon.connect.databases import Database, database
from whereupon.storage.contacts import Contacts
from whereupon.storage.system_tables import SYSTEM


@pytest.fixture
def system(tmp_path: Path) -> Iterator[Database]:
    """A system database."""
    found = database("sqlite:///System.db", folder=tmp_path)
    SYSTEM.create_all(found.engine)
    yield found
    found.close()


@pytest.mark.req("DAT-01")
def test_a_key_that_comes_again_has_the_same_contact_id(system: Database) -> None:
    with closing(Contacts(system, 3)) as contacts:
        assert contacts.of(["ada", "bo", "ada"]) == {"ada": 1, "bo": 2}
    with closing(Contacts(system, 3)) as contacts:
        assert contacts.of(["cy", "bo"]) == {"cy": 3, "bo": 2}
        assert contacts.of(["ada"]) == {"ada": 1}
        assert contacts.of([]) == {}
        assert (contacts.person(3), contacts.person(99)) == ("cy", "")


def test_tables_number_for_themselves(system: Database) -> None:
    with closing(Contacts(system, 3)) as one, closing(Contacts(system, 4)) as other:
        assert one.of(["ada"]) == {"ada": 1}
        assert other.of(["bo"]) == {"bo": 1}
        assert other.person(1) == "bo"

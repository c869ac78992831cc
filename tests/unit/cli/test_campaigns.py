"""run, pause, resume, rehearse."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Words
from whereupon.connect.databases import database
from whereupon.storage.operations import Hold, Operations


def holds(system: Path) -> list[Hold]:
    with closing(Operations(database("sqlite:///SD_TealHols.db", folder=system))) as operations:
        return operations.holds()


def test_a_campaign_is_paused_with_its_reason_and_goes_on(words: Words, system: Path) -> None:
    assert words("pause", "Welcome back", "--reason", "wrong offer").code == 0
    assert [(each.kind, each.reason) for each in holds(system)] == [("paused", "wrong offer")]
    assert words("resume", "Welcome back").code == 0
    assert holds(system) == []


def test_a_campaign_that_is_not_there_is_said_with_those_that_are(words: Words, system: Path) -> None:
    said = words("pause", "Welcome bak")
    assert said.code == 3
    assert "Did you mean Welcome back?" in said.err


@pytest.mark.req("NEW-01")
def test_a_rehearsal_tells_what_would_have_been_and_why_not(words: Words, lived_system: Path) -> None:
    said = words("rehearse", "Welcome back", "--last", 10)
    assert said.code == 0
    assert "The journal holds 4 events of SignIn." in said.err
    assert "4 events: 2 would be sent, 1 not in the audience." in said.out
    assert "withheld, not in store: 1" in said.out


@pytest.mark.req("RTT-09")
def test_a_table_campaign_fills_the_store(words: Words, system: Path) -> None:
    [done] = words("run", "Fill TealGreen", "--json").json
    assert (done["inserted"], done["updated"], done["rejected"]) == (3, 0, 0)
    assert words("run", "Fill TealGreen", "--quiet").code == 0
    assert "3" in words("run", "Fill TealGreen").out

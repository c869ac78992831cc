"""Runs of table campaigns: which may begin, one at a time, and what their result says."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from tests.unit.jobs.table_world import FILL, LETTER, TableWorld, crowd, set_up
from whereupon.jobs.table_run import RunResult
from whereupon.model.errors import Locked, SetupError
from whereupon.storage.operations import Hold, Operations
from whereupon.storage.runs import Runs

TRIGGERED = {
    "name": "Welcome",
    "audience": {"stream": "Register"},
    "message": {
        "content": [{"field": "email", "text": "x"}, {"field": "subject", "text": "Hi"}],
        "delivery": {"channel": "ESP"},
    },
    "schedule": "event triggered",
    "publish": True,
}
REGISTER = {
    "providers": [{"name": "Local", "type": "local"}],
    "streams": [
        {
            "name": "Register",
            "provider": "Local",
            "settings": {"Topic": "registrations"},
            "fields": [{"name": "urn", "type": "Reference", "variable": "Person URN"}],
        }
    ],
}


def test_a_campaign_runs_once_at_a_time(tmp_path: Path) -> None:
    world = TableWorld(tmp_path)
    world.import_people(crowd(1))
    held = Runs(world.shop.databases.streams)
    held.alone(world.repository.ids()["campaign", "Fill TealGreen"], "Fill TealGreen")
    with pytest.raises(Locked, match="Fill TealGreen is running already"):
        world.run("Fill TealGreen")
    held.close()
    assert world.run("Fill TealGreen").state == "done"
    world.close()


def test_a_campaign_that_is_not_there_is_named_with_the_one_meant(tmp_path: Path) -> None:
    world = TableWorld(tmp_path)
    with pytest.raises(SetupError, match="Did you mean Newsletter"):
        world.run("Newsleter")
    world.close()


def test_the_setting_that_names_the_store_is_read_in_any_case(tmp_path: Path) -> None:
    plain = set_up()
    channel = plain.channels[0].model_copy(update={"settings": {"Store": "TealGreen"}})
    world = TableWorld(tmp_path, setup=plain.model_copy(update={"channels": (channel, *plain.channels[1:])}))
    world.import_people(crowd(3))
    result = world.run("Fill TealGreen")
    assert (result.inserted, result.rejected) == (3, 0)
    world.close()


def test_a_draft_does_not_run(tmp_path: Path) -> None:
    draft = {**LETTER, "name": "Draft", "publish": False}
    world = TableWorld(tmp_path, setup=set_up(draft))
    with pytest.raises(SetupError, match="Draft isn't published"):
        world.run("Draft")
    world.close()


def test_an_event_triggered_campaign_is_run_by_its_events(tmp_path: Path) -> None:
    world = TableWorld(tmp_path, setup=set_up(TRIGGERED, streams=REGISTER))
    with pytest.raises(SetupError, match="event triggered"):
        world.run("Welcome")
    world.close()


def test_a_paused_campaign_does_not_run(tmp_path: Path) -> None:
    world = TableWorld(tmp_path)
    number = world.repository.ids()["campaign", "Newsletter"]
    operations = Operations(world.shop.databases.streams)
    operations.hold(Hold("campaign", number, "paused", "", "me", 0))
    with pytest.raises(SetupError, match="Newsletter is paused"):
        world.run("Newsletter")
    operations.release("campaign", number)
    operations.hold(Hold("campaign", number, "held", "no such list", "service", 0))
    with pytest.raises(SetupError, match="held: no such list"):
        world.run("Newsletter")
    operations.close()
    world.close()


def test_people_that_were_never_imported_are_missed(tmp_path: Path) -> None:
    world = TableWorld(tmp_path)
    with pytest.raises(SetupError, match="no people yet"):
        world.run("Fill TealGreen")
    world.close()


def test_a_run_of_nobody_is_done(tmp_path: Path) -> None:
    nobody = {**FILL, "name": "Nobody", "audience": {"table": "People", "where": {"all": [
        {"field": "Forename", "is": "equals", "value": "Nobody"}]}}}  # fmt: skip
    world = TableWorld(tmp_path, setup=set_up(nobody))
    world.import_people(crowd(3))
    result = world.run("Nobody", stop=threading.Event())
    world.close()
    assert (result.state, result.rows, result.total) == ("done", 0, 0)


def test_a_result_is_said_in_a_few_lines() -> None:
    said = tuple((f"{n}", "no key") for n in range(30))
    result = RunResult("Fill", 1, "stopped", 40, 50, inserted=10, rejected=30, said=said)
    lines = str(result).splitlines()
    assert lines[0] == (
        "Fill: 40 rows, 10 inserted, 0 updated, 30 rejected, stopped: run it again, and it goes on where it stood"
    )
    assert lines[-1] == "  and 10 more"
    assert len(lines) == 22
    assert (
        str(RunResult("Letter", 1, "done", 2, 2, outcomes={"sent": 2}))
        == "Letter: 2 rows, 2 sent, 0 rejected"
    )

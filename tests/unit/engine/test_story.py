"""Stories of events and persons."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from tests.lived import lived, set_up_file
from whereupon.engine.assembly import Workshop
from whereupon.engine.story import stories
from whereupon.host.redaction import Redactor
from whereupon.kit.registry import Registry
from whereupon.model.errors import SetupError
from whereupon.service.runner import workshop
from whereupon.storage import folder as folders
from whereupon.storage.apply import apply
from whereupon.storage.repository import Repository

pytestmark = pytest.mark.req("NEW-02")


@pytest.fixture
def folder(tmp_path: Path, home: Path) -> Path:
    """A system that has lived."""
    return lived(tmp_path / "TealHols")


@pytest.fixture
def shop(folder: Path) -> Workshop:
    """What its parts are made with."""
    return workshop(folders.opened(folder), Redactor())


@pytest.fixture
def repository(shop: Workshop) -> Iterator[Repository]:
    """Its configuration."""
    with closing(Repository(shop.databases.system, shop.registry, shop.vault)) as made:
        yield made


def test_a_sent_message_is_told_with_conditions_look_up_limits_and_text(
    shop: Workshop, repository: Repository
) -> None:
    [story] = stories(shop, repository, person=" 1001 ", event="e1")
    assert (story.stream, story.kept, story.fields["location"]) == ("SignIn", True, "Whitby")
    assert (story.stores["TealGreen"] or {})["firstname"] == "Ada"
    [campaign] = story.campaigns
    assert [each.held for each in campaign.conditions] == [True]
    assert campaign.fields["body"] == "Dear Ada, here is TEAL20 for your stay in Whitby."
    assert len(campaign.limits) == 1
    assert campaign.ended is not None
    assert campaign.ended.state == "sent"


def test_an_audience_that_is_not_met_is_told_with_the_condition_that_failed(
    shop: Workshop, repository: Repository
) -> None:
    [story] = stories(shop, repository, person="1002", event="e3")
    [campaign] = story.campaigns
    assert (campaign.name, campaign.matched, campaign.ended) == ("Welcome back", False, None)
    assert [each.held for each in campaign.conditions] == [False]


def test_it_is_told_by_the_version_of_that_time(
    shop: Workshop, repository: Repository, folder: Path, tmp_path: Path
) -> None:
    file = set_up_file(tmp_path)
    text = file.read_text(encoding="utf-8")
    changed = text.replace("is: not empty\n      all", "").replace(
        "SignIn.location\n        is: not empty", "SignIn.location\n        is: empty"
    )
    assert changed != text
    file.write_text(changed, encoding="utf-8")
    apply(file, folder, author="ann", registry=shop.registry)
    assert repository.published()["Welcome back"] == 2
    [story] = stories(shop, repository, person="1001", event="e1")
    assert [each.held for each in story.campaigns[0].conditions] == [True]


def test_what_is_left_when_the_batch_is_gone_is_told(shop: Workshop, repository: Repository) -> None:
    with closing(shop.databases.streams.session()) as session:
        session.run("DELETE FROM batch")
    first, second = stories(shop, repository, person="1002")
    assert (first.kept, first.campaigns) == (False, [])
    assert (second.stream, second.campaigns[0].name) == ("SignIn", "Welcome back")
    assert second.campaigns[0].ended is not None


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"event": "123456"}, "no event 123456"),
        ({"person": "x"}, "No event of the person x"),
        ({"person": "x", "event": "e1"}, "The person x has no event e1"),
    ],
)
def test_what_is_not_recorded_is_said(
    asked: dict[str, str], said: str, shop: Workshop, repository: Repository
) -> None:
    with pytest.raises(SetupError, match=said):
        list(stories(shop, repository, **asked))  # type: ignore[arg-type]


def test_each_try_is_told(shop: Workshop, repository: Repository) -> None:
    with closing(shop.databases.streams.session()) as session:
        row = session.one(
            "SELECT o.event, o.campaign FROM outcome o JOIN event e ON e.id = o.event WHERE e.event_id = 'e1'"
        )
        assert row is not None
        columns = "(event, campaign, n, started, ended, answer)"
        session.run(f"INSERT INTO attempt {columns} VALUES (?, ?, 1, 5, 9, '503 busy')", row)
        session.run(f"INSERT INTO attempt {columns} VALUES (?, ?, 2, 10, 12, '400 never')", row)
    [story] = stories(shop, repository, person="1001", event="e1")
    [campaign] = story.campaigns
    assert [(each.n, each.started, each.ended, each.answer) for each in campaign.attempts] == [
        (1, 5, 9, "503 busy"), (2, 10, 12, "400 never"),
    ]  # fmt: skip


def test_an_event_is_told_by_its_number_too(shop: Workshop, repository: Repository) -> None:
    [by_person] = stories(shop, repository, person="1001", event="e1")
    assert list(stories(shop, repository, event=f"{by_person.event}")) == [by_person]


def test_a_campaign_whose_channel_kind_is_gone_is_told_by_what_the_batch_kept(
    shop: Workshop, repository: Repository
) -> None:
    kinds = {each: kind for each, kind in shop.registry.kinds.items() if each != ("channel", "file")}
    [story] = stories(replace(shop, registry=Registry(kinds)), repository, person="1001", event="e1")
    [campaign] = story.campaigns
    assert (campaign.name, campaign.conditions, campaign.limits) == ("Welcome back", (), [])
    assert campaign.fields["subject"] == "Welcome back, Ada"


def test_a_campaign_whose_version_is_gone_is_told_by_what_the_batch_kept(
    shop: Workshop, repository: Repository
) -> None:
    with closing(shop.databases.system.session()) as session:
        session.run("DELETE FROM version")
    [story] = stories(shop, repository, person="1002", event="e4")
    assert story.campaigns[0].fields["subject"] == "Welcome back, Bo"
    assert story.campaigns[0].conditions == ()


def test_an_outcome_of_a_part_that_is_gone_is_told_by_its_number(
    shop: Workshop, repository: Repository
) -> None:
    numbers = repository.ids()
    with closing(shop.databases.streams.session()) as session:
        session.run("DELETE FROM batch")
    with closing(shop.databases.system.session()) as session:
        session.run("DELETE FROM part WHERE name = 'Welcome back'")
    [story] = stories(shop, repository, person="1001", event="e1")
    assert story.campaigns[0].name == str(numbers["campaign", "Welcome back"])

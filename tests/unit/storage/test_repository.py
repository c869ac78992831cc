"""Configuration with its history."""

from __future__ import annotations

import copy
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from whereupon.connect.databases import Database, database
from whereupon.host.clock import FakeClock
from whereupon.host.paths import resources
from whereupon.kit.registry import Registry, discover
from whereupon.model.errors import Locked, Mistakes, SetupError
from whereupon.model.setup import Setup
from whereupon.storage import schema
from whereupon.storage.files import read_file
from whereupon.storage.repository import Repository
from whereupon.storage.vault import EnvironmentVault, MemoryVault

pytestmark = pytest.mark.req("NEW-03")
EXAMPLE = read_file(resources() / "example" / "tealhols.yaml").setup
ALL = ("Fill TealGreen", "Welcome back", "Welcome")


def changed(change: Any, setup: Setup = EXAMPLE) -> Setup:
    data = copy.deepcopy(setup.model_dump(mode="json", by_alias=True, exclude_defaults=True))
    change(data)
    return Setup.model_validate(data)


@pytest.fixture(scope="module")
def registry() -> Registry:
    return discover()


@pytest.fixture
def system(tmp_path: Path) -> Database:
    found = database("sqlite:///A.db", folder=tmp_path)
    schema.upgrade(found, "system")
    return found


@pytest.fixture
def vault() -> MemoryVault:
    return MemoryVault()


@pytest.fixture
def repository(system: Database, registry: Registry, vault: MemoryVault) -> Iterator[Repository]:
    made = Repository(system, registry, vault, clock=FakeClock())
    yield made
    made.close()


def subject(text: str, setup: Setup = EXAMPLE) -> Setup:
    return changed(lambda data: data["campaigns"][2]["message"]["content"][2].update(text=text), setup)


class TestSaving:
    def test_before_the_first_save_there_is_nothing(self, repository: Repository) -> None:
        assert repository.revision() == 0
        assert repository.history() == []
        for ask in (repository.setup, repository.running):
            with pytest.raises(SetupError, match="no configuration yet"):
                ask()

    def test_what_is_saved_comes_back_with_author_time_and_changes(self, repository: Repository) -> None:
        assert repository.save(EXAMPLE, author="ann", note="first", publish=ALL) == 1
        assert repository.setup() == EXAMPLE
        [revision] = repository.history()
        assert (revision.number, revision.author, revision.note, revision.at) == (
            1,
            "ann",
            "first",
            FakeClock().now(),
        )
        assert "Campaign Welcome: added" in revision.changes
        assert "Campaign Welcome: published as version 1" in revision.changes

    def test_saving_the_same_again_writes_nothing(self, repository: Repository) -> None:
        repository.save(EXAMPLE, author="ann", publish=ALL)
        assert repository.save(EXAMPLE, author="bob", publish=ALL) == 1
        assert len(repository.history()) == 1

    def test_another_order_of_settings_is_the_same(self, repository: Repository) -> None:
        repository.save(EXAMPLE, author="ann")

        def reorder(data: Any) -> None:
            settings = data["channels"][1]["settings"]
            data["channels"][1]["settings"] = dict(reversed(settings.items()))

        assert repository.save(changed(reorder), author="ann") == 1

    def test_a_change_is_a_new_revision_and_earlier_ones_stay(self, repository: Repository) -> None:
        repository.save(EXAMPLE, author="ann")
        assert repository.save(subject("Hello"), author="bob") == 2
        assert repository.history()[0].changes == (
            "Campaign Welcome: message: content: subject: text: “Welcome” → “Hello”",
        )
        assert repository.at(1).campaigns[2].message.content[2].text == "Welcome"
        with pytest.raises(SetupError, match="no revision 9"):
            repository.at(9)

    def test_a_draft_may_have_mistakes(self, repository: Repository) -> None:
        broken = changed(
            lambda data: data["campaigns"][1]["message"]["content"][1].update({"from": "No.where"})
        )
        assert repository.save(broken, author="ann") == 1
        assert repository.setup().campaigns[1].publish is False

    def test_who_saved_meanwhile_is_named(self, repository: Repository) -> None:
        repository.save(EXAMPLE, author="ann")
        repository.save(subject("one"), author="bob", expected=1)
        with pytest.raises(Locked, match="bob saved revision 2"):
            repository.save(subject("two"), author="ann", expected=1)
        assert repository.revision() == 2

    def test_savers_at_the_same_time_get_a_revision_each(self, system: Database, registry: Registry) -> None:
        def save(number: int) -> None:
            one = Repository(system, registry)
            one.save(subject(f"text {number}"), author=f"person {number}")
            one.close()

        threads = [threading.Thread(target=save, args=(number,)) for number in range(4)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        one = Repository(system, registry)
        assert [each.number for each in one.history()] == [4, 3, 2, 1]
        one.close()


class TestPublishing:
    def test_what_runs_are_the_published_versions_with_lasting_numbers(self, repository: Repository) -> None:
        repository.save(EXAMPLE, author="ann", publish=("Welcome back",))
        running = repository.running()
        [version] = running.campaigns
        assert running.revision == 1
        assert (version.campaign.name, version.version) == ("Welcome back", 1)
        assert running.ids["campaign", "Welcome back"] == version.id
        assert running.ids["channel", "ESP"] == version.channel_id
        assert {role for role, _ in running.ids} == {
            "table", "store_provider", "store", "stream_provider", "stream", "channel", "campaign",
        }  # fmt: skip
        assert repository.published() == {"Welcome back": 1}

    def test_a_draft_that_was_edited_runs_on_as_published(self, repository: Repository) -> None:
        repository.save(EXAMPLE, author="ann", publish=ALL)
        repository.save(subject("Hello"), author="ann")
        version = next(each for each in repository.running().campaigns if each.campaign.name == "Welcome")
        assert version.campaign.message.content[2].text == "Welcome"
        assert [each.publish for each in repository.setup().campaigns] == [True, True, False]
        repository.save(subject("Hello"), author="ann", publish=("Welcome",))
        version = next(each for each in repository.running().campaigns if each.campaign.name == "Welcome")
        assert (version.version, version.campaign.message.content[2].text) == (2, "Hello")

    def test_a_mistake_in_what_is_published_refuses_and_saves_nothing(self, repository: Repository) -> None:
        broken = changed(
            lambda data: data["campaigns"][1]["message"]["content"][1].update({"from": "No.where"})
        )
        with pytest.raises(Mistakes) as raised:
            repository.save(broken, author="ann", publish=ALL)
        assert any("Welcome back" in each for each in raised.value.mistakes)
        assert repository.revision() == 0
        assert repository.ids() == {}

    def test_a_save_that_breaks_what_is_published_is_refused(self, repository: Repository) -> None:
        repository.save(EXAMPLE, author="ann", publish=ALL)
        with pytest.raises(Mistakes, match="What is published would have mistakes"):
            repository.save(changed(lambda data: data["channels"].pop(1)), author="ann")

        def without(data: Any) -> None:
            data["channels"].pop(1)
            data["campaigns"].pop(1)

        assert repository.save(changed(without), author="ann") == 2
        assert repository.history()[0].changes[-1] == "Campaign Welcome back: no longer published"

    def test_withdrawing_ends_a_campaign_and_publishing_takes_the_next_number(
        self, repository: Repository
    ) -> None:
        repository.save(EXAMPLE, author="ann", publish=ALL)
        assert repository.save(EXAMPLE, author="ann", withdraw=("Welcome",)) == 2
        assert repository.published() == {"Fill TealGreen": 1, "Welcome back": 1}
        assert repository.save(EXAMPLE, author="ann", publish=("Welcome",)) == 3
        assert repository.published()["Welcome"] == 2

    def test_a_campaign_that_is_not_there_cannot_be_published(self, repository: Repository) -> None:
        with pytest.raises(SetupError, match="no campaign Nobody"):
            repository.save(EXAMPLE, author="ann", publish=("Nobody",))

    def test_a_part_made_again_has_its_old_number(self, repository: Repository) -> None:
        repository.save(EXAMPLE, author="ann")
        before = repository.ids()["campaign", "Welcome"]
        repository.save(changed(lambda data: data["campaigns"].pop(2)), author="ann")
        assert ("campaign", "Welcome") not in repository.running().ids
        repository.save(EXAMPLE, author="ann")
        assert repository.running().ids["campaign", "Welcome"] == before


class TestRollback:
    def test_going_back_is_another_revision_with_the_set_up_of_then(self, repository: Repository) -> None:
        repository.save(EXAMPLE, author="ann", publish=ALL)
        repository.save(subject("Hello"), author="bob", publish=("Welcome",))
        assert repository.rollback(1, author="ann") == 3
        assert repository.setup() == EXAMPLE
        newest = repository.history()[0]
        assert (newest.author, newest.note) == ("ann", "Back to revision 1")
        assert newest.changes == (
            "Campaign Welcome: message: content: subject: text: “Hello” → “Welcome”",
            "Campaign Welcome: published as version 3",
        )
        assert repository.published() == {"Fill TealGreen": 1, "Welcome back": 1, "Welcome": 3}

    def test_what_was_not_published_then_is_withdrawn(self, repository: Repository) -> None:
        repository.save(EXAMPLE, author="ann")
        repository.save(EXAMPLE, author="ann", publish=ALL)
        repository.rollback(1, author="ann")
        assert repository.running().campaigns == ()

    def test_what_was_published_then_comes_back_even_if_its_draft_was_another(
        self, repository: Repository
    ) -> None:
        repository.save(EXAMPLE, author="ann", publish=ALL)
        repository.save(subject("Draft"), author="ann")
        repository.save(changed(lambda data: data["campaigns"].pop(2)), author="ann")
        repository.rollback(2, author="ann")
        version = next(each for each in repository.running().campaigns if each.campaign.name == "Welcome")
        assert version.campaign.message.content[2].text == "Welcome"
        assert repository.setup().campaigns[2].message.content[2].text == "Draft"

    def test_back_to_the_present_changes_nothing(self, repository: Repository) -> None:
        repository.save(EXAMPLE, author="ann", publish=ALL)
        assert repository.rollback(1, author="ann") == 1
        with pytest.raises(SetupError, match="no revision 7"):
            repository.rollback(7, author="ann")


def with_token(token: str) -> Setup:
    return changed(lambda data: data["channels"][1]["settings"].update(token=token))


@pytest.mark.req("SEC-01")
class TestSecrets:
    def test_a_literal_secret_goes_to_the_vault_and_nowhere_else(
        self, repository: Repository, vault: MemoryVault, tmp_path: Path
    ) -> None:
        repository.save(with_token("canary-4711"), author="ann", publish=ALL)
        name = f"part/channel/{repository.ids()['channel', 'ESP']}/token"
        assert vault.read(name) == "canary-4711"
        assert repository.setup().channels[1].settings["token"] == f"${{secret:{name}}}"
        assert f"Secret {name}: set" in repository.history()[0].changes
        repository.close()
        for path in tmp_path.iterdir():
            assert b"canary-4711" not in path.read_bytes()

    def test_a_preview_names_the_secrets_of_new_parts_as_the_save_does(self, repository: Repository) -> None:
        said, _ = repository.preview(with_token("canary-4711"), publish=ALL)
        repository.save(with_token("canary-4711"), author="ann", publish=ALL)
        secrets = [each for each in said if each.startswith("Secret ")]
        assert secrets == [each for each in repository.history()[0].changes if each.startswith("Secret ")]

    def test_the_same_secret_again_changes_nothing_and_another_is_a_revision(
        self, repository: Repository
    ) -> None:
        repository.save(with_token("one"), author="ann", publish=ALL)
        assert repository.save(with_token("one"), author="ann", publish=ALL) == 1
        assert repository.save(with_token("two"), author="ann", publish=ALL) == 2
        assert "token" in repository.history()[0].changes[0]

    def test_what_comes_back_can_be_saved_as_it_is(self, repository: Repository) -> None:
        repository.save(with_token("one"), author="ann", publish=ALL)
        assert repository.save(repository.setup(), author="ann") == 1

    def test_without_a_vault_literal_secrets_are_refused(self, system: Database, registry: Registry) -> None:
        one = Repository(system, registry)
        with pytest.raises(SetupError, match="no place to keep them"):
            one.save(with_token("one"), author="ann")
        assert one.revision() == 0
        one.close()

    def test_a_vault_that_cannot_be_written_saves_nothing(self, system: Database, registry: Registry) -> None:
        one = Repository(system, registry, EnvironmentVault({}))
        with pytest.raises(SetupError, match="WHEREUPON_SECRET_PART_CHANNEL"):
            one.save(with_token("one"), author="ann")
        assert one.revision() == 0
        one.close()


class TestPreview:
    def test_it_says_what_a_save_would_and_writes_nothing(self, repository: Repository) -> None:
        said, published = repository.preview(EXAMPLE, publish=ALL)
        assert "Campaign Welcome: added" in said
        assert published == list(ALL)
        assert repository.revision() == 0
        assert repository.ids() == {}

    def test_where_nothing_differs_it_is_silent(self, repository: Repository) -> None:
        repository.save(with_token("one"), author="ann", publish=ALL)
        assert repository.preview(with_token("one"), publish=ALL) == ([], [])

    def test_it_names_what_would_be_published_withdrawn_and_set(self, repository: Repository) -> None:
        repository.save(EXAMPLE, author="ann", publish=ALL)
        said, published = repository.preview(
            subject("Hello", with_token("two")), publish=("Welcome",), withdraw=("Welcome back",)
        )
        assert published == ["Welcome"]
        assert said[-2:] == ["Campaign Welcome: published", "Campaign Welcome back: no longer published"]
        assert any(each.startswith("Secret part/channel/") for each in said)
        assert not any("two" in each for each in said)

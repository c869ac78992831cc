"""Applying a set-up file."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from tests.unit.storage.apply_world import World
from whereupon.host.clock import FakeClock
from whereupon.kit.registry import Registry
from whereupon.model.errors import SetupError, WhereuponError
from whereupon.storage import folder as folders
from whereupon.storage.apply import apply
from whereupon.storage.files import written
from whereupon.storage.people import count
from whereupon.storage.vault import MemoryVault

pytestmark = [pytest.mark.req("NEW-03"), pytest.mark.usefixtures("home")]


class TestFirst:
    def test_the_worked_example_makes_folder_databases_people_and_versions(self, world: World) -> None:
        done = world.apply()
        assert done.revision == 1
        assert done.published == ["Fill TealGreen", "Welcome back", "Welcome"]
        assert "Data table People: 3 rows imported from people.csv" in done.changes
        assert {each.name for each in world.system.iterdir()} >= {
            "whereupon.toml", "TealHols.db", "PM_TealHols.db", "SD_TealHols.db", "Stash", "Logs",
        }  # fmt: skip
        with closing(world.repository()) as repository:
            assert len(repository.running().campaigns) == 3

    def test_missing_secrets_and_advice_are_warnings_with_what_to_do(self, world: World) -> None:
        warnings = world.apply().warnings
        assert any("whereupon secrets set esp/token" in each for each in warnings)
        assert any(each.startswith("line ") and "campaigns › Welcome" in each for each in warnings)
        world.vault.write("esp/token", "x")
        assert not any("esp/token" in each for each in world.apply().warnings)

    def test_a_vault_that_cannot_be_used_is_a_warning(self, world: World) -> None:
        class Broken(MemoryVault):
            def read(self, name: str) -> str | None:
                raise SetupError("The keyring is locked.", hint="Unlock it.")

        world.vault = Broken()
        assert "Secrets can't be read. The keyring is locked. Unlock it." in world.apply().warnings

    def test_without_a_keyring_the_folders_own_vault_is_only_a_warning(
        self, world: World, registry: Registry, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", f"unix:path={tmp_path}/nobody")
        done = apply(world.file, world.system, author="ann", registry=registry, clock=FakeClock())
        assert done.revision == 1
        if folders.opened(world.system).vault_kind == "keyring":
            assert any("Secrets can't be read" in each or "isn't set" in each for each in done.warnings)

    def test_another_place_for_secrets_can_be_chosen(self, world: World, registry: Registry) -> None:
        done = apply(world.file, world.system, author="ann", registry=registry, vault_kind="environment")
        assert any("WHEREUPON_SECRET_ESP_TOKEN" in each for each in done.warnings)
        assert folders.opened(world.system).vault_kind == "environment"


class TestAgain:
    def test_a_second_time_there_is_nothing_to_change(self, world: World) -> None:
        world.apply()
        again = world.apply()
        assert (again.revision, again.changes, again.published) == (1, [], [])

    def test_what_is_exported_applies_without_a_change(self, world: World) -> None:
        world.apply()
        with closing(world.repository()) as repository:
            text = written(repository.setup(), folders.opened(world.system).urls)
        world.file.write_text(text, encoding="utf-8")
        again = world.apply()
        assert (again.revision, again.changes) == (1, [])
        with closing(world.repository()) as repository:
            assert written(repository.setup(), folders.opened(world.system).urls) == text

    def test_a_change_is_published_and_said(self, world: World) -> None:
        world.apply()
        world.change("text: Welcome}", "text: Hello}")
        done = world.apply()
        assert (done.revision, done.published) == (2, ["Welcome"])
        assert done.changes == [
            "Campaign Welcome: message: content: subject: text: “Welcome” → “Hello”",
            "Campaign Welcome: published",
        ]

    def test_comparing_says_the_same_and_writes_nothing(self, world: World) -> None:
        first = world.compare()
        assert first.revision == 0
        assert "Campaign Welcome: added" in first.changes
        assert "Data table People: imported from people.csv" in first.changes
        assert not world.system.exists()
        world.apply()
        assert world.compare().changes == []
        world.change("text: Welcome}", "text: Hello}")
        expected = world.compare()
        assert expected.changes == world.apply().changes

    def test_what_the_file_has_no_longer_stays_until_prune(self, world: World) -> None:
        world.apply()
        world.without("  - name: Welcome                  #", "realtime_data:")
        done = world.apply()
        assert (done.revision, done.changes) == (1, [])
        assert "Campaign Welcome is only in the system; --prune deletes it." in done.warnings
        pruned = world.apply(prune=True)
        assert pruned.changes == ["Campaign Welcome: removed", "Campaign Welcome: no longer published"]

    def test_publish_false_withdraws_and_no_publish_leaves_it(self, world: World) -> None:
        world.apply()
        text = world.file.read_text(encoding="utf-8")
        world.file.write_text(text.replace("    publish: true\n", "", 2), encoding="utf-8")
        assert world.apply().changes == []
        world.change("publish: true", "publish: false")
        assert world.apply().changes == ["Campaign Welcome: no longer published"]

    def test_a_changed_connection_string_is_kept_and_said(self, world: World) -> None:
        world.apply()
        world.change("sqlite:///SD_TealHols.db", "sqlite:///Other.db")
        done = world.apply()
        assert done.changes == [
            "streams database: sqlite:///SD_TealHols.db → sqlite:///Other.db;"
            " in force when the service is started again"
        ]
        assert (world.system / "Other.db").exists()
        assert world.apply().changes == []

    def test_the_web_services_own_logins_are_kept(self, world: World) -> None:
        world.change(
            "# web_service:",
            "web_service: {address: 'http://127.0.0.1:8000', databases: {streams: 'sqlite:///w.db'}}\n#",
        )
        world.apply()
        assert folders.opened(world.system).web_urls == {"streams": "sqlite:///w.db"}
        world.change("8000", "8001")
        assert world.apply().changes == ["Web service: changed; in force when the service is started again"]


class TestPeople:
    def people(self, world: World) -> int:
        with closing(world.repository()) as repository:
            setup = repository.setup()
        there = folders.opened(world.system).databases(world.vault).system
        return count(there, setup.data.tables[0], setup, None)

    def add(self, world: World, line: str) -> None:
        world.people.write_text(world.people.read_text(encoding="utf-8") + line + "\n", encoding="utf-8")

    def test_a_changed_file_asks_for_reload(self, world: World) -> None:
        world.apply()
        self.add(world, "1004,di@example.org,Di,Doe,1")
        done = world.apply()
        assert done.changes == []
        assert any("--reload" in each and each.startswith("line ") for each in done.warnings)
        assert self.people(world) == 3
        assert world.apply(reload=True).changes == ["Data table People: 4 rows imported from people.csv"]
        assert world.apply(reload=True).changes == []
        assert self.people(world) == 4

    def test_bad_rows_are_warnings_and_the_good_ones_go_in(self, world: World) -> None:
        self.add(world, "1004,di@example.org,Di,Doe,lots")
        done = world.apply()
        assert "Data table People: 3 rows imported from people.csv, 1 left out" in done.changes
        assert any(each.startswith("people.csv, row 5: lifetime_spend: 'lots'") for each in done.warnings)

    def test_other_variables_are_imported_anew(self, world: World) -> None:
        world.apply()
        world.change(
            "column: lifetime_spend, type: number}",
            "column: lifetime_spend}\n        - {name: Town, column: surname}",
        )
        world.change("is: at least, value: 1000", "is: not empty")
        done = world.apply()
        assert "Data table People: 3 rows imported from people.csv" in done.changes

    def test_a_file_that_went_away_after_its_import_is_a_warning(self, world: World) -> None:
        world.apply()
        world.people.unlink()
        done = world.apply()
        assert done.changes == []
        assert any("people.csv isn't there" in each for each in done.warnings)

    def test_a_file_that_was_never_there_or_lacks_a_column_refuses(self, world: World) -> None:
        world.people.write_text("person_urn,email,forename,surname,spend\n", encoding="utf-8")
        [said] = world.mistakes()
        assert said.startswith("line ")
        assert "there is no column lifetime_spend" in said
        world.people.unlink()
        [said] = world.mistakes()
        assert "can't be read" in said
        assert not world.system.exists()

    def test_a_table_read_where_it_is_is_not_imported(self, world: World) -> None:
        world.change(
            "      file: people.csv\n",
            "      connection: 'postgresql://ann:hush@db.example/crm'\n      table: people\n",
        )
        done = world.apply()
        assert not any("imported" in each for each in done.changes)
        assert "hush" not in str(done)
        with closing(world.repository()) as repository:
            assert "${secret:part/table/" in repository.setup().data.tables[0].connection


@pytest.mark.req("SEC-01")
def test_a_literal_password_goes_to_the_vault_and_the_second_time_is_silent(world: World) -> None:
    world.change("${secret:confluent/password}", "canary-4711")
    world.apply()
    assert world.apply().changes == []
    assert "canary-4711" in [world.vault.read(each) for each in world.vault.names()]
    for path in world.system.rglob("*"):
        assert path.is_dir() or b"canary-4711" not in path.read_bytes()


def test_a_database_that_cannot_be_reached_makes_no_folder(world: World) -> None:
    world.change("sqlite:///SD_TealHols.db", "postgresql://ann:hush@127.0.0.1:1/streams")
    with pytest.raises(WhereuponError, match=r"127\.0\.0\.1") as raised:
        world.apply()
    assert "hush" not in str(raised.value)
    assert not world.system.exists()
    assert world.vault.names() == []

"""The doctor."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from tests.lived import lived, set_up_file
from tests.servers.processes import free_port
from whereupon.engine import doctor as module
from whereupon.engine.assembly import Workshop
from whereupon.engine.doctor import Finding, examined
from whereupon.host.redaction import Redactor
from whereupon.kit.registry import discover
from whereupon.model.errors import Away
from whereupon.service.runner import workshop
from whereupon.storage import folder as folders
from whereupon.storage import past
from whereupon.storage.apply import apply
from whereupon.storage.operations import Hold, Operations
from whereupon.storage.repository import Repository
from whereupon.storage.vault import MemoryVault


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


def broken(findings: list[Finding]) -> list[str]:
    return [each.place for each in findings if not each.holds]


def found(findings: list[Finding], place: str) -> Finding:
    return next(each for each in findings if each.place.startswith(place))


def test_everything_that_is_named_is_looked_at(shop: Workshop, repository: Repository) -> None:
    findings = list(examined(shop, repository))
    assert broken(findings) == []
    for each in (
        "Database system", "Database streams", "Database pull_marketing", "Disk", "Store TealGreen", "Stream SignIn",
        "Stream Register", "Channel ESP", "Channel Mail", "Channel Teal Green Pull Marketing", "Dead letters",
    ):  # fmt: skip
        assert found(findings, each).holds
    assert "1 wait for a judgement" in found(findings, "Dead letters").message


def test_a_database_without_its_schema_is_broken_and_nothing_more_is_asked(
    shop: Workshop, repository: Repository, folder: Path
) -> None:
    (folder / "SD_TealHols.db").unlink()
    findings = list(examined(shop, repository))
    assert broken(findings) == ["Database streams"]
    assert not any(each.place.startswith("Stream ") for each in findings)


def test_a_secret_that_is_missing_and_the_part_that_needs_it_are_named(tmp_path: Path, home: Path) -> None:
    file = set_up_file(tmp_path)
    text = file.read_text(encoding="utf-8")
    changed = text.replace(
        "- name: ESP\n  type: file\n  settings: {}",
        "- name: ESP\n  type: webhook\n  settings: {url: 'http://127.0.0.1:9/', token: '${secret:esp/token}'}",
    )
    assert changed != text
    file.write_text(changed, encoding="utf-8")
    apply(file, tmp_path / "T", author="ann", registry=discover(), vault_kind="environment")
    shop = workshop(folders.opened(tmp_path / "T"), Redactor())
    with closing(Repository(shop.databases.system, shop.registry, shop.vault)) as repository:
        findings = list(examined(shop, repository))
    assert broken(findings) == ["Secret esp/token", "Channel ESP"]
    assert "WHEREUPON_SECRET_ESP_TOKEN" in found(findings, "Secret").hint


def test_what_is_held_is_broken_and_what_is_paused_is_advice(shop: Workshop, repository: Repository) -> None:
    ids = repository.ids()
    with closing(Operations(shop.databases.streams)) as operations:
        operations.hold(
            Hold("campaign", ids["campaign", "Welcome"], "held", "its store is gone", "service", 1)
        )
        operations.hold(Hold("campaign", ids["campaign", "Welcome back"], "paused", "", "ann", 1))
    findings = list(examined(shop, repository))
    assert broken(findings) == ["Campaign Welcome"]
    assert found(findings, "Campaign Welcome back").advice


def test_a_finding_is_a_line() -> None:
    assert str(Finding("Disk", True, "There is room.")) == "holds   Disk: There is room."
    assert str(Finding("Disk", False, "It is full.", "Make room.")) == "BROKEN  Disk: It is full. Make room."
    assert str(Finding("Disk", True, "Nearly full.", advice=True)) == "advice  Disk: Nearly full."


def test_a_full_disk_is_broken_and_says_what_to_do(
    shop: Workshop, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "disk_reason", lambda folder: "Paused: disk. Only 3 MB are free.")
    findings = list(examined(shop, repository))
    assert broken(findings) == ["Disk"]
    assert found(findings, "Disk").hint == "Make room."


def test_a_system_without_a_configuration_is_told_so_and_its_parts_are_not_asked(
    shop: Workshop, repository: Repository
) -> None:
    with closing(shop.databases.system.session()) as session:
        session.run("DELETE FROM revision")
    findings = list(examined(shop, repository))
    assert broken(findings) == ["Configuration"]
    assert findings[-1].place == "Configuration"
    assert findings[-1].hint


class Shut(MemoryVault):
    """A vault that nobody unlocks."""

    def names(self) -> list[str]:
        raise Away("The keyring is locked.", hint="Unlock it.")

    def read(self, name: str) -> str | None:
        raise Away("The keyring is locked.", hint="Unlock it.")


def test_a_locked_vault_is_advice_until_a_secret_is_needed(
    shop: Workshop, repository: Repository, tmp_path: Path, home: Path
) -> None:
    findings = list(examined(replace(shop, vault=Shut()), repository))
    assert broken(findings) == []
    assert found(findings, "Secrets").advice
    other = hooked(tmp_path / "T", tmp_path, "token: '${secret:esp/token}'")
    with closing(Repository(other.databases.system, other.registry, other.vault)) as needing:
        findings = list(examined(replace(other, vault=Shut()), needing))
    assert broken(findings) == ["Secrets", "Channel ESP"]
    assert found(findings, "Secrets").hint == "Unlock it."


def hooked(folder: Path, files: Path, settings: str) -> Workshop:
    """A system whose ESP is a web hook that nobody listens behind."""
    file = set_up_file(files)
    text = file.read_text(encoding="utf-8")
    url = f"http://127.0.0.1:{free_port()}/"
    changed = text.replace(
        "- name: ESP\n  type: file\n  settings: {}",
        f"- name: ESP\n  type: webhook\n  settings: {{url: '{url}', {settings}}}",
    )
    assert changed != text
    file.write_text(changed, encoding="utf-8")
    apply(file, folder, author="ann", registry=discover(), vault_kind="environment")
    return workshop(folders.opened(folder), Redactor())


def test_a_part_whose_other_side_is_away_is_broken_at_that_stage_and_the_others_hold(
    tmp_path: Path, home: Path
) -> None:
    shop = hooked(tmp_path / "T", tmp_path, "timeout: 1")
    with closing(Repository(shop.databases.system, shop.registry, shop.vault)) as repository:
        findings = list(examined(shop, repository))
    [stage] = broken(findings)
    assert stage.startswith("Channel ESP, ")
    assert found(findings, stage).hint
    assert found(findings, "Channel Mail").holds


def test_a_channel_whose_store_is_gone_is_broken_and_says_which(
    shop: Workshop, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    setup = repository.setup()
    gone = setup.model_copy(update={"pull_marketing": setup.pull_marketing.model_copy(update={"stores": ()})})
    monkeypatch.setattr(repository, "setup", lambda: gone)
    findings = list(examined(shop, repository))
    channel = found(findings, "Channel Teal Green Pull Marketing")
    assert (channel.holds, bool(channel.hint)) == (False, True)
    assert "the store TealGreen" in channel.message


def test_a_mistake_breaks_what_is_published_and_is_advice_on_a_draft(
    shop: Workshop, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    setup = repository.setup()
    streams = setup.streams.streams
    renamed = [each.model_copy(update={"fields": each.fields[:2]}) for each in streams]
    changed = setup.model_copy(
        update={"streams": setup.streams.model_copy(update={"streams": tuple(renamed)})}
    )
    for publish, held in ((True, False), (False, True)):
        campaigns = tuple(each.model_copy(update={"publish": publish}) for each in changed.campaigns)
        now = changed.model_copy(update={"campaigns": campaigns})
        monkeypatch.setattr(repository, "setup", lambda now=now: now)
        about = [each for each in examined(shop, repository) if each.place.startswith("campaigns")]
        assert about
        assert all(each.hint for each in about)
        assert all(each.holds for each in about) is held


def test_a_person_with_more_events_than_limits_count_is_named(
    shop: Workshop, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(past, "MOST", 1)
    findings = list(examined(shop, repository))
    assert broken(findings) == []
    assert found(findings, "Person 1002").advice

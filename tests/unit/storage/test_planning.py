"""What applying a set-up file means: what refuses it, before anything is made."""

from __future__ import annotations

from contextlib import closing

import pytest

from tests.unit.storage.apply_world import World
from whereupon.kit.registry import Registry
from whereupon.model.errors import SetupError
from whereupon.storage import folder as folders
from whereupon.storage.apply import apply

pytestmark = [pytest.mark.req("NEW-03"), pytest.mark.usefixtures("home")]


def test_every_mistake_is_said_with_its_line_and_nothing_is_made(world: World) -> None:
    world.change("from: TealGreen.firstname", "from: TealGreen.Firstname")
    world.change("concurrency: 64", "concurency: 64")
    world.change(
        "{name: urn, type: Reference, variable: Person URN}",
        "{name: urn, type: Variable, variable: Person URN}",
    )
    found = world.mistakes()
    text = "\n".join(found)
    assert "campaigns › Welcome back" in text
    assert "concurrency" in text
    assert "Reference" in text
    assert all(each.startswith("line ") for each in found)
    assert not world.system.exists()


def test_a_mistake_leaves_a_system_as_it_was(world: World) -> None:
    world.apply()
    before = {path: path.read_bytes() for path in world.system.glob("*.toml")}
    world.change("sqlite:///SD_TealHols.db", "sqlite:///Other.db")
    world.change("channel: ESP}", "channel: Nowhere}")
    assert world.mistakes()
    assert {path: path.read_bytes() for path in world.system.glob("*.toml")} == before
    with closing(world.repository()) as repository:
        assert repository.revision() == 1


def test_a_mistake_in_a_draft_is_a_warning(world: World) -> None:
    world.change("from: TealGreen.firstname", "from: TealGreen.Firstname")
    text = world.file.read_text(encoding="utf-8")
    begin = text.index("  - name: Welcome back")
    world.file.write_text(text[:begin] + text[begin:].replace("    publish: true\n", "", 1), encoding="utf-8")
    done = world.apply()
    assert done.published == ["Fill TealGreen", "Welcome"]
    assert any("Firstname" in each for each in done.warnings)


def test_a_channel_with_open_messages_is_not_deleted(world: World) -> None:
    world.apply()
    with closing(world.repository()) as repository:
        channel = repository.ids()["channel", "Mail"]
    streams = folders.opened(world.system).databases(world.vault).streams
    with closing(streams.session()) as session:
        session.run(
            "INSERT INTO outcome (event, campaign, version, channel, owner, state, reason, tries, decided)"
            " VALUES (5, 1, 1, ?, 1, 'queued', '', 0, 0)",
            (channel,),
        )
    world.without("  - name: Mail", "campaigns:")
    world.without("  - name: Welcome                  #", "realtime_data:")
    [said] = world.mistakes(prune=True)
    assert said == "Channel Mail has 1 open messages and can't be deleted. Let them go out, or discard them."
    with closing(streams.session()) as session:
        session.run("UPDATE outcome SET state = 'sent'")
    assert "Channel Mail: removed" in world.apply(prune=True).changes


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ("${secret:confluent/password}", "canary-4711", "Confluent, SaslPassword"),
        ("https://esp.example/send", "https://ann:canary-4711@esp.example/send", "ESP, url"),
    ],
)
def test_a_literal_secret_that_cannot_be_kept_refuses_before_anything_is_made(
    world: World, registry: Registry, old: str, new: str, where: str
) -> None:
    world.change(old, new)
    with pytest.raises(SetupError) as raised:
        apply(world.file, world.system, author="ann", registry=registry, vault_kind="environment")
    assert where in raised.value.message
    assert "${secret:NAME}" in raised.value.hint
    assert "canary" not in str(raised.value)
    assert not world.system.exists()


@pytest.mark.req("SEC-01")
def test_a_new_file_of_secrets_with_a_short_passphrase_refuses_before_anything_is_made(
    world: World, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHEREUPON_VAULT_PASSPHRASE", "short")
    world.change("${secret:confluent/password}", "canary-4711")
    with pytest.raises(SetupError, match="at least 12 characters"):
        apply(world.file, world.system, author="ann", registry=registry, vault_kind="file")
    assert not world.system.exists()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mysql://localhost/x", "mysql"),
        ("hello", "can't be read"),
        ("postgresql://ann:${secret:}@localhost/x", "called ''"),
        ("postgresql://ann:${secret:a@localhost/x", "no end"),
    ],
)
def test_a_connection_string_of_no_database_is_named_with_its_line(world: World, url: str, said: str) -> None:
    world.change("sqlite:///TealHols.db", f"'{url}'")
    mistakes = world.mistakes()
    assert len(mistakes) == 1
    assert mistakes[0].startswith("line 12, databases › system: ")
    assert said in mistakes[0]
    assert not world.system.exists()

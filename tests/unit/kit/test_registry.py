"""The registry: what declares itself is found, what can't be loaded is named and harms nobody."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from whereupon.kit import registry as registry_module
from whereupon.kit.registry import Kind, Registry, channel, discover, store, stream
from whereupon.kit.roles import Component, Nothing, Stage
from whereupon.model.errors import SetupError

CHAT = '''
"""Deliver into a chat room."""
from whereupon.kit.registry import channel
from whereupon.kit.roles import Component, Nothing

@channel("chat", title="Chat room", config=Nothing)
class Chat(Component):
    pass

class Louder(Chat):
    """Declares nothing itself."""
'''


@pytest.fixture
def parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "some_parts"
    (folder / "channels").mkdir(parents=True)
    (folder / "__init__.py").write_text("", encoding="utf-8")
    (folder / "channels" / "__init__.py").write_text("", encoding="utf-8")
    (folder / "channels" / "chat.py").write_text(CHAT, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    yield folder
    for name in [each for each in sys.modules if each.startswith("some_parts")]:
        del sys.modules[name]


def entries(monkeypatch: pytest.MonkeyPatch, *modules: str) -> None:
    found = [EntryPoint(name=each, value=each, group=registry_module.GROUP) for each in modules]
    monkeypatch.setattr(
        registry_module, "entry_points", lambda *, group: found if group == registry_module.GROUP else []
    )


def test_a_component_that_lies_in_the_folder_is_found(parts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entries(monkeypatch)
    found = discover("some_parts")
    assert [(each.name, each.title) for each in found.of("channel")] == [("chat", "Chat room")]
    assert found.kind("channel", "chat").make.__name__ == "Chat"


@pytest.mark.usefixtures("parts")
def test_a_package_adds_components_by_an_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    entries(monkeypatch, "some_parts.channels.chat")
    assert discover("whereupon.kit").kind("channel", "chat").title == "Chat room"


def test_a_package_that_cannot_be_loaded_is_named_and_the_others_work(
    parts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (parts / "broken.py").write_text("raise RuntimeError('no licence')", encoding="utf-8")
    entries(monkeypatch, "some_parts.broken", "some_parts.channels.chat")
    found = discover("whereupon.kit")
    assert found.kind("channel", "chat").name == "chat"
    with pytest.raises(
        SetupError, match=r"Choose one of: chat\. some_parts\.broken can't be loaded: .*no licence"
    ):
        found.kind("channel", "pager")


@pytest.mark.usefixtures("parts")
@pytest.mark.parametrize("named", ["some_parts", "some_parts.channels.chat:Chat"])
def test_an_entry_point_that_leads_to_no_component_is_named(
    monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    entries(monkeypatch, named)
    found = discover("whereupon.kit")
    assert found.kinds == {}
    assert found.broken == {named: f"{named} is no module that declares a component"}


def test_an_unknown_kind_is_answered_with_those_there_are() -> None:
    found = Registry()
    for declare, name in [(channel, "b"), (channel, "a"), (stream, "c"), (store, "d")]:
        declared = declare(name, title=name.upper(), config=Nothing)(type(name, (Thing,), {}))
        kind = vars(declared)["kind"]
        assert isinstance(kind, Kind)
        found.add(kind)
    with pytest.raises(SetupError) as raised:
        found.kind("channel", "c")
    assert raised.value.hint == "Choose one of: a, b."
    assert found.kind("stream", "c").provider is Nothing
    assert found.kind("store", "d").role == "store"


class Thing(Component[Nothing, Nothing]):
    """A component of no use."""

    def check(self) -> Iterator[Stage]:
        """Nothing to try."""
        yield from ()


def test_every_component_of_our_own_is_found() -> None:
    found = discover()
    assert {each.name for each in found.of("channel")} >= {
        "webhook",
        "smtp",
        "pull_marketing",
        "file",
        "memory",
    }
    assert found.broken == {}

"""Rehearsals from end to end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.lived import applied, lived, set_up_file, sign_in
from whereupon.components.streams.local import append
from whereupon.engine.assembly import Workshop
from whereupon.engine.rehearsal import Rehearsal, rehearse
from whereupon.host.redaction import Redactor
from whereupon.kit.registry import discover
from whereupon.model.errors import Mistakes, SetupError
from whereupon.service.runner import workshop
from whereupon.storage import folder as folders
from whereupon.storage.apply import apply
from whereupon.storage.repository import Repository

pytestmark = pytest.mark.req("NEW-01")
Rehearse = Callable[..., Rehearsal]


@pytest.fixture
def folder(tmp_path: Path, home: Path) -> Path:
    """A system that has lived."""
    return lived(tmp_path / "TealHols")


@pytest.fixture
def trying(folder: Path) -> Iterator[Rehearse]:
    """`trying("Welcome back", last=10)`."""
    shop: Workshop = workshop(folders.opened(folder), Redactor())
    with closing(Repository(shop.databases.system, shop.registry, shop.vault)) as repository:
        yield lambda campaign, last=100: rehearse(shop, repository, campaign, last=last)


def draft(folder: Path, tmp_path: Path, *changes: tuple[str, str]) -> None:
    """Change the set-up file, with nothing published, and apply it."""
    file = set_up_file(tmp_path)
    text = file.read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    file.write_text(text.replace("publish: true", ""), encoding="utf-8")
    apply(file, folder, author="ann", registry=discover())


def test_the_published_campaign_gives_what_it_gave_live(trying: Rehearse) -> None:
    made = trying("Welcome back")
    assert [(each.event_id, each.outcome, each.reason.partition(":")[0]) for each in made.lines] == [
        ("e1", "sent", ""), ("e2", "withheld", "not in store"), ("e3", "not in the audience", ""), ("e4", "sent", ""),
    ]  # fmt: skip
    assert (made.events, made.would_send, made.unmet, made.withheld) == (4, 2, 1, {"not in store": 1})
    assert made.lines[0].fields["subject"] == "Welcome back, Ada"


def test_a_draft_is_tried_as_it_is_drafted(trying: Rehearse, folder: Path, tmp_path: Path) -> None:
    draft(
        folder,
        tmp_path,
        ("Welcome back, $!forename", "Good to see you, $!forename"),
        ("at_most: 3", "at_most: 1"),
    )
    assert trying("Welcome back").lines[-1].fields["subject"] == "Good to see you, Bo"


def test_only_the_last_events_are_taken(trying: Rehearse) -> None:
    made = trying("Welcome back", last=2)
    assert ([each.event_id for each in made.lines], made.notes) == (["e3", "e4"], [])
    assert trying("Welcome back", last=9).notes == ["The journal holds 4 events of SignIn."]


def test_of_a_stream_without_recorded_events_those_it_holds_are_taken(tmp_path: Path, home: Path) -> None:
    folder = applied(tmp_path / "New")
    append(
        folder, "sign-ins", [sign_in("e1", "1001"), b"no json", sign_in("e1", "1001"), sign_in("e2", "x", "")]
    )
    shop = workshop(folders.opened(folder), Redactor())
    with closing(Repository(shop.databases.system, shop.registry, shop.vault)) as repository:
        made = rehearse(shop, repository, "Welcome back", last=10)
    assert [(each.event, each.event_id, each.outcome) for each in made.lines] == [
        (0, "e1", "withheld"), (0, "e2", "not in the audience"),
    ]  # fmt: skip
    assert "2 that the stream itself holds" in made.notes[0]
    assert made.notes[1].startswith("1 more can't be used")


def test_a_draft_with_mistakes_is_refused_with_them(trying: Rehearse, folder: Path, tmp_path: Path) -> None:
    draft(folder, tmp_path, ("from: SignIn.email", "from: SignIn.emial"))
    with pytest.raises(Mistakes) as refused:
        trying("Welcome back")
    assert any("emial" in each for each in refused.value.mistakes)


@pytest.mark.parametrize(
    ("name", "said"), [("Fill TealGreen", "a campaign on a table"), ("Welcom", "Did you mean Welcome")]
)
def test_what_cannot_be_rehearsed_is_said(name: str, said: str, trying: Rehearse) -> None:
    with pytest.raises(SetupError, match=said):
        trying(name)

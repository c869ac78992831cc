"""Feeding a stream by hand, and deciding where one goes on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.lived import EVENTS, lived, set_up_file, sign_in
from whereupon.components.streams.local import EventFile, place
from whereupon.engine.assembly import Workshop
from whereupon.engine.feeding import Feed, begin_anew
from whereupon.host.redaction import Redactor
from whereupon.kit.registry import discover
from whereupon.model.errors import Locked, SetupError
from whereupon.service.runner import workshop
from whereupon.storage import folder as folders
from whereupon.storage.apply import apply
from whereupon.storage.operations import Operations
from whereupon.storage.repository import Repository


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


def test_events_get_their_person_as_key_and_what_has_none_goes_without(
    shop: Workshop, repository: Repository, folder: Path
) -> None:
    with closing(Feed(shop, repository.setup(), "SignIn")) as feed:
        assert feed.send([sign_in("e7", "1001"), b"no json", b"[1]", b"{}", b"\xff"]) == 5
    with closing(EventFile(place(folder, "sign-ins"))) as file:
        events = file.events(0, len(EVENTS), most=10, size=10_000)
    assert [each.key for each in events] == [b"1001", None, None, None, None]


def test_a_stream_that_takes_no_events_is_said(tmp_path: Path, home: Path) -> None:
    file = set_up_file(tmp_path)
    text = file.read_text(encoding="utf-8").replace("type: local", "type: kafka")
    text = text.replace(
        "    settings: {}\n    type: kafka",
        "    settings: {BootstrapServers: 'localhost:1'}\n    type: kafka",
    )
    file.write_text(
        text.replace(
            "type: kafka\n    settings: {}", "type: kafka\n    settings: {BootstrapServers: 'localhost:1'}"
        ),
        encoding="utf-8",
    )
    apply(file, tmp_path / "K", author="ann", registry=discover(), vault_kind="environment")
    shop = workshop(folders.opened(tmp_path / "K"), Redactor())
    with (
        closing(Repository(shop.databases.system, shop.registry, shop.vault)) as repository,
        pytest.raises(SetupError, match="Events can't be sent into SignIn from here"),
    ):
        Feed(shop, repository.setup(), "SignIn")


def test_an_unknown_stream_is_said(shop: Workshop, repository: Repository) -> None:
    with pytest.raises(SetupError, match=r"There is no stream sign-in.*Did you mean SignIn"):
        Feed(shop, repository.setup(), "sign-in")


def test_a_stream_begins_anew_where_it_is_told_to(shop: Workshop, repository: Repository) -> None:
    begin_anew(shop, repository, "SignIn", start="latest", author="ann")
    stream = repository.setup().stream("SignIn")
    assert stream is not None
    assert stream.start == "latest"
    assert repository.history()[0].note == "SignIn goes on with the latest event"
    with closing(shop.databases.streams.session()) as session:
        number = repository.ids()["stream", "SignIn"]
        assert session.all("SELECT partition FROM position WHERE stream = ?", (number,)) == []


def test_a_stream_that_is_read_without_trouble_is_left_alone(shop: Workshop, repository: Repository) -> None:
    operations = Operations(shop.databases.streams)
    [lease] = operations.leases()
    operations.renew(lease.owner, status={"streams": [{"name": "SignIn", "state": ""}]})
    with pytest.raises(Locked, match="reads SignIn without trouble"):
        begin_anew(shop, repository, "SignIn", start="earliest", author="ann")
    operations.renew(
        lease.owner, status={"streams": [{"name": "SignIn", "state": "The topic was made anew."}]}
    )
    operations.close()
    begin_anew(shop, repository, "SignIn", start="earliest", author="ann")
    assert len(repository.history()) == 1

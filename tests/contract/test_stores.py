"""What holds for every kind of store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract.settings import kinds, made
from tests.servers.processes import free_port
from tests.servers.pull_marketing_api import PullMarketingApi
from whereupon.components.stores.database import DatabaseProvider
from whereupon.components.stores.web_api import WebApiConfig
from whereupon.kit.registry import Kind
from whereupon.kit.roles import Store
from whereupon.model.errors import Unavailable
from whereupon.model.events import Record

KINDS = {kind.name: kind for kind in kinds("store")}
AnyStore = Store[Any, Any]
Make = Callable[[Kind], AnyStore]


def test_the_kinds_are_those_of_the_folder() -> None:
    assert set(KINDS) == {"database", "memory", "web_api"}


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Make]:
    """Makes stores whose other side is there."""
    api = PullMarketingApi().start()
    stores: list[AnyStore] = []

    def make(kind: Kind) -> AnyStore:
        web = WebApiConfig.model_validate({"dataStoreName": "TealGreen", "endPoint": api.url})
        stores.append(made(kind, tmp_path, None, web if kind.name == "web_api" else None))
        return stores[-1]

    yield make
    for each in stores:
        each.close()
    api.stop()


def away(kind: Kind, folder: Path) -> AnyStore:
    """A store whose other side isn't there."""
    nobody = f"127.0.0.1:{free_port()}"
    provider = DatabaseProvider(connection=f"postgresql://someone@{nobody}/pm?sslmode=disable")
    web = WebApiConfig.model_validate({"dataStoreName": "TealGreen", "endPoint": f"http://{nobody}"})
    store: AnyStore = made(
        kind, folder, provider if kind.name == "database" else None, web if kind.name == "web_api" else None
    )
    return store


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
class TestEveryStore:
    """The same words and the same merging, whatever is behind it."""

    def test_a_record_is_merged_and_found_by_its_trimmed_key(self, kind: Kind, there: Make) -> None:
        store = there(kind)
        store.fill([Record("7", {"offer": "A", "event": "x"}), Record("8", {"offer": "B"})])
        filled = store.fill(
            [Record(" 7 ", {"offer": 'C ü 🎁, "quoted"; it\'s | fine'}), Record(" ", {"offer": "D"})]
        )
        assert filled.inserted + filled.updated == 1
        assert [key for key, _ in filled.rejected] == [" "]
        assert store.find(["7", "8", "9", ""]) == {
            "7": {"offer": 'C ü 🎁, "quoted"; it\'s | fine', "event": "x"},
            "8": {"offer": "B"},
        }

    def test_nothing_is_asked_for_nothing(self, kind: Kind, there: Make) -> None:
        store = there(kind)
        assert store.find([]) == {}
        filled = store.fill([])
        assert (filled.inserted, filled.updated, list(filled.rejected)) == (0, 0, [])

    def test_it_is_closed_twice_and_can_be_used_again(self, kind: Kind, there: Make) -> None:
        store = there(kind)
        store.fill([Record("7", {"offer": "A"})])
        store.close()
        store.close()
        assert store.find(["7"]) == {"7": {"offer": "A"}}

    def test_a_test_holds_all_its_stages_before_and_after_a_fill(self, kind: Kind, there: Make) -> None:
        store = there(kind)
        for _ in range(2):
            stages = list(store.check())
            assert stages
            assert all(each.ok and each.name and each.message for each in stages)
            store.fill([Record("7", {"offer": "A"})])

    def test_it_says_in_our_words_that_the_other_side_is_away(self, kind: Kind, tmp_path: Path) -> None:
        if kind.name == "memory":
            assert list(away(kind, tmp_path).check())[-1].ok
            return
        store = away(kind, tmp_path)
        for ask in (lambda: store.find(["7"]), lambda: store.fill([Record("7", {"offer": "A"})])):
            with pytest.raises(Unavailable) as error:
                ask()
            assert error.value.message
        *good, last = store.check()
        assert all(each.ok for each in good)
        assert not last.ok
        assert last.message
        assert last.hint
        store.close()

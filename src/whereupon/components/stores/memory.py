"""A store in memory, for tests and for trying things out."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from weakref import WeakValueDictionary

from pydantic import Field

from whereupon.kit.config import Config
from whereupon.kit.registry import store
from whereupon.kit.roles import Context, Nothing, Stage, Store
from whereupon.model.events import Filled, Record


class MemoryConfig(Config):
    """Records that last as long as the process."""

    data_store_name: str = Field(
        "",
        alias="dataStoreName",
        title="Shared name",
        description="Stores of this process with the same name have the same records; empty: its own.",
    )


class Records:
    """The records of one store; any thread may read and write them."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.fields: dict[str, dict[str, str]] = {}


_shared: WeakValueDictionary[str, Records] = WeakValueDictionary()
_sharing = threading.Lock()


def _records(name: str) -> Records:
    if not name:
        return Records()
    with _sharing:
        found = _shared.get(name)
        if found is None:
            found = _shared[name] = Records()
        return found


@store("memory", title="Memory", config=MemoryConfig)
class Memory(Store[Nothing, MemoryConfig]):
    """Keeps records in a dictionary; `fail` makes the next request raise, `finds` counts them."""

    def __init__(self, provider: Nothing, config: MemoryConfig, context: Context) -> None:
        super().__init__(provider, config, context)
        self.records = _records(config.data_store_name)
        self.finds = 0
        self._failures: list[Exception] = []

    def fail(self, error: Exception) -> None:
        """Let the next `find` or `fill` raise this."""
        self._failures.append(error)

    def find(self, keys: Sequence[str]) -> Mapping[str, dict[str, str]]:
        """The records of these keys that exist."""
        self._stumble()
        with self.records.lock:
            self.finds += 1
            known = self.records.fields
            return {key: dict(known[trimmed]) for key in keys if (trimmed := key.strip()) in known}

    def fill(self, records: Sequence[Record]) -> Filled:
        """Insert or merge records by key."""
        self._stumble()
        inserted, updated, rejected = 0, 0, []
        with self.records.lock:
            for each in records:
                if not (key := each.key.strip()):
                    rejected.append((each.key, "has no key"))
                    continue
                inserted, updated = (
                    inserted + (key not in self.records.fields),
                    updated + (key in self.records.fields),
                )
                self.records.fields.setdefault(key, {}).update(each.fields)
        return Filled(inserted, updated, tuple(rejected))

    def check(self) -> Iterator[Stage]:
        """It is always there."""
        yield Stage("Records", True, f"{len(self.records.fields)} records.")

    def _stumble(self) -> None:
        if self._failures:
            raise self._failures.pop(0)

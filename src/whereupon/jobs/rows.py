"""Rows of a table on their way to a message: looked up, rendered, and cut into batches of a bearable size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from whereupon.engine.decide import BATCH_SIZE, Broken, CampaignPlan, Records, made, weight
from whereupon.engine.lookup import Lookup
from whereupon.jobs.audience import usable
from whereupon.kit.people import People, Row
from whereupon.model.conditions import Known
from whereupon.model.content import Withheld

Stores = dict[str, dict[str, str] | None]


@dataclass(frozen=True, slots=True)
class Ready:
    """One row, with what the stores know of the person and what the campaign makes of it."""

    row: Row
    stores: Stores
    made: dict[str, str] | Withheld | Broken


class Rows:
    """Reads a campaign's audience page by page; `at` (UTC ms) is the time that its content knows."""

    def __init__(
        self, people: People, plan: CampaignPlan, lookup: Lookup, *, at: int, zone: ZoneInfo
    ) -> None:
        self._people, self._plan, self._lookup = people, plan, lookup
        self._at, self._zone = at, zone

    @property
    def total(self) -> int:
        """How many people the audience has."""
        return self._people.count(self._plan.published.campaign.audience.where)

    def pages(self, after: int, most: int) -> Iterator[list[Ready]]:
        """Batches of up to `most` rows after a contact ID; one ends early where its messages pass 16 MB."""
        where = self._plan.published.campaign.audience.where
        while rows := self._people.rows(where, after=after, most=most):
            after = rows[-1].contact
            yield from self._cut(rows)

    def _cut(self, rows: Sequence[Row]) -> Iterator[list[Ready]]:
        records = self._lookup.records(
            self._plan.stores, {each.person for each in rows if usable(each.person)}
        )
        batch: list[Ready] = []
        size = 0
        for row in rows:
            ready = self._ready(row, records)
            batch.append(ready)
            size += weight(ready.made) if isinstance(ready.made, dict) else 0
            if size > BATCH_SIZE:
                yield batch
                batch, size = [], 0
        if batch:
            yield batch

    def _ready(self, row: Row, records: Records) -> Ready:
        person = row.person
        if not usable(person):
            return Ready(
                row, {}, Broken("key", "the key is empty, longer than 200 characters or holds U+0000")
            )
        for name in self._plan.stores:
            if person in records.refused.get(name, {}):
                return Ready(
                    row, {}, Broken("store refused the key", f"{name}: {records.refused[name][person]}")
                )
        stores = {name: dict(of[person]) if person in of else None for name, of in records.found.items()}
        return Ready(row, stores, made(self._plan, Known({}, stores, row.values, self._at, self._zone)))

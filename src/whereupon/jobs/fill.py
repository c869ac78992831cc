"""A fill: rows of a table become records of a store, in bulk and past the journal, because it is no communication."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from whereupon.engine.decide import Broken
from whereupon.host.clock import Clock
from whereupon.host.crash import point
from whereupon.jobs.rows import Ready, Rows
from whereupon.kit.roles import Filler
from whereupon.model.content import Withheld
from whereupon.model.errors import Away, Refused, Unavailable
from whereupon.model.events import Filled, Record
from whereupon.storage.runs import Run, Runs

PAGE = 2_000
"""Records of one request; after each the run's place is noted."""
TRIES = 5
Rejected = tuple[tuple[str, str], ...]


class Fill:
    """Fills through one channel; `reference` is the store's Reference field, by which a record is found again."""

    def __init__(
        self, filler: Filler, reference: str, runs: Runs, *, clock: Clock, stop: threading.Event
    ) -> None:
        self._filler, self._reference = filler, reference
        self._runs = runs
        self._clock = clock
        self._stop = stop

    def go(self, run: Run, rows: Rows, progress: Callable[[int, int | None], None]) -> bool:
        """Fill from the run's place on, until the end (true) or a stop; raises what the store raises."""
        progress(run.done, run.total)
        for page in rows.pages(run.place, PAGE):
            if self._stop.is_set():
                return False
            filled, rejected = self._filled(page)
            point("fill-before-place")
            run = self._runs.keep(
                run.after(
                    page[-1].row.contact,
                    rows=len(page),
                    inserted=filled.inserted,
                    updated=filled.updated,
                    rejected=rejected,
                )
            )
            progress(run.done, max(run.total, run.done))
        return True

    def _filled(self, page: Sequence[Ready]) -> tuple[Filled, Rejected]:
        records: dict[str, dict[str, str]] = {}
        rejected: list[tuple[str, str]] = []
        for each in page:
            if isinstance(each.made, Withheld | Broken):
                rejected.append((each.row.person, f"{each.made.reason}: {each.made.detail}".strip(": ")))
            elif not (key := each.made.get(self._reference, "").strip()):
                rejected.append(
                    (each.row.person, f"{self._reference} is empty, so nobody knows whose record it is")
                )
            else:
                # A store takes each key once a request; of the same key the later row is merged over the earlier one.
                records.setdefault(key, {}).update(each.made)
        filled = self._patiently([Record(key, fields) for key, fields in records.items()])
        return filled, (*rejected, *filled.rejected)

    def _patiently(self, records: Sequence[Record]) -> Filled:
        """One request; a store that is busy is asked again, a few times."""
        for tries in range(TRIES):
            try:
                return self._halved(records)
            except Away:
                raise
            except Unavailable as error:
                wait = error.retry_after if error.retry_after is not None else 2.0**tries
                if tries == TRIES - 1 or self._clock.wait(self._stop, min(wait, 60.0)):
                    raise
        raise AssertionError("the last try returns or raises")

    def _halved(self, records: Sequence[Record]) -> Filled:
        """If the store refuses them all for one of them, half by half, until it is found."""
        try:
            return self._filler.fill(records) if records else Filled()
        except Refused as error:
            if len(records) == 1:
                return Filled(rejected=((records[0].key, error.message),))
        middle = len(records) // 2
        one, other = self._halved(records[:middle]), self._halved(records[middle:])
        return Filled(
            one.inserted + other.inserted, one.updated + other.updated, (*one.rejected, *other.rejected)
        )

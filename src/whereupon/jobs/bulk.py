"""A table run through a communicating channel: decided like a stream, through the journal, which holds it to the end.

The run only decides; who delivers is the service, or the run itself where there is none. It adds rows only while few
of its messages are open, so that a lane's streams never wait behind a million of them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from zoneinfo import ZoneInfo

import msgspec

from whereupon.engine.assembly import Workshop
from whereupon.engine.decide import Broken, CampaignPlan, Candidate, Facts, Prepared, StreamPlan, settled
from whereupon.engine.limits import Counted, Counters
from whereupon.host.crash import point
from whereupon.jobs.rows import Ready, Rows
from whereupon.model.decided import QUEUED, SENDING, Decision, Joined
from whereupon.model.decoding import Bad, Decoded
from whereupon.model.errors import Refused, SetupError
from whereupon.model.events import RawEvent
from whereupon.model.running import Running
from whereupon.model.values import as_text
from whereupon.storage.journal import Ask, Journal, Read
from whereupon.storage.operations import Operations
from whereupon.storage.runs import Run, Runs

MOST_OPEN = 2_000
"""Open messages of a run above which it adds no rows (line.md, *Table runs*)."""
PAGE = 500
POLL = 0.2
"""Seconds between looks at how many are still open."""
REQUEST = "bulk"
Progress = Callable[[int, int | None], None]


class Bulk:
    """Decides the rows of one run. `delivered` raises Unavailable once nobody delivers any more."""

    def __init__(
        self, shop: Workshop, running: Running, plan: CampaignPlan, journal: Journal, runs: Runs,
        *, fills: frozenset[int], delivered: Callable[[], None], stop: threading.Event,
    ) -> None:  # fmt: skip
        self._shop = shop
        self._journal = journal
        self._runs = runs
        self._fills = fills
        self._delivered = delivered
        self._stop = stop
        setup = running.setup
        recognise = setup.realtime_data.recognise_repeats.milliseconds
        # Only events expire; a row is tried as long as a repeat of it would be recognised.
        self._plan = StreamPlan(
            plan.id, plan.name, running.revision, ZoneInfo(setup.system.time_zone), recognise,
            (replace(plan, expires=recognise),),
        )  # fmt: skip

    def go(self, run: Run, rows: Rows, progress: Progress) -> bool:
        """Decide from the run's place on, then wait until nothing of it is open (true); a stop ends it before."""
        operations = Operations(self._shop.databases.streams)
        try:
            run = self._asked(run, operations)
            for page in rows.pages(run.place, PAGE):
                if not self._room(run, progress):
                    return False
                self._refuse_on_hold(operations)
                self._decide(run, page)
                point("bulk-before-place")
                rejected = tuple(_rejected(each) for each in page if _unusable(each))
                run = self._runs.keep(run.after(page[-1].row.contact, rows=len(page), rejected=rejected))
            finished = self._wait(run, progress, most=0)
            if finished:
                self._answer(operations, run)
        finally:
            operations.close()
        return finished

    # -- what the service is asked -----------------------------------------------------------------------------

    def _asked(self, run: Run, operations: Operations) -> Run:
        """Before its first batch a run asks for delivery, once: the request stands until nothing of it is open."""
        if not run.first:
            run = self._runs.keep(replace(run, first=self._journal.reserved()))
        if self._request(operations, run) is None:
            channel = self._plan.campaigns[0].channel
            words = {"channel": channel, "first": run.first, "campaign": run.campaign, "run": run.id}
            owner, now = self._journal.owner, self._shop.clock.now()
            operations.ask(REQUEST, words, author=self._plan.name, owner=owner, at=now)
        return run

    def _request(self, operations: Operations, run: Run) -> int | None:
        return next(
            (
                each.id
                for each in operations.requests(self._journal.owner)
                if each.name == REQUEST and each.words.get("run") == run.id
            ),
            None,
        )

    def _answer(self, operations: Operations, run: Run) -> None:
        request = self._request(operations, run)
        if request is not None:
            operations.answer(request, f"{run.done:,} rows decided", at=self._shop.clock.now())

    # -- how fast ----------------------------------------------------------------------------------------------

    def _room(self, run: Run, progress: Progress) -> bool:
        """Wait until few enough are open; False at a stop."""
        return self._wait(run, progress, most=MOST_OPEN - 1)

    def _wait(self, run: Run, progress: Progress, *, most: int) -> bool:
        while not self._stop.is_set():
            still = self._runs.open_messages(run.campaign)
            progress(max(0, run.done - still), max(run.total, run.done))
            if still <= most:
                return True
            self._delivered()
            self._shop.clock.wait(self._stop, POLL)
        return False

    # -- deciding ----------------------------------------------------------------------------------------------

    def _refuse_on_hold(self, operations: Operations) -> None:
        """A campaign that is paused or held adds nothing: its rows wait in their table."""
        refuse_on_hold(operations, self._plan.id, self._plan.name)

    def _decide(self, run: Run, page: Sequence[Ready]) -> None:
        """T1 of one batch; one that the journal refuses as data is halved until the row is found."""
        ready = [self._prepared(run, each) for each in page]
        try:
            self._transact(run, ready)
        except Refused as error:
            if len(page) == 1:
                self._transact(run, [Prepared(ready[0].raw, Bad("journal", error.message))])
                return
            half = len(page) // 2
            self._decide(run, page[:half])
            self._decide(run, page[half:])

    def _prepared(self, run: Run, each: Ready) -> Prepared:
        """A row as an event: its offset is the contact ID, its id the run's, so that a person comes once a run."""
        fields = {name: as_text(value) for name, value in each.row.values.items()}
        now = self._shop.clock.now()
        raw = RawEvent(0, each.row.contact, msgspec.json.encode(fields), now)
        if _unusable(each):
            return Prepared(raw, Bad(*_rejected(each)))
        event = Decoded(f"run {run.id}", each.row.person, now, fields)
        return Prepared(raw, event, each.stores, (Candidate(self._plan.campaigns[0], each.made),))

    def _transact(self, run: Run, ready: Sequence[Prepared]) -> None:
        now, plan = self._shop.clock.now(), self._plan

        def settle(read: Read) -> tuple[Decision, Sequence[Joined]]:
            had = {
                person: [Counted(*each) for each in counted] for person, counted in read.had.messages.items()
            }
            counters = Counters(had, read.had.crowded)
            decision = settled(plan, ready, Facts(now, _topic(run), read.ids, read.repeats, counters))
            for trace in (trace for event in decision.record.events for trace in event.traces):
                trace.state = QUEUED if trace.state == SENDING else trace.state
            return decision, ()

        identities = [
            (each.event.person, each.event.event_id) for each in ready if isinstance(each.event, Decoded)
        ]
        since = now - plan.widest if plan.widest else None
        self._journal.decide(Ask(plan.id, _topic(run), identities, {}, since, self._fills), settle)


def _topic(run: Run) -> str:
    return f"run {run.id}"


def _unusable(each: Ready) -> bool:
    return isinstance(each.made, Broken) and each.made.reason == "key"


def _rejected(each: Ready) -> tuple[str, str]:
    detail = each.made.detail if isinstance(each.made, Broken) else ""
    return each.row.person[:200], detail


def refuse_on_hold(operations: Operations, campaign: int, name: str) -> None:
    """Raise SetupError while somebody has paused a campaign, or the service holds it."""
    hold = next(
        (each for each in operations.holds() if (each.role, each.part) == ("campaign", campaign)), None
    )
    if hold is not None:
        said = "paused" if hold.kind == "paused" else f"held: {hold.reason}"
        raise SetupError(
            f"{name} is {said}.",
            hint=f'Let it go on (whereupon resume), then run it: whereupon run "{name}".',
        )

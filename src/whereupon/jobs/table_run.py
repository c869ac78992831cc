"""Table runs: a campaign whose audience is a table fills a store, or sends a message to each person of it once."""

from __future__ import annotations

import platform
import threading
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from zoneinfo import ZoneInfo

from whereupon.engine.assembly import Workshop, campaign_plan, filled_store, traits
from whereupon.engine.decide import CampaignPlan
from whereupon.engine.lookup import Lookup
from whereupon.host.logs import logger
from whereupon.jobs.audience import audience
from whereupon.jobs.bulk import Bulk, refuse_on_hold
from whereupon.jobs.delivery import Delivery
from whereupon.jobs.fill import Fill
from whereupon.jobs.parts import Parts
from whereupon.jobs.rows import Rows
from whereupon.kit.roles import Channel, Filler
from whereupon.model.errors import SetupError
from whereupon.model.findings import no_such
from whereupon.model.running import Published, Running
from whereupon.model.setup import reference_of
from whereupon.storage.operations import Operations
from whereupon.storage.repository import Repository
from whereupon.storage.runs import Run, Runs, State

Progress = Callable[[int, int | None], None]
FRESH = 86_400_000
"""Milliseconds for which an interrupted fill goes on where it stood; later its first rows would be out of date."""
log = logger("run")


@dataclass(frozen=True, slots=True)
class RunResult:
    """What a run did, since it began, also before it was interrupted. `outcomes` counts the messages of a run that
    communicates by their end; `said` are (person, reason) of rejected rows, at most 1,000 of them."""

    campaign: str
    run: int
    state: State
    rows: int
    total: int
    inserted: int = 0
    updated: int = 0
    rejected: int = 0
    said: tuple[tuple[str, str], ...] = ()
    outcomes: dict[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        ended = "" if self.state == "done" else f", {self.state}: run it again, and it goes on where it stood"
        counts = {"inserted": self.inserted, "updated": self.updated} if not self.outcomes else self.outcomes
        figures = [f"{count:,} {name}" for name, count in {**counts, "rejected": self.rejected}.items()]
        lines = [f"{self.campaign}: {self.rows:,} rows, {', '.join(figures)}{ended}"]
        lines += [f"  {person or '(no key)'}: {reason}" for person, reason in self.said[:20]]
        more = self.rejected - len(lines) + 1
        return "\n".join([*lines, f"  and {more:,} more"] if more > 0 else lines)


def run_campaign(
    shop: Workshop, repository: Repository, name: str, *, progress: Progress, stop: threading.Event
) -> RunResult:
    """Run the published version of a table campaign to its end, or until `stop` is set.

    A run that was stopped or killed goes on where it stood; after its end the next one is a new run. `progress` gets
    the rows that are done, and how many there are. Raises Locked while the campaign runs elsewhere, SetupError where
    a person has to act, Away or Unavailable where another side is to blame: then too the next run goes on.
    """
    running = repository.running()
    published = _published(running, name)
    with (
        closing(Runs(shop.databases.streams)) as runs,
        closing(Operations(shop.databases.streams)) as operations,
    ):
        runs.alone(published.id, name)
        refuse_on_hold(operations, published.id, name)
        return _TableRun(shop, running, published, runs, stop).go(progress)


def _published(running: Running, name: str) -> Published:
    found = next((each for each in running.campaigns if each.campaign.name == name), None)
    if found is None and running.setup.campaign(name) is not None:
        raise SetupError(f"{name} isn't published.", hint="Publish it: set publish: true, and apply.")
    if found is None:
        raise no_such("campaign", name, [each.name for each in running.setup.campaigns])
    if not found.campaign.audience.table:
        raise SetupError(
            f"{name} is event triggered: its events run it.", hint="Run a campaign whose audience is a table."
        )
    return found


class _TableRun:
    def __init__(
        self, shop: Workshop, running: Running, published: Published, runs: Runs, stop: threading.Event
    ) -> None:
        self._shop, self._running, self._published = shop, running, published
        self._runs, self._stop = runs, stop
        self._name = published.campaign.name
        self._fills = bool(traits(shop, published.channel).fills)

    def go(self, progress: Progress) -> RunResult:
        """The whole run; however it ends, its row says so."""
        run = self._begun()
        log.info("table run begins", campaign=self._name, run=run.id, place=run.place)
        with ExitStack() as stack:
            parts = stack.enter_context(closing(Parts(self._shop, self._running.setup)))
            people = stack.enter_context(audience(self._shop, self._running, self._published, at=run.started))
            channel = parts.channel(self._published.channel.name)
            plan = campaign_plan(self._shop, self._running, self._published, {channel.context.name: channel})
            zone = ZoneInfo(self._running.setup.system.time_zone)
            rows = Rows(people, plan, Lookup(parts.store), at=run.started, zone=zone)
            run = self._runs.keep(replace(run, total=rows.total))
            try:
                finished = self._through(run, rows, plan, channel, progress)
            except BaseException:
                self._runs.end(run, state="failed", now=self._shop.clock.now())
                raise
        state: State = "done" if finished else "stopped"
        return self._result(self._runs.end(run, state=state, now=self._shop.clock.now()))

    def _through(
        self, run: Run, rows: Rows, plan: CampaignPlan, channel: Channel, progress: Progress  # type: ignore[type-arg]
    ) -> bool:  # fmt: skip
        if not self._fills:
            channel.close()
            return self._sent(run, rows, plan, progress)
        if not isinstance(channel, Filler):
            raise SetupError(
                f"{channel.context.name} can't be filled from a table.", hint="Choose another channel."
            )
        store = filled_store(self._shop, self._running.setup, plan.published.channel)
        reference = reference_of(store.fields) if store else ""
        fill = Fill(channel, reference, self._runs, clock=self._shop.clock, stop=self._stop)
        return fill.go(run, rows, progress)

    def _sent(self, run: Run, rows: Rows, plan: CampaignPlan, progress: Progress) -> bool:
        with closing(Operations(self._shop.databases.streams)) as operations:
            owner = operations.enrol(self._shop.system.id, platform.node())
        with Delivery(self._shop, self._running, owner=owner) as delivery:
            bulk = Bulk(
                self._shop, self._running, plan, delivery.journal, self._runs,
                fills=self._filling(), delivered=delivery.ensure, stop=self._stop,
            )  # fmt: skip
            return bulk.go(run, rows, progress)

    def _filling(self) -> frozenset[int]:
        """The channels whose messages never count in a limit."""
        channels = self._running.setup.channels
        return frozenset(
            self._running.ids["channel", each.name] for each in channels if traits(self._shop, each).fills
        )

    def _begun(self) -> Run:
        """The run that goes on, or a new one: a store is filled from the beginning by a new version, or after a day."""
        run, now = self._runs.unfinished(self._published.id), self._shop.clock.now()
        if run is not None and not (self._fills and self._outdated(run, now)):
            return self._runs.keep(replace(run, state="running", ended=None, version=self._published.version))
        return self._runs.begin(self._published.id, self._published.version, now=now)

    def _outdated(self, run: Run, now: int) -> bool:
        return run.version != self._published.version or now - run.started > FRESH

    def _result(self, run: Run) -> RunResult:
        outcomes = {} if self._fills else self._runs.outcomes(run)
        log.info("table run ended", campaign=self._name, run=run.id, state=run.state, rows=run.done)
        return RunResult(
            self._name, run.id, run.state, run.done, run.total, run.inserted, run.updated, run.rejected,
            run.said, outcomes,
        )  # fmt: skip

"""Stories: what explain tells of an event or a person, gathered from the journal and the history."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from zoneinfo import ZoneInfo

from whereupon.engine.assembly import Workshop, campaign_plan
from whereupon.engine.decide import CampaignPlan
from whereupon.engine.explain import Attempt, CampaignStory, Ended, Story, campaign_stories
from whereupon.model.decided import BatchRecord, EventRecord
from whereupon.model.decoding import Bad, Decode, decoder
from whereupon.model.errors import SetupError
from whereupon.model.events import RawEvent
from whereupon.model.names import variable_types
from whereupon.model.running import Running
from whereupon.model.setup import Setup
from whereupon.storage import versions
from whereupon.storage.past import EventRow, Past
from whereupon.storage.repository import Repository


def stories(
    shop: Workshop, repository: Repository, *, event: str = "", person: str = "", most: int = 100
) -> Iterator[Story]:  # fmt: skip
    """The story of an event (its number; with `person` the producer's own id), or of a person's `most` latest events.

    Raises SetupError if nothing of the kind is recorded.
    """
    with closing(Past(shop.databases.system, shop.databases.streams)) as past:
        rows = _asked(past, event, person.strip(), most)
        teller = _Teller(shop, repository, past)
        for row in rows:
            yield teller.story(row)


def _asked(past: Past, event: str, person: str, most: int) -> list[EventRow]:
    if person:
        rows = past.events_of(person, event_id=event, most=most)
        what = f"The person {person} has no event {event}" if event else f"No event of the person {person} is"
        missing = f"{what}{'' if event else ' recorded'}."
    else:
        one = past.event(int(event))
        rows, missing = [one] if one else [], f"There is no event {event}."
    if not rows:
        raise SetupError(
            missing,
            hint="`whereupon activity` lists what is recorded; an event that can't be used is a dead letter.",
        )
    return rows


class _Then:
    """The set-up of a revision, and the campaigns of that time as they were compiled."""

    def __init__(self, shop: Workshop, repository: Repository, past: Past, revision: int) -> None:
        self.setup: Setup = repository.at(revision)
        self.zone = ZoneInfo(self.setup.system.time_zone)
        self._shop, self._past = shop, past
        self._running = Running(revision, self.setup, (), repository.ids())
        self._published = past.published_at(revision)
        self._plans: dict[tuple[int, int], CampaignPlan | None] = {}

    def decode(self, stream: str) -> Decode | None:
        """How the stream's events were read; None if it isn't in that set-up."""
        found = self.setup.stream(stream)
        return decoder(found, self.zone, variable_types(self.setup)) if found is not None else None

    def current(self, campaign: int) -> int:
        """The version that was in force."""
        return self._published.get(campaign, 0)

    def plan(self, campaign: int, version: int) -> CampaignPlan | None:
        """A version, compiled; None if that can't be done any more."""
        if (campaign, version) not in self._plans:
            self._plans[campaign, version] = self._compiled(campaign, version)
        return self._plans[campaign, version]

    def _compiled(self, campaign: int, version: int) -> CampaignPlan | None:
        body = self._past.version(campaign, version)
        if body is None:
            return None
        try:
            published = versions.published(self.setup, campaign, version, body, self._running.ids)
            return campaign_plan(self._shop, self._running, published, {})
        except (SetupError, KeyError):
            return None  # a component or a part of that time is gone


class _Teller:
    """Tells event after event; what one revision was is asked once."""

    def __init__(self, shop: Workshop, repository: Repository, past: Past) -> None:
        self._shop, self._repository, self._past = shop, repository, past
        self._names = {number: part for part, number in repository.ids().items()}
        self._then: dict[int, _Then] = {}

    def story(self, row: EventRow) -> Story:
        record = self._past.batch_of(row.id)
        event = next((each for each in record.events if each.id == row.id), None) if record else None
        ended = {
            each.campaign: Ended(
                each.campaign, each.version, each.state, each.reason, each.tries, each.decided, each.first_try,
                each.finished,
            )
            for each in self._past.outcomes(row.id)
        }  # fmt: skip
        attempts: dict[int, list[Attempt]] = {}
        for each in self._past.attempts(row.id):
            attempts.setdefault(each.campaign, []).append(
                Attempt(each.n, each.started, each.ended, each.answer)
            )
        if record is None or event is None:
            return self._remains(row, ended, attempts)
        return self._whole(row, record, event, ended, attempts)

    def _whole(
        self, row: EventRow, record: BatchRecord, event: EventRecord, ended: dict[int, Ended],
        attempts: dict[int, list[Attempt]],
    ) -> Story:  # fmt: skip
        then = self._at(record.revision)
        decode = then.decode(record.stream_name)
        campaigns = campaign_stories(
            record, event, decode=decode, zone=then.zone, versions=then.plan, ended=ended, attempts=attempts,
            current=then.current,
        )  # fmt: skip
        raw = RawEvent(event.partition, event.offset, event.raw, event.at)
        read = decode(raw, record.topic, record.decided) if decode is not None else Bad("", "")
        fields: Mapping[str, str] = {} if isinstance(read, Bad) else read.fields
        return Story(
            row.id, record.stream_name, row.person, row.event_id, row.at, row.seen, True, dict(fields),
            event.stores, campaigns, record.steps,
        )  # fmt: skip

    def _remains(
        self, row: EventRow, ended: dict[int, Ended], attempts: dict[int, list[Attempt]]
    ) -> Story:  # fmt: skip
        campaigns = [
            CampaignStory(
                self._name(each.campaign), each.version, True, ended=each, attempts=attempts.get(number, ())
            )
            for number, each in ended.items()
        ]
        return Story(
            row.id, self._name(row.stream), row.person, row.event_id, row.at, row.seen, False, campaigns=campaigns
        )  # fmt: skip

    def _at(self, revision: int) -> _Then:
        if revision not in self._then:
            self._then[revision] = _Then(self._shop, self._repository, self._past, revision)
        return self._then[revision]

    def _name(self, number: int) -> str:
        return self._names[number][1] if number in self._names else str(number)

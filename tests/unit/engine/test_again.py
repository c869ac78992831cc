"""Dead letters that a person marked: decided and sent once more, with limits and age asked anew."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.conftest import Logs
from tests.servers.processes import wait_until
from tests.world import BACK, FIELDS, PLAIN, World, running_of, setup_of, sign_in
from whereupon.host.clock import Clock
from whereupon.model.events import Result
from whereupon.model.setup import Setup
from whereupon.storage.dead_letters import DeadLetter, DeadLetters
from whereupon.storage.operations import Hold

LIMITED = {**PLAIN, "limits": [{"at_most": 1, "messages": "any", "within": "1 day"}]}


class Shifted(Clock):
    """The real clock, some time ahead."""

    ahead = 0

    def now(self) -> int:
        """UTC milliseconds."""
        return super().now() + self.ahead


class Letters:
    """A line with dead letters."""

    def __init__(self, folder: Path) -> None:
        self.clock = Shifted()
        self.world = World(folder, clock=self.clock)

    def all(self, *, judged: bool = False) -> list[DeadLetter]:
        """The dead letters."""
        with closing(DeadLetters(self.world.databases.streams, clock=self.clock)) as letters:
            return letters.listed(judged=judged)

    def resend(self) -> list[str]:
        """Mark all, let the keeper do its turn, wait until nothing is open; what the judged ones say."""
        with closing(DeadLetters(self.world.databases.streams, clock=self.clock)) as letters:
            letters.resend([each.id for each in letters.listed()])
        self.world.engine.again().turn()
        open_states = {"queued", "sending", "waiting"}
        wait_until(lambda: not open_states & set(self.world.outcomes()))
        return [each.said for each in self.all(judged=True) if each.said]

    def unjudge(self) -> None:
        """As if the service had died before it noted what it did."""
        session = self.world.databases.streams.session()
        session.run("UPDATE dead SET judged = NULL")
        session.close()

    def wait_for(self, count: int) -> None:
        """Until so many letters wait."""
        wait_until(lambda: len(self.all()) >= count)

    def take(self, setup: Setup) -> None:
        """Take up a changed set-up."""
        self.world.running = running_of(setup, revision=2)
        self.world.engine.take(self.world.running)

    @property
    def sent(self) -> list[str]:
        """Who was written to."""
        return [each.person for each in self.world.channel.sent]


@pytest.fixture
def letters(tmp_path: Path, logs: Logs) -> Iterator[Letters]:
    """A line that isn't started yet."""
    logs.allow("was made anew")  # a stream in memory that is opened again is another one
    found = Letters(tmp_path)
    yield found
    found.world.close()


def renamed() -> Setup:
    """The set-up whose stream takes the person from another field."""
    setup = setup_of(PLAIN)
    fields = [{**FIELDS[0], "name": "customer"}, *FIELDS[1:]]
    stream = setup.streams.streams[0].model_copy(
        update={
            "fields": tuple(type(setup.streams.streams[0].fields[0]).model_validate(each) for each in fields)
        }
    )
    streams = setup.streams.model_copy(update={"streams": (stream,)})
    return setup.model_copy(update={"streams": streams})


def test_an_event_that_could_not_be_used_is_decided_after_its_stream_was_corrected(letters: Letters) -> None:
    letters.world.start(setup_of(PLAIN))
    letters.world.send({"id": "e1", "customer": "1001", "email": "ada@example.org"})
    letters.wait_for(1)
    assert letters.resend() == []
    assert "urn" in letters.all()[0].reason, "it waits for a person again, and says why"
    letters.take(renamed())
    assert letters.resend() == ["resent"]
    assert letters.sent == ["1001"]


def test_an_event_that_was_decided_before_the_service_died_is_not_decided_twice(letters: Letters) -> None:
    letters.world.start(setup_of(PLAIN))
    letters.world.send({"id": "e1", "customer": "1001", "email": "ada@example.org"})
    letters.wait_for(1)
    letters.take(renamed())
    assert letters.resend() == ["resent"]
    letters.unjudge()
    assert letters.resend() == ["it had been decided before"]
    assert letters.sent == ["1001"]


def test_an_event_whose_time_is_long_past_is_withheld(letters: Letters) -> None:
    letters.world.start(setup_of({**PLAIN, "expires": "1 hour"}))
    letters.world.send({"id": "e1", "customer": "1001", "at": letters.clock.now() - 7_200_000})
    letters.wait_for(1)
    letters.take(
        renamed().model_copy(update={"campaigns": setup_of({**PLAIN, "expires": "1 hour"}).campaigns})
    )
    assert letters.resend() == ["expired"]
    assert letters.sent == []


def test_a_held_campaigns_event_is_decided_once_it_goes_on(letters: Letters) -> None:
    letters.world.start(setup_of(BACK), records={"1001": {"firstname": "Ada"}})
    number = letters.world.running.ids["campaign", "Welcome back"]  # type: ignore[union-attr]
    letters.world.engine.operating.note([Hold("campaign", number, "held", "no such list", "service", 0)])
    letters.world.send(sign_in(1, urn="1001"))
    letters.wait_for(1)
    assert letters.resend() == []
    assert letters.all()[0].reason == "held: no such list"
    letters.world.engine.operating.note([])
    assert letters.resend() == ["resent"]
    assert letters.sent == ["1001"]
    assert letters.world.channel.sent[0].fields["subject"] == "Welcome back, Ada"


def test_a_failed_message_leaves_once_more_with_the_same_key(letters: Letters) -> None:
    letters.world.start(setup_of(PLAIN))
    letters.world.channel.answer(Result.SETUP)
    letters.world.send(sign_in(1))
    letters.wait_for(1)
    key = letters.world.channel.tried[0].key
    letters.world.engine.operating.note([])
    assert letters.resend() == ["resent"]
    assert [each.key for each in letters.world.channel.sent] == [key]
    assert letters.world.outcomes().count("sent") == 1


@pytest.fixture
def unknown(letters: Letters) -> Letters:
    """One message whose end is unknown, on a channel that doesn't know a key again."""
    setup = setup_of(LIMITED)
    channel = setup.channels[0].model_copy(update={"settings": {"deduplicates": False}})
    letters.world.start(setup.model_copy(update={"channels": (channel,)}))
    letters.world.channel.answer(Result.ANSWER_LOST)
    letters.world.send(sign_in(1, urn="1001"))
    letters.wait_for(1)
    return letters


def test_an_unknown_message_has_its_own_place_in_the_limits(unknown: Letters) -> None:
    assert unknown.all()[0].state == "unknown"
    assert unknown.resend() == ["resent"]
    assert unknown.sent == ["1001"]


def test_an_unknown_message_is_withheld_if_its_time_is_over(unknown: Letters) -> None:
    unknown.clock.ahead = 2 * 86_400_000
    assert unknown.resend() == ["expired"]
    assert unknown.sent == []


def test_limits_are_asked_anew_for_a_failed_message(letters: Letters) -> None:
    letters.world.start(setup_of(LIMITED))
    letters.world.channel.answer(Result.SETUP)
    letters.world.send(sign_in(1, urn="1001"))
    letters.wait_for(1)
    letters.world.engine.operating.unsaved = {}
    letters.world.engine.operating.note([])
    letters.world.send(sign_in(2, urn="1001"))
    wait_until(lambda: letters.sent == ["1001"])
    assert letters.resend() == ["limit"]
    assert letters.sent == ["1001"]


def test_a_message_that_was_resent_and_not_judged_is_not_sent_twice(unknown: Letters) -> None:
    assert unknown.resend() == ["resent"]
    unknown.unjudge()
    assert unknown.resend() == ["its message is sent"]
    assert unknown.sent == ["1001"]

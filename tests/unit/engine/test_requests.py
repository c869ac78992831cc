"""What people ask of a running service is acted on and answered."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.servers.processes import wait_until
from tests.world import PLAIN, World, setup_of, sign_in
from whereupon.engine.requests import Requests


class Asked:
    """A running line, and its requests."""

    def __init__(self, folder: Path) -> None:
        self.world = World(folder)
        self.world.start(setup_of(PLAIN))
        self.requests = Requests(self.world.engine, self.world.operations)

    def ask(self, name: str, **words: Any) -> str:
        """Ask, wait for the answer."""
        operations = self.world.operations
        number = operations.ask(name, words, author="me", owner=None, at=0)
        self.requests.turn()
        wait_until(lambda: operations.answered(number) is not None)
        return operations.answered(number) or ""

    @property
    def campaign(self) -> int:
        """The campaign's number."""
        assert self.world.running is not None
        return self.world.running.ids["campaign", "Hello"]


@pytest.fixture
def asked(tmp_path: Path) -> Iterator[Asked]:
    """A running line."""
    found = Asked(tmp_path)
    yield found
    found.world.close()


def test_a_campaign_is_paused_and_goes_on_at_once(asked: Asked) -> None:
    assert asked.ask("pause", campaign=asked.campaign, reason="wrong offer") == "paused"
    asked.world.send(sign_in(1))
    assert asked.world.settle(1) == ["withheld: paused"]
    (hold,) = asked.world.operations.holds()
    assert (hold.reason, hold.author) == ("wrong offer", "me")
    assert asked.ask("resume", campaign=asked.campaign) == "goes on"
    asked.world.send(sign_in(2))
    assert asked.world.settle(2)[-1] == "sent"


def test_dead_letters_are_marked(asked: Asked) -> None:
    asked.world.send(b"no json")
    wait_until(asked.world.activity)
    assert asked.ask("resend", letters=[1]) == "1 marked"
    assert asked.ask("resend", letters=[99]).startswith("refused: There is no dead letter 99")


def test_communications_are_loaded(asked: Asked) -> None:
    asked.world.send(sign_in(1))
    asked.world.settle(1)
    assert asked.ask("load") == "1 communications loaded"


def test_a_streams_place_is_forgotten(asked: Asked) -> None:
    asked.world.send(sign_in(1))
    asked.world.settle(1)
    assert asked.world.running is not None
    stream = asked.world.running.ids["stream", "SignIn"]
    assert asked.ask("go-on", stream=stream) == "begins anew"
    assert asked.world.engine.journal.positions(stream) == {}


def test_what_nobody_knows_is_refused_with_a_word(asked: Asked) -> None:
    assert asked.ask("dance") == "refused: this service knows no request called dance"
    assert asked.ask("pause").startswith("refused:")


def test_a_table_run_is_delivered_until_it_answers_itself(asked: Asked) -> None:
    assert asked.world.running is not None
    channel = asked.world.running.ids["channel", "ESP"]
    operations, finisher = asked.world.operations, asked.world.engine.finisher
    words = {"channel": channel, "campaign": 77, "first": 500, "run": 1}
    number = operations.ask("bulk", words, author="Newsletter", owner=asked.world.engine.owner, at=0)
    asked.requests.turn()
    assert finisher.runs_from(channel) == 500
    assert operations.answered(number) is None
    operations.answer(number, "done", at=0)
    asked.requests.turn()
    assert finisher.runs_from(channel) is None

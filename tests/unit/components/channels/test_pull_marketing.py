"""The Pull Marketing channel: messages become records, in one statement, and one bad record harms no other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from whereupon.components.channels.pull_marketing import BATCH, PullMarketing, PullMarketingConfig
from whereupon.host.clock import FakeClock
from whereupon.kit.roles import Context, Nothing, Stage, Store
from whereupon.model.errors import Away, Refused, SetupError, Unavailable
from whereupon.model.events import Filled, Message, Receipt, Record, Result
from whereupon.model.setup import FieldDefinition

URN = FieldDefinition(name="urn", type="Reference")


def context(*fields: FieldDefinition, **parts: object) -> Context:
    return Context("Teal Green", "TealHols", Path(), "id", FakeClock(), parts=parts, fields=fields)


class Shelf(Store[Nothing, Nothing]):
    """A store that keeps records in a dict and counts its statements."""

    def __init__(self, *fields: FieldDefinition) -> None:
        super().__init__(Nothing(), Nothing(), context(*fields))
        self.records: dict[str, dict[str, str]] = {}
        self.statements = 0
        self.refused: set[str] = set()
        self.rejected: set[str] = set()
        self.fails: Exception | None = None

    def check(self) -> Iterator[Stage]:
        """Well."""
        yield Stage("Shelf", ok=True, message="It stands.")

    def find(self, keys: Sequence[str]) -> Mapping[str, dict[str, str]]:
        """What is there."""
        return {key: self.records[key] for key in keys if key in self.records}

    def fill(self, records: Sequence[Record]) -> Filled:
        """Merge, unless told otherwise."""
        self.statements += 1
        keys = [each.key for each in records]
        if len(set(keys)) < len(keys):
            raise AssertionError("A key came twice in one statement.")
        if self.fails is not None:
            raise self.fails
        if self.refused & set(keys):
            raise Refused("the value is too long")
        for each in records:
            if each.key not in self.rejected:
                self.records.setdefault(each.key, {}).update(each.fields)
        return Filled(inserted=len(records), rejected=[(key, "no") for key in keys if key in self.rejected])


@pytest.fixture
def shelf() -> Shelf:
    return Shelf(FieldDefinition(name="email", type="Variable"), URN)


@pytest.fixture
def channel(shelf: Shelf) -> PullMarketing:
    return PullMarketing(Nothing(), PullMarketingConfig(store="TealGreen"), context(TealGreen=shelf))


def message(urn: str, **fields: str) -> Message:
    return Message(f"key of {urn}", 1, 1, "Fill", urn, {"urn": urn, **fields}, urn)


def sent(channel: PullMarketing, *messages: Message) -> list[Receipt]:
    assert channel.offer(messages) == len(messages)
    return list(channel.collect(1))


def results(receipts: Sequence[Receipt]) -> dict[str, str]:
    return {each.message.person: each.result.value for each in receipts}


@pytest.mark.req("RTT-08")
def test_messages_become_records_in_one_statement(channel: PullMarketing, shelf: Shelf) -> None:
    receipts = sent(channel, message("1", offer="TEAL20"), message("2", offer="TEAL5"))
    assert results(receipts) == {"1": "accepted", "2": "accepted"}
    assert shelf.records == {"1": {"urn": "1", "offer": "TEAL20"}, "2": {"urn": "2", "offer": "TEAL5"}}
    assert shelf.statements == 1


def test_two_messages_of_one_person_are_merged_the_later_over_the_earlier(
    channel: PullMarketing, shelf: Shelf
) -> None:
    receipts = sent(channel, message("1", offer="TEAL5", event="Sale"), message("1", offer="TEAL20"))
    assert [each.result for each in receipts] == [Result.ACCEPTED] * 2
    assert shelf.records == {"1": {"urn": "1", "offer": "TEAL20", "event": "Sale"}}


def test_one_refused_record_is_found_and_the_others_go(channel: PullMarketing, shelf: Shelf) -> None:
    shelf.refused = {"13"}
    receipts = sent(channel, *(message(str(number)) for number in range(40)))
    refused = [each for each in receipts if each.result is Result.REFUSED]
    assert [(each.message.person, each.answer) for each in refused] == [("13", "the value is too long")]
    assert len(receipts) == 40
    assert len(shelf.records) == 39


def test_a_record_that_the_store_rejects_is_refused_with_its_reason(
    channel: PullMarketing, shelf: Shelf
) -> None:
    shelf.rejected = {"2"}
    receipts = sent(channel, message("1"), message("2"))
    assert results(receipts) == {"1": "accepted", "2": "refused"}
    assert receipts[1].answer == "no"


def test_a_message_without_reference_is_refused_and_the_others_go(
    channel: PullMarketing, shelf: Shelf
) -> None:
    receipts = sent(channel, message(""), message("1"))
    assert results(receipts) == {"": "refused", "1": "accepted"}
    assert results(sent(channel, message(""))) == {"": "refused"}
    assert shelf.statements == 1


@pytest.mark.parametrize(
    ("error", "result"),
    [
        (Unavailable("busy", retry_after=3), Result.UNAVAILABLE),
        (Away("gone", retry_after=3), Result.AWAY),
        (SetupError("no password"), Result.SETUP),
    ],
)
def test_what_the_store_raises_is_what_becomes_of_the_messages(
    channel: PullMarketing, shelf: Shelf, error: Exception, result: Result
) -> None:
    shelf.fails = error
    receipts = sent(channel, message("1"), message("2"))
    assert [each.result for each in receipts] == [result] * 2
    assert receipts[0].answer == str(error)
    assert receipts[0].retry_after == getattr(error, "retry_after", None)


def test_a_defect_of_the_store_loses_no_receipt(
    channel: PullMarketing, shelf: Shelf, caplog: pytest.LogCaptureFixture
) -> None:
    shelf.fails = ZeroDivisionError("inner words")
    assert results(sent(channel, message("1"))) == {"1": "answer lost"}
    assert "inner words" in caplog.text


def test_it_takes_what_fits_into_one_statement_and_gives_back_what_has_not_gone(
    channel: PullMarketing,
) -> None:
    many = [message(str(number)) for number in range(BATCH + 1)]
    assert channel.connections == BATCH
    assert (channel.offer(many), channel.offer(many[:1])) == (BATCH, 0)
    withdrawn = channel.withdraw()
    assert (len(withdrawn), {each.result for each in withdrawn}) == (BATCH, {Result.NOT_OFFERED})
    assert list(channel.collect(0)) == []


def test_a_table_campaign_fills_in_bulk(channel: PullMarketing, shelf: Shelf) -> None:
    assert channel.fill([Record("1", {"offer": "TEAL5"})]).inserted == 1
    assert shelf.records == {"1": {"offer": "TEAL5"}}


def test_it_is_tested_by_testing_its_store_and_addressed_by_the_record_s_key(channel: PullMarketing) -> None:
    assert [stage.name for stage in channel.check()] == ["Shelf"]
    assert channel.address({"urn": "42", "email": "ada@example.org"}) == "42"


def test_a_store_without_reference_can_not_be_filled() -> None:
    with pytest.raises(SetupError, match="no Reference field"):
        PullMarketing(Nothing(), PullMarketingConfig(store="S"), context(S=Shelf()))

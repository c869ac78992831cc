"""Names and the places they lead to."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from whereupon.model.errors import SetupError
from whereupon.model.names import Known, Names, Place, variable_types
from whereupon.model.running import Published
from whereupon.model.setup import FieldDefinition, Setup, Store, Stream
from whereupon.model.tree import Comparison


def known(**given: Any) -> Known:
    """What is known of one event or person."""
    return Known(**{"stream": {}, "stores": {}, "row": {}, "at": 0, "zone": ZoneInfo("UTC"), **given})


@pytest.fixture
def welcome_back(tealhols: Setup) -> Names:
    """The names of the event-triggered campaign."""
    campaign = tealhols.campaign("Welcome back")
    assert campaign is not None
    return Names.of(tealhols, campaign)


def test_fields_of_stream_and_store_are_found_with_their_types(welcome_back: Names) -> None:
    assert welcome_back.place("SignIn.location") == Place("stream", "SignIn", "location", "text", True)
    assert welcome_back.place("TealGreen.firstname") == Place("store", "TealGreen", "firstname", "text")
    assert welcome_back.place("SignIn.nothing") is None
    assert welcome_back.place("Register.location") is None


@pytest.mark.req("RTT-11")
def test_a_variable_is_the_streams_own_field_where_the_stream_has_it(welcome_back: Names) -> None:
    assert welcome_back.place("Email Address") == Place("stream", "SignIn", "email", "text")
    assert welcome_back.place("Forename") is None


def test_a_table_campaign_reads_its_variables(tealhols: Setup) -> None:
    campaign = tealhols.campaign("Fill TealGreen")
    assert campaign is not None
    names = Names.of(tealhols, campaign)
    assert names.place("Lifetime Spend") == Place("row", "People", "Lifetime Spend", "number")
    assert names.place("SignIn.location") is None
    assert names.reader("Lifetime Spend")(known(row={"Lifetime Spend": 12.5})) == 12.5


def test_values_are_read_from_where_the_name_leads(welcome_back: Names) -> None:
    event = known(stream={"location": "Rome"}, stores={"TealGreen": {"offer": "TEAL5"}})
    assert welcome_back.reader("SignIn.location")(event) == "Rome"
    assert welcome_back.reader("TealGreen.offer")(event) == "TEAL5"
    assert welcome_back.reader("TealGreen.offer")(known(stores={"TealGreen": None})) is None
    with pytest.raises(SetupError, match=r"SignIn\.Location isn't a field"):
        welcome_back.reader("SignIn.Location")


def test_stores_that_names_need_are_told(welcome_back: Names) -> None:
    assert welcome_back.stores_of(["SignIn.location", "TealGreen.offer", "nothing"]) == {"TealGreen"}
    assert welcome_back.stores_in(Comparison(field="SignIn.email", operator="empty")) == frozenset()


def test_a_part_with_a_point_in_its_name_is_found() -> None:
    fields = (FieldDefinition(name="b.c", type="String"),)
    names = Names(
        stream=Stream(name="a", provider="p", fields=fields), stores=(Store(name="a.b", provider="p"),)
    )
    assert names.place("a.b.c") == Place("stream", "a", "b.c", "text", True)
    assert Names().place("anything") is None


def test_a_published_campaign_keeps_its_field_lists(tealhols: Setup) -> None:
    campaign, channel = tealhols.campaigns[1], tealhols.channels[1]
    stream = Stream(name="SignIn", provider="p", fields=(FieldDefinition(name="old", type="String"),))
    names = Names.published(Published(1, 1, campaign, channel, 1, stream), tealhols)
    assert names.place("SignIn.old") is not None
    assert names.place("SignIn.location") is None


def test_the_first_of_two_variables_of_one_name_gives_the_type(example: dict[str, Any]) -> None:
    table = {**example["data"]["tables"][0], "name": "Others"}
    table["variables"] = [{"name": "Lifetime Spend", "column": "x", "type": "text"}]
    example["data"]["tables"].append(table)
    assert variable_types(Setup.model_validate(example))["Lifetime Spend"] == "number"

"""Messages made from events, records and rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from whereupon.model.content import (
    ChannelTraits,
    ContentError,
    MessagePlan,
    Withheld,
    filling,
    looked_up,
    plan,
)
from whereupon.model.errors import SetupError
from whereupon.model.names import Known, Names
from whereupon.model.running import Published
from whereupon.model.setup import Setup

ADA = {"firstname": "Ada", "lastname": "Byrne", "offer": "TEAL20"}
SIGN_IN = {"urn": "1001", "email": "ada@example.org", "location": "Rome"}
PLAIN = ChannelTraits()
MARKUP = ChannelTraits(html=frozenset({"body"}))


class Campaign:
    """One campaign of the worked example, with content of the test's own."""

    def __init__(self, example: dict[str, Any], number: int = 1) -> None:
        self.example, self.number = example, number

    def published(
        self, content: list[dict[str, Any]] | None = None, **changes: Any
    ) -> tuple[Published, Names, Setup]:
        """The campaign as it would be published."""
        written = self.example["campaigns"][self.number]
        written.update(changes)
        if content is not None:
            written["message"]["content"] = content
        setup = Setup.model_validate(self.example)
        campaign = setup.campaigns[self.number]
        channel = setup.channel(campaign.message.delivery.channel)
        assert channel is not None
        names = Names.of(setup, campaign)
        stores = setup.pull_marketing.stores
        return Published(1, 1, campaign, channel, 1, names.stream, stores), names, setup

    def plan(
        self, content: list[dict[str, Any]] | None = None, traits: ChannelTraits = PLAIN, **changes: Any
    ) -> MessagePlan:
        """Its plan; raises what planning raises."""
        published, names, setup = self.published(content, **changes)
        return plan(published, names, traits, setup.store("TealGreen") if traits.fills else None)


@pytest.fixture
def welcome_back(example: dict[str, Any]) -> Campaign:
    """The event-triggered campaign that needs the store."""
    return Campaign(example)


def known(
    stream: Mapping[str, object] = SIGN_IN,
    record: Mapping[str, str] | None = ADA,
    row: Mapping[str, object] | None = None,
    **stores: Mapping[str, str] | None,
) -> Known:
    """What is known of Ada, who signs in."""
    return Known(stream, {"TealGreen": record, **stores}, row or {}, 0, ZoneInfo("Europe/London"))


@pytest.mark.req("RTT-12")
def test_the_worked_example_says_what_it_should(welcome_back: Campaign) -> None:
    made = welcome_back.plan()
    assert made.stores == {"TealGreen"}
    assert made.render(known()) == {
        "email": "ada@example.org",
        "forename": "Ada",
        "offer": "TEAL20",
        "location": "Rome",
        "subject": "Welcome back, Ada",
        "body": "Dear Ada, here is TEAL20 for your stay in Rome.",
    }


@pytest.mark.req("RTT-12")
def test_a_campaign_of_stream_fields_alone_looks_nothing_up(example: dict[str, Any]) -> None:
    made = Campaign(example, 2).plan()
    assert made.stores == frozenset()
    rendered = made.render(known(record=None))
    assert isinstance(rendered, dict)
    assert rendered["body"] == "Good to have you with us in Rome."


@pytest.mark.req("RTT-09")
def test_a_channel_that_fills_a_store_takes_its_variables_from_the_row(example: dict[str, Any]) -> None:
    made = Campaign(example, 0).plan(traits=ChannelTraits(fills="store"))
    row = {
        "Person URN": 1001,
        "Email Address": "ada@example.org",
        "Forename": "Ada",
        "Lifetime Spend": 1840.5,
    }
    assert made.render(known({}, None, row)) == {
        "urn": "1001",
        "email": "ada@example.org",
        "firstname": "Ada",
        "lastname": "",
        "event": "Summer sale",
        "offer": "TEAL20",
    }
    poor = made.render(known({}, None, {**row, "Lifetime Spend": 999}))
    assert isinstance(poor, dict)
    assert poor["offer"] == "TEAL5"


def test_content_wins_over_an_additional_variable(example: dict[str, Any]) -> None:
    made = Campaign(example, 0).plan([{"field": "email", "text": "x"}], ChannelTraits(fills="store"))
    rendered = made.render(known({}, None, {"Email Address": "y"}))
    assert isinstance(rendered, dict)
    assert rendered["email"] == "x"


def test_only_fields_that_stand_for_a_variable_are_filled(example: dict[str, Any]) -> None:
    setup = Setup.model_validate(example)
    assert filling(setup.channels[0], setup.store("TealGreen"))["firstname"] == "Forename"
    assert filling(setup.channels[0], None) == {}


def test_rules_give_the_first_text_whose_condition_holds(welcome_back: Campaign) -> None:
    rome = {"field": "SignIn.location", "is": "equals", "value": "Rome"}
    made = welcome_back.plan([{"field": "offer", "when": [{"if": rome, "text": "ROME"}]}])
    assert made.render(known()) == {"offer": "ROME"}
    assert made.render(known({})) == {"offer": ""}


@pytest.mark.req("RTT-13")
def test_a_person_that_no_store_knows_is_withheld(welcome_back: Campaign) -> None:
    assert welcome_back.plan().render(known(record=None)) == Withheld("not in store", "TealGreen")


@pytest.mark.req("RTT-13")
def test_defaults_stand_in_for_what_no_store_knows(welcome_back: Campaign) -> None:
    content = [
        {"field": "forename", "from": "TealGreen.firstname", "default": "friend"},
        {"field": "offer", "from": "TealGreen.offer"},
        {"field": "body", "template": "Dear $!forename: $!offer"},
    ]
    made = welcome_back.plan(content, when_not_found="default")
    assert made.render(known(record=None)) == {"forename": "friend", "offer": "", "body": "Dear friend: "}
    assert made.render(known()) == {"forename": "Ada", "offer": "TEAL20", "body": "Dear Ada: TEAL20"}


def test_stores_of_rules_and_of_the_audience_are_looked_up(example: dict[str, Any]) -> None:
    asked = {"field": "TealGreen.offer", "is": "not empty"}
    campaign = Campaign(example)
    content = [{"field": "body", "when": [{"if": asked, "text": "yes"}, {"else": "no"}]}]
    assert campaign.plan(content).stores == {"TealGreen"}
    audience = {"stream": "SignIn", "where": asked}
    published, names, _ = campaign.published([{"field": "body", "text": "Hi"}], audience=audience)
    assert plan(published, names, PLAIN).stores == frozenset()
    assert looked_up(published, names, PLAIN) == {"TealGreen"}
    published, names, _ = campaign.published(audience={"stream": "SignIn"})
    assert looked_up(published, names, PLAIN) == frozenset()


def test_fields_are_made_after_those_that_they_refer_to(welcome_back: Campaign) -> None:
    content = [
        {"field": "body", "template": "<$!subject>"},
        {"field": "subject", "template": "$!offer!"},
        {"field": "offer", "text": "X"},
    ]
    assert welcome_back.plan(content).render(known()) == {"offer": "X", "subject": "X!", "body": "<X!>"}


def test_fields_that_refer_to_each_other_in_a_circle_are_refused(welcome_back: Campaign) -> None:
    content = [{"field": "body", "template": "$!subject"}, {"field": "subject", "template": "$!body"}]
    with pytest.raises(ContentError, match="in a circle"):
        welcome_back.plan(content)


def test_templates_see_stream_and_store(welcome_back: Campaign) -> None:
    made = welcome_back.plan(
        [{"field": "body", "template": "$stream.location $!store.offer $!store.TealGreen.offer"}]
    )
    assert made.stores == {"TealGreen"}
    assert made.render(known()) == {"body": "Rome TEAL20 TEAL20"}


def test_templates_see_a_row_as_data_of_its_table(example: dict[str, Any]) -> None:
    template = "$!data.get('People').get(0).get('Forename')"
    made = Campaign(example, 0).plan([{"field": "event", "template": template}])
    rendered = made.render(known({}, None, {"Forename": "Ada"}))
    assert isinstance(rendered, dict)
    assert rendered["event"] == "Ada"
    assert Campaign(example).plan([{"field": "body", "template": "$data.isEmpty()"}]).render(known()) == {
        "body": "true"
    }


def test_of_several_stores_one_has_to_be_named(example: dict[str, Any]) -> None:
    second = {**example["pull_marketing"]["stores"][0], "name": "Second"}
    example["pull_marketing"]["stores"].append(second)
    campaign = Campaign(example)
    with pytest.raises(ContentError, match="could mean 2 stores"):
        campaign.plan([{"field": "body", "template": "$!store.offer"}])
    named = campaign.plan([{"field": "body", "template": "$!store.Second.offer $!store.offer"}])
    assert named.stores == {"Second"}
    assert named.render(known(Second={"offer": "2"})) == {"body": "2 2"}
    implied = campaign.plan(
        [{"field": "offer", "from": "TealGreen.offer"}, {"field": "body", "template": "$!store.offer"}]
    )
    assert implied.stores == {"TealGreen"}


@pytest.mark.parametrize(
    ("content", "withheld"),
    [
        (
            [{"field": "body", "template": "Hi $stream.nothing"}],
            Withheld("template", "body: $stream.nothing"),
        ),
        ([{"field": "subject", "template": "$!stream.nothing "}], Withheld("empty subject", "subject")),
        ([{"field": "email", "from": "SignIn.email"}], Withheld("empty field", "email")),
    ],
)
def test_what_nothing_fills_withholds_the_message(
    welcome_back: Campaign, content: list[dict[str, Any]], withheld: Withheld
) -> None:
    traits = ChannelTraits(requires=frozenset({"email", "body"}))
    assert welcome_back.plan(content, traits).render(known({"urn": "1"})) == withheld


def test_a_template_that_fails_for_one_person_withholds_that_message(welcome_back: Campaign) -> None:
    made = welcome_back.plan([{"field": "body", "template": "#set($x = [])$x.get(0)"}])
    rendered = made.render(known())
    assert isinstance(rendered, Withheld)
    assert rendered.reason == "template"
    assert rendered.detail.startswith("body: ")


def test_values_are_escaped_in_fields_that_are_markup(welcome_back: Campaign) -> None:
    evil = known({**SIGN_IN, "location": "<b>Rome</b>"})
    content = [
        {"field": "location", "from": "SignIn.location"},
        {"field": "body", "template": "<p>$!location $!stream.location</p>"},
    ]
    safe = "&lt;b&gt;Rome&lt;/b&gt;"
    assert welcome_back.plan(content, MARKUP).render(evil) == {
        "location": "<b>Rome</b>",
        "body": f"<p>{safe} {safe}</p>",
    }
    assert welcome_back.plan([{"field": "body", "from": "SignIn.location"}], MARKUP).render(evil) == {
        "body": safe
    }


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([{"field": "body", "from": "SignIn.Location"}], "isn't a field"),
        ([{"field": "body", "template": "#if("}], "template of body can't be read: Line 1"),
    ],
)
def test_what_cannot_be_planned_says_why(
    welcome_back: Campaign, content: list[dict[str, Any]], said: str
) -> None:
    with pytest.raises(SetupError, match=said):
        welcome_back.plan(content)


def test_numbers_of_a_stream_become_text(welcome_back: Campaign) -> None:
    assert welcome_back.plan([{"field": "offer", "from": "SignIn.location"}]).render(
        known({"location": 2.50})
    ) == {"offer": "2.5"}

"""Mistakes in a campaign's content."""

from __future__ import annotations

from tests.unit.model.mistakes import (
    Case,
    Example,
    add,
    campaign,
    cases,
    channel,
    content,
    named,
    store,
    table,
    tells,
    told,
)

ERRORS: list[Case] = [
    (
        "a field twice",
        lambda e: campaign(e)["message"]["content"].append({"field": "offer", "text": "x"}),
        "campaigns › Welcome back › content › offer",
        "of its own",
    ),
    (
        "nothing in it",
        lambda e: add(e, {"field": "offer"}),
        "campaigns › Welcome back › content › offer",
        "exactly one",
    ),
    (
        "two things in it",
        lambda e: add(e, {"field": "offer", "text": "x", "template": "y"}),
        "campaigns › Welcome back › content › offer",
        "exactly one",
    ),
    (
        "a field's case",
        lambda e: (campaign(e)["message"]["content"].pop(1), add(e, {"field": "Forename", "text": "x"})),
        "campaigns › Welcome back › content › Forename",
        "Rename it to forename.",
    ),
    (
        "another word",
        lambda e: (campaign(e)["message"]["content"].pop(1), add(e, {"field": "firstname", "text": "x"})),
        "campaigns › Welcome back › content › firstname",
        "Rename it to forename.",
    ),
    (
        "a strange field",
        lambda e: add(e, {"field": "colour", "text": "x"}),
        "campaigns › Welcome back › content › colour",
        "It expects email",
    ),
    (
        "a name with a meaning",
        lambda e: (channel(e)["fields"].append("stream"), add(e, {"field": "stream", "text": "x"})),
        "campaigns › Welcome back › content › stream",
        "another name",
    ),
    (
        "a source",
        lambda e: add(e, {"field": "offer", "from": "TealGreen.Offer"}),
        "campaigns › Welcome back › content › offer",
        "Write TealGreen.offer.",
    ),
    (
        "a table's variable",
        lambda e: add(e, {"field": "offer", "from": "Surname"}),
        "campaigns › Welcome back › content › offer",
        "TealGreen.lastname",
    ),
    (
        "a broken template",
        lambda e: add(e, {"field": "body", "template": "Dear\n#if("}),
        "campaigns › Welcome back › content › body",
        "",
    ),
    (
        "curly quotes",
        lambda e: add(e, {"field": "body", "template": "$!stream.get(‘location’)"}),
        "campaigns › Welcome back › content › body",
        "$!stream.get('location')",
    ),
    (
        "a reference's case",
        lambda e: add(e, {"field": "body", "template": "Dear $!Forename"}),
        "campaigns › Welcome back › content › body",
        "Write $forename",
    ),
    (
        "a strange reference",
        lambda e: add(e, {"field": "body", "template": "Dear $!weather"}),
        "campaigns › Welcome back › content › body",
        "Add a content field",
    ),
    (
        "a stream's field",
        lambda e: add(e, {"field": "body", "template": "$!stream.Location"}),
        "campaigns › Welcome back › content › body",
        "Did you mean $stream.location?",
    ),
    (
        "a store's field",
        lambda e: add(e, {"field": "body", "template": "$!store.weather"}),
        "campaigns › Welcome back › content › body",
        "Use a field",
    ),
    (
        "a circle",
        lambda e: (
            add(e, {"field": "body", "template": "$!subject"}),
            add(e, {"field": "subject", "template": "$!body"}),
        ),
        "campaigns › Welcome back › content",
        "without referring",
    ),
    (
        "no rules",
        lambda e: add(e, {"field": "offer", "when": []}),
        "campaigns › Welcome back › content › offer",
        "Add {if",
    ),
    (
        "else first",
        lambda e: add(e, {"field": "offer", "when": [{"else": "x"}, {"else": "y"}]}),
        "campaigns › Welcome back › content › offer › rule 1",
        "the last rule",
    ),
    (
        "a rule's field",
        lambda e: add(
            e, {"field": "offer", "when": [{"if": {"field": "SignIn.x", "is": "empty"}, "text": "x"}]}
        ),
        "campaigns › Welcome back › content › offer › rule 1 › SignIn.x",
        "Write Stream.field",
    ),
    (
        "a needed field",
        lambda e: campaign(e, 2)["message"]["content"].pop(0),
        "campaigns › Welcome › content",
        "Add content for email.",
    ),
    ("no content", content, "campaigns › Welcome back › content", "Add a content field"),
    (
        "a store field that nothing fills",
        lambda e: campaign(e, 0)["message"]["content"].pop(1),
        "campaigns › Fill TealGreen › content › offer",
        "Add content for offer.",
    ),
    (
        "a variable that nothing fills",
        lambda e: channel(e, 0)["additional_variables"].remove("Forename"),
        "campaigns › Fill TealGreen › content › firstname",
        "Add Forename to",
    ),
    (
        "a variable of another table",
        lambda e: table(e)["variables"].pop(3),
        "campaigns › Fill TealGreen › content › lastname",
        "Add content for lastname",
    ),
    (
        "a variable that the stream lacks",
        lambda e: campaign(e)["message"].update(delivery={"channel": "Teal Green Pull Marketing"}),
        "campaigns › Welcome back › content › lastname",
        "Add content for lastname",
    ),
    (
        "a variable of the other table",
        lambda e: (
            e["data"]["tables"].append(
                {"name": "More", "file": "x", "key": "K", "variables": [{"name": "K", "column": "k"}]}
            ),
            add(e, {"field": "offer", "from": "K"}, 0),
        ),
        "campaigns › Fill TealGreen › content › offer",
        "choose the other table",
    ),
    (
        "another key",
        lambda e: store(e)["fields"][0].update(variable="Email Address"),
        "campaigns › Welcome back › content",
        "the same variable",
    ),
    (
        "another key than the table's",
        lambda e: (table(e).update(key="Surname"), add(e, {"field": "offer", "from": "TealGreen.offer"}, 0)),
        "campaigns › Fill TealGreen › content",
        "the same variable",
    ),
    (
        "no default",
        lambda e: campaign(e).update(when_not_found="default"),
        "campaigns › Welcome back › content › forename",
        "Give it a default",
    ),
]
ADVICE: list[Case] = [
    (
        "a store field that the stream has",
        lambda e: add(e, {"field": "email", "from": "TealGreen.email"}),
        "campaigns › Welcome back › content › email",
        "SignIn.email",
    ),
    (
        "a field that nothing fills",
        lambda e: campaign(e)["message"]["content"].pop(2),
        "campaigns › Welcome back › content",
        "Add content for offer.",
    ),
    (
        "an unguarded list",
        lambda e: add(e, {"field": "body", "template": "$!data.get('x').get(0).get('y')"}),
        "campaigns › Welcome back › content › body",
        "#if around it",
    ),
    (
        "a loud reference",
        lambda e: add(e, {"field": "body", "template": "$stream.location"}),
        "campaigns › Welcome back › content › body",
        "Write $!stream.location",
    ),
    (
        "a default for nothing",
        lambda e: add(e, {"field": "offer", "from": "TealGreen.offer", "default": "x"}),
        "campaigns › Welcome back › when_not_found",
        "Choose when_not_found: default",
    ),
    (
        "nothing to be found",
        lambda e: campaign(e, 2).update(when_not_found="default"),
        "campaigns › Welcome › when_not_found",
        "Leave it out.",
    ),
]


@cases(ERRORS)
def test_a_mistake_is_an_error_with_its_place_and_a_hint(example: Example, case: Case) -> None:
    tells(example, case, "error")


@cases(ADVICE)
def test_what_could_be_better_is_advice(example: Example, case: Case) -> None:
    tells(example, case, "advice")


def test_a_loud_reference_to_a_content_field_is_no_matter(example: Example) -> None:
    add(example, {"field": "body", "template": "Dear $forename, ${offer}"})
    assert told(example) == []
    assert not named(told(example, "advice"), "campaigns › Welcome back › content › body", "")


def test_defaults_for_all_that_a_store_gives_are_enough(example: Example) -> None:
    campaign(example)["when_not_found"] = "default"
    for each in campaign(example)["message"]["content"][1:3]:
        each["default"] = ""
    assert told(example) == []


def test_nothing_is_said_of_a_look_up_while_the_audience_is_unknown(example: Example) -> None:
    campaign(example)["audience"] = {"stream": "Nowhere"}
    content(example, {"field": "offer", "from": "TealGreen.offer"})
    assert [each.place for each in told(example)] == ["campaigns › Welcome back › audience › stream"]


def test_a_field_to_be_renamed_is_told_once_and_not_again_by_each_template(example: Example) -> None:
    campaign(example)["message"]["content"][1]["field"] = "Forename"
    assert [each.hint for each in told(example)] == ["Rename it to forename."]

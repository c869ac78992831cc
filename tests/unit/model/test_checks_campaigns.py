"""Mistakes in a campaign around its content."""

from __future__ import annotations

from tests.unit.model.mistakes import Case, Example, campaign, cases, tells, where

ERRORS: list[Case] = [
    (
        "a pool",
        lambda e: campaign(e).update(pool={"size": 5}),
        "campaigns › Welcome back › pool",
        "Remove `pool`.",
    ),
    (
        "a wait in a table campaign",
        lambda e: campaign(e, 0).update(wait="1 day"),
        "campaigns › Fill TealGreen › wait",
        "Remove",
    ),
    (
        "a second audience",
        lambda e: campaign(e).update(audiences=[1]),
        "campaigns › Welcome back › audiences",
        "Remove",
    ),
    (
        "no audience",
        lambda e: campaign(e)["audience"].update(stream=""),
        "campaigns › Welcome back › audience",
        "Name a stream",
    ),
    (
        "two audiences",
        lambda e: campaign(e)["audience"].update(table="People"),
        "campaigns › Welcome back › audience",
        "Name a stream",
    ),
    (
        "a manual stream",
        lambda e: campaign(e).update(schedule="manual"),
        "campaigns › Welcome back › schedule",
        "event triggered",
    ),
    (
        "a triggered table",
        lambda e: campaign(e, 0).update(schedule="event triggered"),
        "campaigns › Fill TealGreen › schedule",
        "another schedule",
    ),
    (
        "a stream",
        lambda e: campaign(e)["audience"].update(stream="Signin"),
        "campaigns › Welcome back › audience › stream",
        "Write SignIn.",
    ),
    (
        "an audience's table",
        lambda e: campaign(e, 0)["audience"].update(table="Peopel"),
        "campaigns › Fill TealGreen › audience › table",
        "People",
    ),
    (
        "a field's case",
        lambda e: where(e, {"field": "SignIn.Location", "is": "empty"}),
        "campaigns › Welcome back › audience › where › SignIn.Location",
        "Write SignIn.location.",
    ),
    (
        "a field's name",
        lambda e: where(e, {"field": "SignIn.e-mail", "is": "empty"}),
        "campaigns › Welcome back › audience › where › SignIn.e-mail",
        "SignIn.email",
    ),
    (
        "another part",
        lambda e: where(e, {"field": "Wrong.Location", "is": "empty"}),
        "campaigns › Welcome back › audience › where › Wrong.Location",
        "Did you mean SignIn.location?",
    ),
    (
        "no part",
        lambda e: where(e, {"field": "weather", "is": "empty"}),
        "campaigns › Welcome back › audience › where › weather",
        "Write Stream.field",
    ),
    (
        "a table's variable",
        lambda e: where(e, {"field": "Forename", "is": "empty"}),
        "campaigns › Welcome back › audience › where › Forename",
        "TealGreen.firstname",
    ),
    (
        "a variable in no store",
        lambda e: where(e, {"field": "Lifetime Spend", "is": "empty"}),
        "campaigns › Welcome back › audience › where › Lifetime Spend",
        "Put it into a store",
    ),
    (
        "an operator",
        lambda e: where(e, {"field": "SignIn.email", "is": "at least", "value": 5}),
        "campaigns › Welcome back › audience › where › SignIn.email",
        "operator",
    ),
    (
        "a value",
        lambda e: where(e, {"field": "Lifetime Spend", "is": "at least", "value": "much"}, 0),
        "campaigns › Fill TealGreen › audience › where › Lifetime Spend",
        "operator",
    ),
    (
        "a store in a table's condition",
        lambda e: where(e, {"field": "TealGreen.offer", "is": "empty"}, 0),
        "campaigns › Fill TealGreen › audience › where › TealGreen.offer",
        "table's variables",
    ),
    (
        "a channel",
        lambda e: campaign(e)["message"].update(delivery={"channel": "esp"}),
        "campaigns › Welcome back › delivery › channel",
        "Write ESP.",
    ),
]
ADVICE: list[Case] = [
    (
        "a value that YAML read",
        lambda e: where(e, {"field": "SignIn.location", "is": "equals", "value": False}),
        "campaigns › Welcome back › audience › where › SignIn.location",
        "in quotes",
    ),
    (
        "limits of a fill",
        lambda e: campaign(e, 0).update(limits=[{"at_most": 1, "within": "1 day"}]),
        "campaigns › Fill TealGreen › limits",
        "Leave the limits out.",
    ),
    (
        "a limit twice",
        lambda e: campaign(e)["limits"].append({"at_most": 1, "within": "1 day"}),
        "campaigns › Welcome back › limits",
        "Keep one",
    ),
    (
        "a long expiry",
        lambda e: campaign(e).update(expires="100 days"),
        "campaigns › Welcome back › expires",
        "Write at most 90 days.",
    ),
    (
        "a table's expiry",
        lambda e: campaign(e, 0).update(expires="1 day"),
        "campaigns › Fill TealGreen › expires",
        "Leave `expires` out.",
    ),
]


@cases(ERRORS)
def test_a_mistake_is_an_error_with_its_place_and_a_hint(example: Example, case: Case) -> None:
    tells(example, case, "error")


@cases(ADVICE)
def test_what_could_be_better_is_advice(example: Example, case: Case) -> None:
    tells(example, case, "advice")

"""Mistakes in a system's data, providers, stores, streams, channels and access."""

from __future__ import annotations

from tests.unit.model.mistakes import (
    Case,
    Example,
    campaign,
    cases,
    channel,
    store,
    stream,
    table,
    tells,
)

ERRORS: list[Case] = [
    (
        "a time zone",
        lambda e: e["system"].update(time_zone="Europe/Londn"),
        "system › time_zone",
        "Did you mean Europe/London?",
    ),
    (
        "a time zone of nowhere",
        lambda e: e["system"].update(time_zone="../x"),
        "system › time_zone",
        "Write one like",
    ),
    (
        "a role",
        lambda e: e["access"]["groups"][0].update(roles=["Stream Administrator"]),
        "access › groups › Marketing",
        "Did you mean Streams Administrator?",
    ),
    (
        "two groups",
        lambda e: e["access"]["groups"].append(e["access"]["groups"][0]),
        "access › groups › Marketing",
        "a name of its own",
    ),
    ("no file", lambda e: table(e).pop("file"), "data › tables › People", "Give a file"),
    (
        "file and connection",
        lambda e: table(e).update(connection="odbc"),
        "data › tables › People",
        "Give a file",
    ),
    (
        "no table there",
        lambda e: (table(e).pop("file"), table(e).update(connection="x")),
        "data › tables › People",
        "as `table`",
    ),
    (
        "a key",
        lambda e: table(e).update(key="person urn"),
        "data › tables › People › key",
        "Write Person URN.",
    ),
    (
        "a contact mark",
        lambda e: table(e)["contact"].update(email="Email"),
        "data › tables › People › contact › email",
        "Did you mean Email Address?",
    ),
    ("no variables", lambda e: table(e).update(variables=[]), "data › tables › People", "List its columns"),
    (
        "two variables",
        lambda e: table(e)["variables"].append(table(e)["variables"][0]),
        "data › tables › People › variables › Person URN",
        "of its own",
    ),
    ("two tables", lambda e: e["data"]["tables"].append(table(e)), "data › tables › People", "of its own"),
    (
        "a variable twice",
        lambda e: e["data"]["tables"].append({**table(e), "name": "More"}),
        "data › tables › More › variables › Forename",
        "another name",
    ),
    (
        "two contacts",
        lambda e: e["data"]["tables"].append({**table(e), "name": "More"}),
        "data › tables › More › contact",
        "one table",
    ),
    (
        "a kind of provider",
        lambda e: e["streams"]["providers"][0].update(type="Kafka"),
        "streams › providers › Confluent › type",
        "Write kafka.",
    ),
    (
        "a provider",
        lambda e: stream(e).update(provider="confluent"),
        "streams › streams › SignIn › provider",
        "Write Confluent.",
    ),
    (
        "no providers",
        lambda e: e["pull_marketing"].update(providers=[]),
        "pull_marketing › stores › TealGreen › provider",
        "Add the provider first.",
    ),
    (
        "a table",
        lambda e: store(e)["data_definition"].update(table="Persons"),
        "pull_marketing › stores › TealGreen › data_definition › table",
        "People",
    ),
    (
        "no Reference",
        lambda e: stream(e)["fields"].pop(0),
        "streams › streams › SignIn › fields",
        "the type Reference",
    ),
    (
        "two References",
        lambda e: stream(e)["fields"][1].update(type="Reference"),
        "streams › streams › SignIn › fields",
        "Make the others",
    ),
    (
        "two fields",
        lambda e: store(e)["fields"].append(store(e)["fields"][1]),
        "pull_marketing › stores › TealGreen › fields › email",
        "of its own",
    ),
    (
        "a variable",
        lambda e: store(e)["fields"][1].update(variable="Email"),
        "pull_marketing › stores › TealGreen › fields › email",
        "Email Address",
    ),
    (
        "no variable",
        lambda e: store(e)["fields"][1].pop("variable"),
        "pull_marketing › stores › TealGreen › fields › email",
        "Choose the variable",
    ),
    (
        "two streams",
        lambda e: e["streams"]["streams"].append(stream(e)),
        "streams › streams › SignIn",
        "of its own",
    ),
    (
        "a kind of channel",
        lambda e: channel(e).update(type="web hook"),
        "channels › ESP › type",
        "Did you mean webhook?",
    ),
    (
        "a field twice",
        lambda e: channel(e)["fields"].append("email"),
        "channels › ESP › fields › email",
        "of its own",
    ),
    (
        "a channel's variable",
        lambda e: channel(e, 0).update(additional_variables=["Person urn"]),
        "channels › Teal Green Pull Marketing › additional_variables",
        "Write Person URN.",
    ),
    (
        "the filled store",
        lambda e: channel(e, 0).update(settings={"Store": "Tealgreen"}),
        "channels › Teal Green Pull Marketing › settings › store",
        "Write TealGreen.",
    ),
    (
        "no filled store",
        lambda e: channel(e, 0).update(settings={}),
        "channels › Teal Green Pull Marketing › settings › store",
        "Choose one of",
    ),
    (
        "a field's case",
        lambda e: channel(e, 0)["fields"].__setitem__(2, "FirstName"),
        "channels › Teal Green Pull Marketing › fields › FirstName",
        "Write firstname.",
    ),
    ("two campaigns", lambda e: e["campaigns"].append(campaign(e)), "campaigns › Welcome back", "of its own"),
]
ADVICE: list[Case] = [
    (
        "a free text's variable",
        lambda e: stream(e)["fields"][2].update(variable="Surname"),
        "streams › streams › SignIn › fields › location",
        "Make it a Variable",
    ),
    (
        "one name for two parts",
        lambda e: store(e).update(name="Register"),
        "streams › streams › Register",
        "another name",
    ),
    (
        "variables for nothing",
        lambda e: channel(e).update(additional_variables=["Forename"]),
        "channels › ESP › additional_variables",
        "Leave them out",
    ),
    (
        "a variable for no field",
        lambda e: channel(e, 0)["additional_variables"].append("Lifetime Spend"),
        "channels › Teal Green Pull Marketing › additional_variables › Lifetime Spend",
        "Add such a field",
    ),
]


@cases(ERRORS)
def test_a_mistake_is_an_error_with_its_place_and_a_hint(example: Example, case: Case) -> None:
    tells(example, case, "error")


@cases(ADVICE)
def test_what_could_be_better_is_advice(example: Example, case: Case) -> None:
    tells(example, case, "advice")

"""What can be wrong with a campaign around its content: shape, audience, schedule, limits, look-ups, delivery."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from whereupon.model.conditions import Names, checked
from whereupon.model.content import ChannelTraits
from whereupon.model.errors import SetupError
from whereupon.model.findings import Problem, advice, at, error, near, unknown
from whereupon.model.names import variable_types
from whereupon.model.setup import Campaign, FieldDefinition, Setup
from whereupon.model.tree import Comparison, comparisons

ELEMENTS = {
    "pool": "A pool",
    "split": "A split",
    "wait": "A wait",
    "audiences": "A second audience",
}


def shape_problems(setup: Setup, campaign: Campaign) -> Iterator[Problem]:
    """What a campaign consists of, and how that suits its schedule."""
    place, audience = at("campaigns", campaign.name), campaign.audience
    real_time = campaign.schedule.triggered or bool(audience.stream)
    for element, said in ELEMENTS.items():
        if getattr(campaign, element) is not None:
            why = (
                "an event-triggered campaign is one audience and one message, or it can't run in real time"
                if real_time
                else "a campaign is one audience and one message"
            )
            yield error(at(place, element), f"{said} can't be used here: {why}.", f"Remove `{element}`.")
    if bool(audience.stream) == bool(audience.table):
        said = "both a stream and a table" if audience.stream else "neither a stream nor a table"
        yield error(at(place, "audience"), f"The audience names {said}.", "Name a stream or a table.")
        return
    if audience.stream and not campaign.schedule.triggered:
        yield error(
            at(place, "schedule"),
            f"The audience is a stream, and the schedule is “{campaign.schedule}”.",
            "Choose the schedule event triggered, or a table as audience.",
            "event triggered",
        )
    if audience.table and campaign.schedule.triggered:
        yield error(
            at(place, "schedule"),
            "The audience is a table, and no event happens to a table.",
            "Choose a stream as audience, or another schedule (manual, daily 09:00 …).",
            "manual",
        )


def audience_problems(setup: Setup, campaign: Campaign, names: Names) -> Iterator[Problem]:
    """The audience's stream or table, and its condition."""
    audience = campaign.audience
    place = at("campaigns", campaign.name, "audience")
    if audience.stream and names.stream is None:
        streams = [each.name for each in setup.streams.streams]
        yield unknown(at(place, "stream"), "stream", audience.stream, streams)
    if audience.table and names.table is None:
        tables = [each.name for each in setup.data.tables]
        yield unknown(at(place, "table"), "table", audience.table, tables)
    if audience.where is None or (names.stream is None and names.table is None):
        return
    for comparison in comparisons(audience.where):
        yield from comparison_problems(
            setup, names, at(place, "where"), comparison, in_table=bool(names.table)
        )


def comparison_problems(
    setup: Setup, names: Names, place: str, comparison: Comparison, *, in_table: bool = False
) -> Iterator[Problem]:
    """One comparison: its field, its operator, its value. `in_table` marks one that the database is asked."""
    found = names.place(comparison.field)
    if found is None:
        yield name_problem(setup, names, at(place, comparison.field), comparison.field)
        return
    if in_table and found.origin == "store":
        yield error(
            at(place, comparison.field),
            f"The audience is chosen in the database, which doesn't know the store {found.part}.",
            "Use the table's variables here.",
        )
    try:
        checked(comparison, names)
    except SetupError as wrong:
        yield error(at(place, comparison.field), wrong.message, wrong.hint)
    if found.type == "text" and comparison.value in (True, False) and isinstance(comparison.value, bool):
        yield advice(
            at(place, comparison.field),
            f"The value was read as {str(comparison.value).lower()}, which YAML makes of yes, no, on and off.",
            'Put it in quotes if a text was meant: "NO".',
        )


def name_problem(setup: Setup, names: Names, place: str, name: str) -> Problem:
    """A name in content or a condition that leads nowhere, and what was probably meant."""
    if name in variable_types(setup):
        return _misplaced_variable(names, place, name)
    meant = _meant(name, all_names(names))
    if meant and meant.casefold() == name.casefold():
        return error(place, f"{name} isn't known: it is written {meant}.", f"Write {meant}.", meant)
    hint = f"Did you mean {meant}?" if meant else "Write Stream.field, Store.field or the name of a variable."
    return error(place, f"{name} isn't a field that this campaign knows.", hint, meant)


def _meant(name: str, options: list[str]) -> str:
    """Of a known part the nearest field; else the nearest name, or the field of that name that another part has."""
    part, _, asked = name.rpartition(".")
    fields = [each.removeprefix(f"{part}.") for each in options if part and each.startswith(f"{part}.")]
    if fields:
        meant = near(asked, fields)
        return f"{part}.{meant}" if meant else ""
    elsewhere = (each for each in options if each.rpartition(".")[2].casefold() == asked.casefold())
    return near(name, options) or next(elsewhere, "")


def _misplaced_variable(names: Names, place: str, name: str) -> Problem:
    if names.table is not None:
        return error(
            place,
            f"The variable {name} isn't in the table {names.table.name}.",
            f"Use a variable of {names.table.name}, or choose the other table as audience.",
        )
    held = [
        f"{store.name}.{each.name}"
        for store in names.stores
        for each in store.fields
        if each.variable == name
    ]
    return error(
        place,
        f"{name} is a variable of the data tables, which an event-triggered campaign doesn't read.",
        f"Take it from the store: {held[0]}." if held else "Put it into a store, and take the store's field.",
        held[0] if held else "",
    )


def all_names(names: Names) -> list[str]:
    """Every name that a campaign can use."""
    found = [f"{names.stream.name}.{each.name}" for each in names.stream.fields] if names.stream else []
    found += [f"{store.name}.{each.name}" for store in names.stores for each in store.fields]
    return found + ([each.name for each in names.table.variables] if names.table else [])


def look_up_problems(names: Names, place: str, stores: frozenset[str]) -> Iterator[Problem]:
    """Whether the stores that a campaign looks up can be asked by the key that it has."""
    if names.stream is not None:
        ours, key = f"the stream {names.stream.name}", _reference(names.stream.fields)
    elif names.table is not None:
        ours, key = f"the table {names.table.name}", names.table.key
    else:
        return
    for store in names.stores:
        theirs = _reference(store.fields)
        if store.name in stores and key and theirs and theirs != key:
            yield error(
                place,
                f"The store {store.name} is keyed by {theirs}, and {ours} by {key}: nobody can be looked up.",
                "Give both References the same variable.",
            )


def _reference(fields: tuple[FieldDefinition, ...]) -> str:
    return next((each.variable for each in fields if each.type == "Reference"), "")


def delivery_problems(setup: Setup, campaign: Campaign, traits: ChannelTraits) -> Iterator[Problem]:
    """The channel, limits and expiry."""
    place = at("campaigns", campaign.name)
    named = campaign.message.delivery.channel
    if setup.channel(named) is None:
        channels = [each.name for each in setup.channels]
        yield unknown(at(place, "delivery", "channel"), "channel", named, channels)
    if campaign.limits and traits.fills:
        yield advice(
            at(place, "limits"),
            "Filling a store is no communication, so limits don't hold it back.",
            "Leave the limits out.",
        )
    for (messages, within), times in Counter(
        (each.messages, each.within) for each in campaign.limits
    ).items():
        if times > 1:
            yield advice(
                at(place, "limits"),
                f"There are {times} limits for {messages} messages within {within}; the smallest one decides.",
                "Keep one of them.",
            )
    yield from _expiry(setup, campaign)


def _expiry(setup: Setup, campaign: Campaign) -> Iterator[Problem]:
    if campaign.expires is None:
        return
    place, recognised = at("campaigns", campaign.name, "expires"), setup.realtime_data.recognise_repeats
    if campaign.audience.table:
        yield advice(place, "Only events expire, and the audience is a table.", "Leave `expires` out.")
    elif campaign.expires.milliseconds > recognised.milliseconds:
        yield advice(
            place,
            f"Events older than {recognised} are withheld anyway, because repeats are recognised no longer.",
            f"Write at most {recognised}.",
            str(recognised),
        )

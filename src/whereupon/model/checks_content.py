"""What can be wrong with a campaign's content: fields, sources, templates, rules, defaults."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from whereupon.model.checks_campaigns import comparison_problems, look_up_problems, name_problem
from whereupon.model.content import ROOTS, ChannelTraits, ContentError, filling, plan
from whereupon.model.errors import SetupError
from whereupon.model.findings import Problem, advice, at, error, near, repeated
from whereupon.model.names import Names
from whereupon.model.running import Published
from whereupon.model.setup import Campaign, Channel, Content, Setup, Store
from whereupon.model.tree import comparisons
from whereupon.model.velocity import Template, TemplateError, parse, repair_quotes


def content_problems(
    setup: Setup, campaign: Campaign, names: Names, traits: ChannelTraits, filled: Store | None
) -> Iterator[Problem]:
    """Everything about the content of one campaign. `filled` is the store that its channel fills."""
    place = at("campaigns", campaign.name, "content")
    content = campaign.message.content
    channel = setup.channel(campaign.message.delivery.channel)
    yield from repeated(place, "content fields", (each.field for each in content))
    for each in content:
        yield from _one(setup, campaign, names, each)
    if channel is not None:
        yield from _fields(place, campaign, channel, traits, filled)
        yield from _filled(place, campaign, channel, names, filled)
        yield from _planned(setup, campaign, channel, names, traits, filled)


def _one(setup: Setup, campaign: Campaign, names: Names, content: Content) -> Iterator[Problem]:
    place = at("campaigns", campaign.name, "content", content.field)
    given = [
        name
        for name, value in (
            ("text", content.text), ("from", content.source), ("template", content.template), ("when", content.when),
        )
        if value is not None
    ]  # fmt: skip
    if len(given) != 1:
        said = f"{' and '.join(given)} at once" if given else "no content"
        yield error(
            place, f"{content.field} has {said}.", "Give exactly one of text, from, template and when."
        )
    if content.field in ROOTS:
        yield error(
            place,
            f"A content field can't be called {content.field}: in templates ${content.field} means something else.",
            "Give it another name.",
        )
    if content.source is not None:
        yield from _source(setup, names, place, content.source)
    if content.template is not None:
        others = [each.field for each in campaign.message.content]
        channel = setup.channel(campaign.message.delivery.channel)
        expected = channel.fields if channel is not None else ()
        yield from _template(names, place, content.template, others, expected)
    yield from _rules(setup, names, place, content)


def _source(setup: Setup, names: Names, place: str, name: str) -> Iterator[Problem]:
    found = names.place(name)
    if found is None:
        yield name_problem(setup, names, place, name)
    elif found.origin == "store" and names.stream is not None:
        store = next(each for each in names.stores if each.name == found.part)
        field = next(each for each in store.fields if each.name == found.field)
        same = next(
            (
                each.name
                for each in names.stream.fields
                if (field.variable and each.variable == field.variable) or each.name == field.name
            ),
            "",
        )
        if same:
            better = f"{names.stream.name}.{same}"
            yield advice(
                place,
                f"The stream has it too: {better} needs no look-up and is newer than {name}.",
                f"Take it from {better}.",
                better,
            )


def _template(
    names: Names, place: str, source: str, fields: Collection[str], expected: Collection[str]
) -> Iterator[Problem]:
    try:
        template = parse(source)
    except TemplateError as wrong:
        repaired, said = repair_quotes(source)
        hint = f"Make the curly quotes in it straight: {repaired}" if said else wrong.hint
        yield error(place, f"The template can't be read: {wrong.message}", hint, repaired if said else "")
        return
    for name in sorted(template.references):
        # A name that the channel expects is right; the field that should bear it is told to be renamed.
        renamed = name in expected and near(name, [each for each in fields if each not in expected])
        if name not in ROOTS and name not in fields and not renamed:
            yield _reference(place, name, fields)
    yield from _paths(names, place, template)
    for each in template.unguarded:
        if each.lstrip("$!{").split(".")[0].rstrip("}") not in fields:
            yield advice(
                place,
                f"{each} withholds the message whenever there is no value for it.",
                f"Write {each.replace('$', '$!', 1)}, or put #if around it.",
            )


def _reference(place: str, name: str, fields: Collection[str]) -> Problem:
    meant = near(name, [*fields, *ROOTS])
    if meant:
        said = f"${name} is no content field: did you mean ${meant}?"
        return error(place, said, f"Write ${meant}, with the same capitals.", meant)
    return error(
        place,
        f"${name} is no content field of this message.",
        "Add a content field of that name, or use $stream, $store or $data.",
    )


def _paths(names: Names, place: str, template: Template) -> Iterator[Problem]:
    """`$stream.x` and `$store.x` that no stream or store has."""
    there: dict[str, list[str]] = {
        "stream": [each.name for each in names.stream.fields] if names.stream is not None else [],
        "store": [each.name for store in names.stores for each in store.fields]
        + [store.name for store in names.stores],
    }
    methods = {"get", "containsKey", "keySet", "values", "entrySet", "size", "isEmpty"}
    for root, *steps in sorted(template.paths):
        if root in there and steps and steps[0] not in methods and steps[0] not in there[root]:
            meant = near(steps[0], there[root])
            hint = f"Did you mean ${root}.{meant}?" if meant else f"Use a field that the {root} has."
            yield error(place, f"${root} has no {steps[0]}.", hint, meant)


def _rules(setup: Setup, names: Names, place: str, content: Content) -> Iterator[Problem]:
    rules = content.when or ()
    if content.when is not None and not rules:
        yield error(place, "There are no rules.", "Add {if: …, text: …} and, last, {else: …}.")
    for number, rule in enumerate(rules, 1):
        inside = at(place, f"rule {number}")
        if rule.condition is None and number < len(rules):
            yield error(inside, "No rule after `else` is ever asked.", "Make `else` the last rule.")
        for each in comparisons(rule.condition) if rule.condition is not None else ():
            yield from comparison_problems(setup, names, inside, each)


def _fields(
    place: str, campaign: Campaign, channel: Channel, traits: ChannelTraits, filled: Store | None
) -> Iterator[Problem]:
    """Which fields the channel expects, and which it gets."""
    given = {each.field for each in campaign.message.content} | filling(channel, filled).keys()
    for each in campaign.message.content:
        if each.field not in channel.fields:
            meant = near(
                each.field, [field for field in channel.fields if field not in given] or channel.fields
            )
            hint = (
                f"Rename it to {meant}."
                if meant
                else f"It expects {', '.join(channel.fields) or 'no fields'}."
            )
            said = f"The channel {channel.name} doesn't expect {each.field}"
            yield error(at(place, each.field), f"{said}{f', but {meant}' if meant else ''}.", hint, meant)
    for field in sorted(traits.requires - given):
        yield error(
            place, f"The channel {channel.name} can't send without {field}.", f"Add content for {field}."
        )
    for field in channel.fields:
        if field not in given and field not in traits.requires and filled is None:
            yield advice(
                place,
                f"Nothing fills {field}, which the channel {channel.name} has.",
                f"Add content for {field}.",
            )
    if not given:
        yield error(place, "The message has no content.", "Add a content field for what the channel expects.")


def _filled(
    place: str, campaign: Campaign, channel: Channel, names: Names, filled: Store | None
) -> Iterator[Problem]:
    """A channel that fills a store fills every field of it."""
    if filled is None:
        return
    given = {each.field for each in campaign.message.content}
    variables = filling(channel, filled)
    for each in filled.fields:
        if each.name not in given and each.name not in variables:
            how = (
                f"Add {each.variable} to the channel's additional variables, or content for {each.name}."
                if each.variable and each.type != "String"
                else f"Add content for {each.name}."
            )
            yield error(
                at(place, each.name), f"Nothing fills the field {each.name} of the store {filled.name}.", how
            )
        variable = variables.get(each.name, "")
        if (
            variable
            and each.name not in given
            and names.place(variable) is None
            and (names.table or names.stream)
        ):
            where = names.table.name if names.table is not None else "the stream"
            yield error(
                at(place, each.name),
                f"{each.name} is filled by the variable {variable}, which {where} doesn't have.",
                f"Add content for {each.name}, or choose an audience that has the variable.",
            )


def _planned(
    setup: Setup,
    campaign: Campaign,
    channel: Channel,
    names: Names,
    traits: ChannelTraits,
    filled: Store | None,
) -> Iterator[Problem]:
    """What only shows when the whole is put together: circles, look-ups, defaults."""
    published = Published(0, 0, campaign, channel, 0, names.stream, names.stores)
    place = at("campaigns", campaign.name, "content")
    try:
        made = plan(published, names, traits, filled)
    except ContentError as wrong:
        yield error(place, wrong.message, wrong.hint)
        return
    except SetupError:  # a single field's mistake, told above
        return
    where = campaign.audience.where
    looked_up = made.stores | (names.stores_in(where) if where is not None else frozenset())
    yield from look_up_problems(names, place, looked_up)
    yield from _defaults(campaign, made.stores, [each.field for each in made.steps if each.stores])


def _defaults(campaign: Campaign, stores: frozenset[str], fields: list[str]) -> Iterator[Problem]:
    place = at("campaigns", campaign.name, "when_not_found")
    given = {each.field for each in campaign.message.content if each.default is not None}
    if campaign.when_not_found == "default" and not stores:
        yield advice(place, "No content comes from a store, so nothing is ever not found.", "Leave it out.")
    if campaign.when_not_found == "default":
        for field in fields:
            if field not in given:
                yield error(
                    at("campaigns", campaign.name, "content", field),
                    f"{field} comes from a store and has no default for persons that it doesn't know.",
                    "Give it a default (it may be an empty text), or choose when_not_found: withhold.",
                )
    elif given:
        yield advice(
            place,
            f"The default of {', '.join(sorted(given))} is never used, because the message is withheld.",
            "Choose when_not_found: default, or leave the defaults out.",
        )

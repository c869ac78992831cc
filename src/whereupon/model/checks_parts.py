"""What can be wrong with a system's data, providers, stores, streams, channels and access."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from zoneinfo import ZoneInfo, available_timezones

from whereupon.model.content import ChannelTraits
from whereupon.model.findings import Problem, advice, at, error, letters, near, repeated, unknown
from whereupon.model.names import variable_types
from whereupon.model.setup import Channel, DataTable, FieldDefinition, Provider, Setup, Store, Stream

ROLES = (
    "System Administrator",
    "Campaign Designer",
    "Pull Marketing Administrator",
    "Streams Administrator",
)

Kinds = Mapping[str, Collection[str]]
"""Role (stream, store, channel) → the kinds that there are; a role that is missing isn't checked."""


def system_problems(setup: Setup) -> Iterator[Problem]:
    """The system's own settings, its users and groups."""
    if not known_zone(setup.system.time_zone):
        zone = setup.system.time_zone
        meant = near(zone, available_timezones())
        hint = f"Did you mean {meant}?" if meant else "Write one like Europe/London or UTC."
        yield error(at("system", "time_zone"), f"There is no time zone {zone}.", hint, meant)
    yield from repeated(at("access", "groups"), "groups", (each.name for each in setup.access.groups))
    yield from repeated(at("access", "users"), "users", (each.name for each in setup.access.users))
    for where, members in (("groups", setup.access.groups), ("users", setup.access.users)):
        for each in members:
            for role in each.roles:
                if role not in ROLES:
                    yield unknown(at("access", where, each.name), "role", role, ROLES)


def known_zone(name: str) -> bool:
    """True for the name of an IANA time zone."""
    try:
        ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        return False
    return True


def data_problems(setup: Setup) -> Iterator[Problem]:
    """Data tables and their variables."""
    tables = setup.data.tables
    yield from repeated(at("data", "tables"), "tables", (each.name for each in tables))
    for table in tables:
        yield from _table(table)
    seen: dict[str, str] = {}
    for table in tables:
        for variable in {each.name for each in table.variables}:
            if seen.setdefault(variable, table.name) != table.name:
                yield error(
                    at("data", "tables", table.name, "variables", variable),
                    f"The variable {variable} is in {seen[variable]} too.",
                    "Give one of the two another name: a variable's name alone says which is meant.",
                )
    marked = [each.name for each in tables if each.contact is not None]
    for name in marked[1:]:
        place = at("data", "tables", name, "contact")
        yield error(place, f"{marked[0]} is the contacts' table already.", "Mark one table as contacts.")


def _table(table: DataTable) -> Iterator[Problem]:
    place = at("data", "tables", table.name)
    variables = [each.name for each in table.variables]
    yield from repeated(at(place, "variables"), "variables", variables)
    if bool(table.file) == bool(table.connection):
        said = "both a file and a connection" if table.file else "neither a file nor a connection"
        yield error(place, f"The table has {said}.", "Give a file, or a connection and a table there.")
    if table.connection and not table.table:
        yield error(place, "The connection names no table.", "Write the other database's table as `table`.")
    if not variables:
        yield error(place, "The table has no variables.", "List its columns as variables.")
    if table.key not in variables:
        yield unknown(at(place, "key"), "variable", table.key, variables)
    marks = table.contact.model_dump() if table.contact is not None else {}
    for mark, variable in marks.items():
        if variable and variable not in variables:
            yield unknown(at(place, "contact", mark), "variable", variable, variables)


def part_problems(setup: Setup, kinds: Kinds) -> Iterator[Problem]:
    """Providers, stores and streams."""
    pull, streams = setup.pull_marketing, setup.streams
    yield from _providers("pull_marketing", pull.providers, kinds.get("store"))
    yield from _providers("streams", streams.providers, kinds.get("stream"))
    yield from repeated(at("pull_marketing", "stores"), "stores", (each.name for each in pull.stores))
    yield from repeated(at("streams", "streams"), "streams", (each.name for each in streams.streams))
    for store in pull.stores:
        yield from _part(setup, at("pull_marketing", "stores", store.name), store, pull.providers)
    for stream in streams.streams:
        yield from _part(setup, at("streams", "streams", stream.name), stream, streams.providers)
        if any(each.name == stream.name for each in pull.stores):
            yield advice(
                at("streams", "streams", stream.name),
                f"A store is called {stream.name} too; where both have a field, the stream's is taken.",
                "Give one of them another name.",
            )


def _providers(where: str, providers: Sequence[Provider], kinds: Collection[str] | None) -> Iterator[Problem]:
    place = at(where, "providers")
    yield from repeated(place, "providers", (each.name for each in providers))
    for each in providers:
        if kinds is not None and each.type not in kinds:
            yield unknown(at(place, each.name, "type"), "kind of provider", each.type, kinds)


def _part(setup: Setup, place: str, part: Store | Stream, providers: Sequence[Provider]) -> Iterator[Problem]:
    there = [each.name for each in providers]
    if part.provider not in there:
        yield unknown(at(place, "provider"), "provider", part.provider, there)
    table = part.data_definition.table if part.data_definition is not None else ""
    if table and setup.table(table) is None:
        tables = [each.name for each in setup.data.tables]
        yield unknown(at(place, "data_definition", "table"), "table", table, tables)
    yield from repeated(at(place, "fields"), "fields", (each.name for each in part.fields))
    yield from _references(place, part.fields)
    variables = variable_types(setup)
    for each in part.fields:
        yield from _field(at(place, "fields", each.name), each, variables)


def _references(place: str, fields: Sequence[FieldDefinition]) -> Iterator[Problem]:
    found = [each.name for each in fields if each.type == "Reference"]
    if not found:
        yield error(
            at(place, "fields"),
            "No field is the Reference, so nobody knows whom a record or an event is about.",
            "Give the field that holds the person's key (urn) the type Reference, and its variable (Person URN).",
        )
    if len(found) > 1:
        yield error(
            at(place, "fields"),
            f"{' and '.join(found)} are all References, and exactly one field is the key.",
            "Make the others Variable or String.",
        )


def _field(place: str, found: FieldDefinition, variables: Collection[str]) -> Iterator[Problem]:
    if found.type == "String" and found.variable:
        yield advice(
            place,
            f"{found.name} is free text, so the variable {found.variable} means nothing to it.",
            "Make it a Variable, or leave the variable out.",
        )
    elif found.type != "String" and not found.variable:
        yield error(
            place,
            f"{found.name} is a {found.type}, but names no variable.",
            "Choose the variable that it stands for, or make it a String.",
        )
    elif found.type != "String" and found.variable not in variables:
        yield unknown(place, "variable", found.variable, variables)


def channel_problems(setup: Setup, traits: Mapping[str, ChannelTraits], kinds: Kinds) -> Iterator[Problem]:
    """Channels."""
    yield from repeated("channels", "channels", (each.name for each in setup.channels))
    variables = variable_types(setup)
    known = kinds.get("channel")
    for channel in setup.channels:
        place = at("channels", channel.name)
        if known is not None and channel.type not in known:
            yield unknown(at(place, "type"), "kind of channel", channel.type, known)
        yield from repeated(at(place, "fields"), "fields", channel.fields)
        for variable in channel.additional_variables:
            if variable not in variables:
                yield unknown(at(place, "additional_variables"), "variable", variable, variables)
        yield from _filling(setup, place, channel, traits.get(channel.type, ChannelTraits()))


def filled_store(setup: Setup, channel: Channel, traits: ChannelTraits) -> Store | None:
    """The store that a channel fills, if it fills one that there is."""
    return setup.store(_store_named(channel, traits)) if traits.fills else None


def _store_named(channel: Channel, traits: ChannelTraits) -> str:
    """The setting's value; settings are read without case and punctuation."""
    wanted = letters(traits.fills)
    return next((str(value) for name, value in channel.settings.items() if letters(name) == wanted), "")


def _filling(setup: Setup, place: str, channel: Channel, traits: ChannelTraits) -> Iterator[Problem]:
    if not traits.fills:
        if channel.additional_variables:
            yield advice(
                at(place, "additional_variables"),
                "The channel fills no store, so its additional variables go nowhere.",
                "Leave them out, or put the values into content.",
            )
        return
    store = filled_store(setup, channel, traits)
    if store is None:
        named = _store_named(channel, traits)
        stores = [each.name for each in setup.pull_marketing.stores]
        yield unknown(at(place, "settings", traits.fills), "store", named, stores)
        return
    fields = [each.name for each in store.fields]
    for field in channel.fields:
        if field not in fields:
            yield unknown(
                at(place, "fields", field), f"field in the store {store.name} called", field, fields
            )
    stands_for = {each.variable for each in store.fields if each.type != "String"}
    for variable in channel.additional_variables:
        if variable not in stands_for:
            yield advice(
                at(place, "additional_variables", variable),
                f"No field of the store {store.name} stands for {variable}.",
                "Add such a field to the store, or leave the variable out.",
            )

"""The set-up of a system: what an admin and a marketer configure, as frozen values that mirror the set-up file."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    model_validator,
)

from whereupon.model.conditions import Condition
from whereupon.model.durations import Duration
from whereupon.model.schedules import Schedule, schedule

# Control characters, ends of lines and signs that turn the direction of writing round.
_UNSEEN = re.compile("[\\x00-\\x1f\\x7f-\\x9f\\u2028-\\u202e\\u2066-\\u2069]")


def _one_line(name: str) -> str:
    if _UNSEEN.search(name):
        raise ValueError(
            "has characters that aren't seen, such as the end of a line; write it as one line of text"
        )
    return name


FieldType = Literal["Reference", "Variable", "String"]
VariableType = Literal["text", "number", "date", "datetime", "boolean"]
Name = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_one_line)]
When = Annotated[Schedule, BeforeValidator(schedule), PlainSerializer(str)]


class Noun(BaseModel):
    """A frozen value that refuses keys it doesn't know."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class FieldDefinition(Noun):
    """One field of a stream or store: the key (Reference), a system variable's value (Variable) or free text."""

    name: Name
    type: FieldType
    variable: str = ""
    label: str = ""


def reference_of(fields: Iterable[FieldDefinition]) -> str:
    """The name of the Reference among the fields of a stream or store, or nothing."""
    return next((each.name for each in fields if each.type == "Reference"), "")


class DataDefinition(Noun):
    """Where the fields appear in the palette, and which table the records are at."""

    folder: Name
    table: str = ""


class Variable(Noun):
    """What is known about a person: one column of a data table under the name that everybody uses."""

    name: Name
    column: Name
    type: VariableType = "text"


class Contact(Noun):
    """Which variables of the contacts table identify, reach and address a person; empty = none."""

    external_id: str = ""
    email: str = ""
    phone: str = ""
    first_name: str = ""
    last_name: str = ""
    language: str = ""


class DataTable(Noun):
    """People: a file imported once into the system database, or a table read where it is."""

    name: Name
    file: str = ""
    connection: str = ""
    table: str = ""
    key: Name
    contact: Contact | None = None
    variables: tuple[Variable, ...]


class Provider(Noun):
    """A connection shared by stores or streams: a kind of component and its settings."""

    name: Name
    type: Name
    settings: dict[str, Any] = {}


class Store(Noun):
    """A Pull Marketing store: records that a campaign looks up by their Reference."""

    name: Name
    provider: Name
    settings: dict[str, Any] = {}
    data_definition: DataDefinition | None = None
    fields: tuple[FieldDefinition, ...] = ()


class Stream(Noun):
    """A stream of events. `event_id` and `event_time` name fields of the event; `start` is where a new one begins."""

    name: Name
    provider: Name
    settings: dict[str, Any] = {}
    start: Literal["earliest", "latest"] = "earliest"
    event_id: str = ""
    event_time: str = ""
    data_definition: DataDefinition | None = None
    fields: tuple[FieldDefinition, ...] = ()


class Channel(Noun):
    """A way out: a kind of component, its settings, and the content fields it expects."""

    name: Name
    type: Name
    settings: dict[str, Any] = {}
    fields: tuple[str, ...] = ()
    additional_variables: tuple[str, ...] = ()


class Audience(Noun):
    """Who: the events of a stream or the rows of a table, narrowed by a condition."""

    stream: str = ""
    table: str = ""
    where: Condition | None = None


class Rule(Noun):
    """One line of rules: the first whose condition holds gives the text; a rule without a condition always holds."""

    condition: Condition | None = Field(default=None, alias="if")
    text: str

    @model_validator(mode="before")
    @classmethod
    def _else(cls, value: object) -> object:
        if isinstance(value, dict) and "else" in value and "text" not in value:
            return {**{name: each for name, each in value.items() if name != "else"}, "text": value["else"]}
        return value


class Content(Noun):
    """What fills one field of the message: exactly one of text, from, template or when.

    `default` stands in where the store has no record of the person and the campaign says `when_not_found: default`.
    """

    field: Name
    text: str | None = None
    source: str | None = Field(default=None, alias="from")
    template: str | None = None
    when: tuple[Rule, ...] | None = None
    default: str | None = None


class Delivery(Noun):
    """The channel that a message leaves by."""

    channel: Name


class MessageDefinition(Noun):
    """Content and delivery."""

    content: tuple[Content, ...] = ()
    delivery: Delivery


class Limit(Noun):
    """At most so many messages a person within a sliding window, counting any, this channel's or this campaign's."""

    at_most: int = Field(ge=1, le=10_000)
    messages: Literal["any", "channel", "campaign"] = "any"
    within: Duration


class Campaign(Noun):
    """An audience, a message and a schedule. The elements after `publish` make it no real-time campaign."""

    name: Name
    audience: Audience
    message: MessageDefinition
    schedule: When
    when_not_found: Literal["withhold", "default"] = "withhold"
    limits: tuple[Limit, ...] = ()
    expires: Duration | None = None
    priority: int = 0
    publish: bool = False
    pool: Any = None
    split: Any = None
    wait: Any = None
    audiences: Any = None


class Group(Noun):
    """Users that share roles."""

    name: Name
    members: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()


class User(Noun):
    """A person who signs in."""

    name: Name
    roles: tuple[str, ...] = ()


class Access(Noun):
    """Who may do what."""

    groups: tuple[Group, ...] = ()
    users: tuple[User, ...] = ()


class System(Noun):
    """The system's name and its time zone (IANA)."""

    name: Name
    time_zone: str = "UTC"


class Data(Noun):
    """What is known about people."""

    tables: tuple[DataTable, ...] = ()


class PullMarketing(Noun):
    """Providers and stores."""

    providers: tuple[Provider, ...] = ()
    stores: tuple[Store, ...] = ()


class Streams(Noun):
    """Providers and streams."""

    providers: tuple[Provider, ...] = ()
    streams: tuple[Stream, ...] = ()


class RealtimeData(Noun):
    """When communications are loaded from the stash, and how long a repeated event is recognised."""

    load_communications: When = Field(default_factory=lambda: schedule("daily 03:00"))
    recognise_repeats: Duration = Field(default_factory=lambda: Duration("90 days"))


class Setup(Noun):
    """Everything configured in one system; one save of it is one revision."""

    system: System
    access: Access = Access()
    data: Data = Data()
    pull_marketing: PullMarketing = PullMarketing()
    streams: Streams = Streams()
    channels: tuple[Channel, ...] = ()
    campaigns: tuple[Campaign, ...] = ()
    realtime_data: RealtimeData = Field(default_factory=RealtimeData)

    def stream(self, name: str) -> Stream | None:
        """The stream of this name."""
        return next((each for each in self.streams.streams if each.name == name), None)

    def store(self, name: str) -> Store | None:
        """The store of this name."""
        return next((each for each in self.pull_marketing.stores if each.name == name), None)

    def channel(self, name: str) -> Channel | None:
        """The channel of this name."""
        return next((each for each in self.channels if each.name == name), None)

    def table(self, name: str) -> DataTable | None:
        """The data table of this name."""
        return next((each for each in self.data.tables if each.name == name), None)

    def campaign(self, name: str) -> Campaign | None:
        """The campaign of this name."""
        return next((each for each in self.campaigns if each.name == name), None)

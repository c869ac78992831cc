"""Names in content and conditions: `Stream.field`, `Store.field`, or a variable; and where their values come from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import TYPE_CHECKING, Literal

import msgspec

from whereupon.model.errors import SetupError
from whereupon.model.tree import fields_of

if TYPE_CHECKING:
    from whereupon.model.running import Published
    from whereupon.model.setup import Campaign, DataTable, FieldDefinition, Setup, Store, Stream, VariableType
    from whereupon.model.tree import Condition

Origin = Literal["stream", "store", "row"]


class Known(msgspec.Struct, frozen=True, gc=False):
    """What is known when a condition or content is asked.

    `stream` holds the event's fields; `stores` the records by store name (None = looked up and not found); `row` the
    variables of a person in a data table; `at` is the event's time in UTC milliseconds, `zone` the system's.
    """

    stream: Mapping[str, object]
    stores: Mapping[str, Mapping[str, str] | None]
    row: Mapping[str, object]
    at: int
    zone: tzinfo


@dataclass(frozen=True, slots=True)
class Place:
    """Where a name leads: `part` is the stream's, store's or table's name. `free` marks a String field."""

    origin: Origin
    part: str
    field: str
    type: VariableType = "text"
    free: bool = False


@dataclass(frozen=True, slots=True)
class Names:
    """The names that a campaign can use. `variables` gives types to the fields that stand for a variable."""

    stream: Stream | None = None
    stores: tuple[Store, ...] = ()
    table: DataTable | None = None
    variables: Mapping[str, VariableType] = field(default_factory=dict)

    @classmethod
    def of(cls, setup: Setup, campaign: Campaign) -> Names:
        """The names of one campaign in a set-up."""
        audience = campaign.audience
        return cls(
            stream=setup.stream(audience.stream),
            stores=setup.pull_marketing.stores,
            table=setup.table(audience.table),
            variables=variable_types(setup),
        )

    @classmethod
    def published(cls, published: Published, setup: Setup) -> Names:
        """The names of a published campaign, with the field lists that it was published with."""
        table = setup.table(published.campaign.audience.table)
        return cls(published.stream, published.stores, table, variable_types(setup))

    def place(self, name: str) -> Place | None:
        """Where a name leads; None if it isn't known here.

        A bare variable is the table's, in an event-triggered campaign the stream's field that stands for it. A variable
        that carries a part's name and a point in its own name wins over the part's field.
        """
        return self._variable(name) or self._of_part(name)

    def known(self, name: str) -> Place:
        """Where a name leads; raises SetupError if it isn't known here."""
        found = self.place(name)
        if found is None:
            raise SetupError(
                f"{name} isn't a field of this campaign's stream, stores or table.",
                hint="Write Stream.field, Store.field or the name of a variable, with the same capitals.",
            )
        return found

    def reader(self, name: str) -> Callable[[Known], object]:
        """How the value of a name is taken from what is known; raises SetupError if the name isn't known."""
        place = self.known(name)
        part, key = place.part, place.field
        if place.origin == "stream":
            return lambda known: known.stream.get(key)
        if place.origin == "row":
            return lambda known: known.row.get(key)

        def of_store(known: Known) -> object:
            record = known.stores.get(part)
            return None if record is None else record.get(key)

        return of_store

    def stores_in(self, condition: Condition) -> frozenset[str]:
        """The stores that a condition makes necessary."""
        return self.stores_of(fields_of(condition))

    def stores_of(self, names: Iterable[str]) -> frozenset[str]:
        """The stores among the places that names lead to."""
        places = (self.place(name) for name in names)
        return frozenset(each.part for each in places if each is not None and each.origin == "store")

    def _variable(self, name: str) -> Place | None:
        if self.table is not None:
            found = next((each for each in self.table.variables if each.name == name), None)
            return Place("row", self.table.name, name, found.type) if found is not None else None
        if self.stream is None:
            return None
        carried = (each for each in self.stream.fields if each.variable == name and each.type != "String")
        found_field = next(carried, None)
        return self._field("stream", self.stream.name, found_field) if found_field is not None else None

    def _of_part(self, name: str) -> Place | None:
        parts: list[tuple[Origin, Stream | Store]] = [("store", each) for each in self.stores]
        if self.stream is not None:
            parts.insert(0, ("stream", self.stream))
        for origin, part in parts:
            for each in part.fields if name.startswith(f"{part.name}.") else ():
                if name == f"{part.name}.{each.name}":
                    return self._field(origin, part.name, each)
        return None

    def _field(self, origin: Origin, part: str, found: FieldDefinition) -> Place:
        free = found.type == "String"
        type = "text" if free else self.variables.get(found.variable, "text")
        return Place(origin, part, found.name, type, free)


def variable_types(setup: Setup) -> dict[str, VariableType]:
    """The type of every variable of all data tables; of two with one name the first counts."""
    types: dict[str, VariableType] = {}
    for table in setup.data.tables:
        for each in table.variables:
            types.setdefault(each.name, each.type)
    return types

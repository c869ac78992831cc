"""What a message says: content compiled once for a campaign's version, rendered for each person."""

from __future__ import annotations

import html
from collections.abc import Callable
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from whereupon.model.conditions import Known, Names, compiled
from whereupon.model.errors import SetupError
from whereupon.model.reasons import REASONS, Withheld
from whereupon.model.running import Published
from whereupon.model.setup import Channel, Content, Rule, Store
from whereupon.model.templates import TemplateProblem, written
from whereupon.model.values import as_text

__all__ = ["REASONS", "ChannelTraits", "MessagePlan", "Withheld", "filling", "looked_up", "plan"]

ROOTS = ("stream", "store", "data")
"""What every template sees beside the other content fields."""

Context = dict[str, object]
Maker = Callable[[Known, Context], str]


class ContentError(SetupError):
    """Content fields that don't fit together, though each of them is sound."""


@dataclass(frozen=True, slots=True)
class ChannelTraits:
    """What problems and content have to know of a kind of channel.

    `fills` is the name of the setting that names the store it fills ("" = it communicates). Fields in `html` are
    markup: values that are put into their templates, and those taken `from` somewhere, are escaped. It can't send
    without `requires`; a message is withheld if one of `requires` or `non_empty` is rendered empty.
    """

    fills: str = ""
    html: frozenset[str] = frozenset()
    requires: frozenset[str] = frozenset()
    non_empty: frozenset[str] = frozenset({"subject"})


@dataclass(frozen=True, slots=True)
class Step:
    """One content field of a message, made in its turn. `stores` are those that it takes values from itself."""

    field: str
    make: Maker
    stores: frozenset[str]
    default: str | None


@dataclass(frozen=True, slots=True)
class Roots:
    """`$stream`, `$store` and `$data`, as far as templates ask for them.

    `$store` is the record of the only store, and holds the record of each store under the store's name as well; `$data`
    holds a table's row as its sources would give it: a list of one row under the table's name.
    """

    asked: frozenset[str]
    stores: tuple[str, ...]
    table: str

    def context(self, known: Known) -> Context:
        """A new context."""
        return {each: self._root(each, known) for each in self.asked}

    def _root(self, name: str, known: Known) -> object:
        if name == "stream":
            return {field: as_text(value) for field, value in known.stream.items()}
        if name == "data":
            row = {field: as_text(value) for field, value in known.row.items()}
            return {self.table: [row]} if self.table else {}
        records = {store: dict(known.stores.get(store) or {}) for store in self.stores}
        return {**(records[self.stores[0]] if len(records) == 1 else {}), **records}


@dataclass(frozen=True, slots=True)
class MessagePlan:
    """How the message of one campaign version is made; `stores` are those it looks up (none = no look-up at all)."""

    stores: frozenset[str]
    steps: tuple[Step, ...]
    output: tuple[str, ...]
    non_empty: tuple[str, ...]
    withhold: bool
    roots: Roots

    def render(self, known: Known) -> dict[str, str] | Withheld:
        """The message's fields in the order that its channel expects, or why there is no message."""
        missing = [each for each in self.stores if known.stores.get(each) is None]
        if missing and self.withhold:
            return Withheld("not in store", ", ".join(sorted(missing)))
        context = self.roots.context(known) if self.roots.asked else {}
        for step in self.steps:
            if missing and step.default is not None and not step.stores.isdisjoint(missing):
                context[step.field] = step.default
                continue
            try:
                context[step.field] = step.make(known, context)
            except TemplateProblem as problem:
                return Withheld("template", f"{step.field}: {problem}")
        fields: dict[str, str] = {field: context[field] for field in self.output}  # type: ignore[misc]
        for field in self.non_empty:
            if not fields[field].strip():
                return Withheld("empty subject" if field == "subject" else "empty field", field)
        return fields


def plan(
    published: Published, names: Names, traits: ChannelTraits, filled: Store | None = None
) -> MessagePlan:
    """Compile a campaign's content; raises SetupError where a name isn't known, a template can't be read, or content
    fields refer to each other in a circle. `filled` is the store that the channel fills."""
    return _Planner(published, names, traits, filled).plan()


def looked_up(
    published: Published, names: Names, traits: ChannelTraits, filled: Store | None = None
) -> frozenset[str]:
    """All stores that a campaign looks up: those of its content and those of its audience's condition."""
    where = published.campaign.audience.where
    asked = names.stores_in(where) if where is not None else frozenset()
    return plan(published, names, traits, filled).stores | asked


def filling(channel: Channel, filled: Store | None) -> dict[str, str]:
    """Store field → the additional variable that fills it, of a channel that fills a store."""
    fields = filled.fields if filled is not None else ()
    wanted = set(channel.additional_variables)
    return {each.name: each.variable for each in fields if each.type != "String" and each.variable in wanted}


class _Planner:
    """Compiles one campaign's content."""

    def __init__(
        self, published: Published, names: Names, traits: ChannelTraits, filled: Store | None
    ) -> None:
        self.names, self.traits = names, traits
        self.campaign, self.channel = published.campaign, published.channel
        content = {each.field: each for each in self.campaign.message.content}
        added = filling(self.channel, filled)
        given = {
            field: Content(field=field, source=name) for field, name in added.items() if field not in content
        }
        self.content: dict[str, Content] = {**given, **content}
        self.written = {
            field: written(each.template, field)
            for field, each in self.content.items()
            if each.template is not None
        }

    def plan(self) -> MessagePlan:
        """The finished plan."""
        asked = frozenset(root for field in self.content for root in self._roots(field))
        table = self.names.table.name if self.names.table is not None else ""
        steps = tuple(self._step(field) for field in self._order())
        demanded = self.traits.non_empty | self.traits.requires
        return MessagePlan(
            stores=frozenset().union(*(each.stores for each in steps)),
            steps=steps,
            output=self._output(),
            non_empty=tuple(field for field in self.content if field in demanded),
            withhold=self.campaign.when_not_found == "withhold",
            roots=Roots(asked, tuple(sorted(self._root_stores())), table),
        )

    def _order(self) -> tuple[str, ...]:
        """Content fields, each after those that its template refers to."""
        try:
            return tuple(
                TopologicalSorter({field: self._inside(field) for field in self.content}).static_order()
            )
        except CycleError as error:
            circle = " → ".join(error.args[1])
            raise ContentError(
                f"Content fields refer to each other in a circle: {circle}.",
                hint="Write at least one of them without referring to the others.",
            ) from None

    def _inside(self, field: str) -> list[str]:
        """The content fields that a field's template refers to."""
        asked = self.written[field].references if field in self.written else frozenset()
        return [each for each in self.content if each in asked]

    def _roots(self, field: str) -> frozenset[str]:
        return self.written[field].references & frozenset(ROOTS) if field in self.written else frozenset()

    def _root_stores(self) -> frozenset[str]:
        """What `$store` means: the stores it names, else those that content takes fields of, else the only one."""
        asking = [each for field, each in self.written.items() if "store" in self._roots(field)]
        if not asking:
            return frozenset()
        there = frozenset(each.name for each in self.names.stores)
        named = there & frozenset().union(*(each.stores for each in asking))
        found = named or frozenset().union(*(self._sources(field) for field in self.content)) or there
        if len(found) == 1 or named:
            return found
        raise ContentError(
            f"$store could mean {len(found)} stores.", hint="Name one: $!store.get('Store').get('field')."
        )

    def _sources(self, field: str) -> frozenset[str]:
        """The stores whose fields a content field names."""
        content = self.content[field]
        where = [rule.condition for rule in content.when or () if rule.condition is not None]
        asked = frozenset().union(*(self.names.stores_in(each) for each in where))
        return asked | self.names.stores_of([content.source] if content.source is not None else [])

    def _output(self) -> tuple[str, ...]:
        expected = [field for field in self.channel.fields if field in self.content]
        return (*expected, *(field for field in self.content if field not in expected))

    def _step(self, field: str) -> Step:
        asks_store = "store" in self._roots(field)
        stores = self._sources(field) | (self._root_stores() if asks_store else frozenset())
        return Step(field, self._maker(self.content[field]), stores, self.content[field].default)

    def _maker(self, content: Content) -> Maker:
        escape = content.field in self.traits.html
        if content.source is not None:
            return _taken(self.names.reader(content.source), escape)
        if content.field in self.written:
            return self.written[content.field].maker(escape)
        if content.when is not None:
            return self._chosen(content.when)
        text = content.text or ""
        return lambda known, context: text

    def _chosen(self, rules: tuple[Rule, ...]) -> Maker:
        """The text of the first rule that holds; "" if none does."""
        asked = [
            (compiled(r.condition, self.names) if r.condition is not None else None, r.text) for r in rules
        ]

        def choose(known: Known, context: Context) -> str:
            for holds, text in asked:
                if holds is None or holds(known):
                    return text
            return ""

        return choose


def _taken(read: Callable[[Known], object], escape: bool) -> Maker:
    def take(known: Known, context: Context) -> str:
        value = read(known)
        return value if type(value) is str else as_text(value)

    if not escape:
        return take
    return lambda known, context: html.escape(take(known, context))

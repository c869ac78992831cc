"""The doctor: tests for real everything that a system names, and says of each whether it holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from typing import Any

from whereupon.connect.databases import Database
from whereupon.engine.assembly import (
    Order,
    Workshop,
    channel_order,
    named_parts,
    opened,
    store_order,
    stream_order,
)
from whereupon.engine.operating import disk_reason
from whereupon.kit.roles import Component
from whereupon.model.errors import WhereuponError
from whereupon.model.setup import Setup
from whereupon.storage import checks, schema
from whereupon.storage.dead_letters import DeadLetters
from whereupon.storage.differences import normal
from whereupon.storage.operations import Hold, Operations
from whereupon.storage.past import Past
from whereupon.storage.repository import Repository
from whereupon.storage.secret_names import references


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `advice` marks what works, and yet a person should know."""

    place: str
    holds: bool
    message: str
    hint: str = ""
    advice: bool = False

    def __str__(self) -> str:
        word = "advice" if self.holds and self.advice else "holds " if self.holds else "BROKEN"
        return f"{word}  {self.place}: {self.message} {self.hint}".rstrip()


def examined(shop: Workshop, repository: Repository) -> Iterator[Finding]:
    """Everything in turn. Nothing is sent and nothing is changed."""
    sound = True
    for finding in _databases(shop):
        sound = sound and finding.holds
        yield finding
    yield _disk(shop)
    if not sound:
        return  # the configuration is in there
    try:
        setup = repository.setup()
    except WhereuponError as error:
        yield _broken("Configuration", error)
        return
    yield from _secrets(shop, setup)
    yield from _problems(shop, setup)
    yield from _parts(shop, setup)
    yield from _journal(shop, repository)


def _broken(place: str, error: WhereuponError) -> Finding:
    return Finding(place, False, error.message, error.hint)


def _databases(shop: Workshop) -> Iterator[Finding]:
    there = shop.databases
    yield _database("Database system", there.system, "system")
    yield _database("Database streams", there.streams, "streams")
    yield _database("Database pull_marketing", there.pull_marketing, None)


def _database(place: str, database: Database, which: schema.Which | None) -> Finding:
    try:
        schema.check(database)
        version = schema.version(database, which) if which is not None else ""
        with closing(database.session(write=False)):
            pass
    except WhereuponError as error:
        return _broken(place, error)
    if which is None or version == schema.newest(which):
        return Finding(place, True, f"{database.url} answers{', its schema is up to date' if which else ''}.")
    found = f"is of version {version}" if version else "isn't there"
    return Finding(
        place,
        False,
        f"The schema in {database.url} {found}.",
        "Apply the set-up file: it is brought up to date.",
    )


def _disk(shop: Workshop) -> Finding:
    reason = disk_reason(shop.system.path)
    return Finding("Disk", not reason, reason or "There is room.", "Make room." if reason else "")


def _secrets(shop: Workshop, setup: Setup) -> Iterator[Finding]:
    named = sorted(references(normal(setup)) | references(dict(shop.system.urls)))
    try:
        if not named:
            shop.vault.names()
        for each in named:
            there = shop.vault.read(each) is not None
            message = "It is set." if there else "It isn't set."
            yield Finding(f"Secret {each}", there, message, "" if there else shop.vault.advice(each))
    except WhereuponError as error:
        # A system without secrets works without a place for them.
        yield Finding("Secrets", not named, error.message, error.hint, advice=True)


def _problems(shop: Workshop, setup: Setup) -> Iterator[Finding]:
    drafts = {each.name for each in setup.campaigns if not each.publish}
    for each in checks.found(setup, shop.registry):
        steps = each.place.split(" › ")
        draft = steps[0] == "campaigns" and len(steps) > 1 and steps[1] in drafts
        weak = draft or each.severity == "advice"
        yield Finding(each.place, weak, each.message, each.hint, advice=True)


def _parts(shop: Workshop, setup: Setup) -> Iterator[Finding]:
    for store in setup.pull_marketing.stores:
        yield from _part(shop, f"Store {store.name}", partial(store_order, shop, setup, store), setup)
    for stream in setup.streams.streams:
        yield from _part(shop, f"Stream {stream.name}", partial(stream_order, shop, setup, stream), setup)
    for channel in setup.channels:
        yield from _part(shop, f"Channel {channel.name}", partial(channel_order, shop, setup, channel), setup)


def _part(shop: Workshop, place: str, order: Callable[[], Order], setup: Setup) -> Iterator[Finding]:
    """A part's own *Test*, stage by stage, and its warnings."""
    said = set()
    try:
        with ExitStack() as stack:
            part = _opened(shop, order(), setup, stack)
            for stage in part.check():
                said.add(stage.message)
                yield Finding(f"{place}, {stage.name}", stage.ok, stage.message, stage.hint, stage.advice)
            for each in part.warnings():
                if each not in said:
                    yield Finding(place, True, each, advice=True)
    except WhereuponError as error:
        yield _broken(place, error)


def _opened(shop: Workshop, order: Order, setup: Setup, stack: ExitStack) -> Component[Any, Any]:
    config = shop.registry.kind(order.role, order.kind).config
    parts = {}
    for name in named_parts(config, order.settings):
        if (store := setup.store(name)) is not None:
            parts[name] = stack.enter_context(closing(opened(shop, store_order(shop, setup, store))))
    return stack.enter_context(closing(opened(shop, order, parts)))


def _journal(shop: Workshop, repository: Repository) -> Iterator[Finding]:
    streams = shop.databases.streams
    names = {number: f"{role.capitalize()} {name}" for (role, name), number in repository.ids().items()}
    with closing(Operations(streams)) as operations:
        for hold in operations.holds():
            yield _hold(hold, names.get(hold.part, f"{hold.role.capitalize()} {hold.part}"))
    with closing(DeadLetters(streams, clock=shop.clock)) as letters:
        count = letters.count()
    hint = "Judge them: whereupon dead-letters list." if count else ""
    yield Finding("Dead letters", True, f"{count:,} wait for a judgement.", hint, advice=count > 0)
    with closing(Past(shop.databases.system, streams)) as past:
        for person, events in past.crowded():
            yield Finding(
                f"Person {person}", True, f"Has {events:,} events: campaigns with limits withhold theirs.",
                "Look whether this is a person at all.", advice=True,
            )  # fmt: skip


def _hold(hold: Hold, what: str) -> Finding:
    held = hold.kind == "held"
    hint = "Put it right; then: whereupon resume NAME." if held else "whereupon resume NAME lets it go on."
    reason = f"{hold.kind.capitalize()}: {hold.reason or 'no reason given'}."
    return Finding(what, not held, reason, hint, advice=True)

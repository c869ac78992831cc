"""The configuration of a system and its history: every save is one transaction and one revision."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from whereupon.connect.databases import Database
from whereupon.connect.session import Columns, Session, number_of
from whereupon.host.clock import Clock
from whereupon.kit.registry import Registry
from whereupon.model.errors import Locked, Mistakes, SetupError
from whereupon.model.findings import no_such
from whereupon.model.running import Running
from whereupon.model.setup import Campaign, Setup
from whereupon.storage import checks, versions
from whereupon.storage.differences import differences, normal
from whereupon.storage.hiding import hidden, part_names
from whereupon.storage.turns import Turns, writers
from whereupon.storage.vault import Vault
from whereupon.storage.versions import Body, body_of

REVISION: Columns = {
    "number": "id", "at": "id", "author": "text", "note": "text", "setup": "text", "published": "text",
    "changes": "text",
}  # fmt: skip
PART: Columns = {"id": "id", "role": "text", "name": "text"}
VERSION: Columns = {
    "campaign": "id", "number": "id", "revision": "id", "at": "id", "author": "text", "body": "text",
}  # fmt: skip
_LOCK = number_of("whereupon revision")
"""The number under which savers wait for each other."""


@dataclass(frozen=True, slots=True)
class Revision:
    """One save. `at` is UTC milliseconds; `changes` are lines that a person reads."""

    number: int
    at: int
    author: str
    note: str
    changes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _State:
    """A revision as it is stored: the set-up without secrets, and which version of each campaign was published."""

    number: int = 0
    author: str = ""
    at: int = 0
    document: str = ""
    published: Mapping[int, int] = field(default_factory=dict)

    @property
    def setup(self) -> Setup:
        return Setup.model_validate_json(self.document)


class Repository:
    """The system database as configuration; threads may share one. Raises Away or Unavailable while it is away.

    `vault` takes the secrets out of what is saved; without one, a set-up with literal secrets is refused.
    """

    def __init__(
        self,
        database: Database,
        registry: Registry,
        vault: Vault | None = None,
        *,
        clock: Clock | None = None,
    ) -> None:
        self._turns = Turns(database, writers=writers(database))
        self._registry = registry
        self._vault = vault
        self._clock = clock or Clock()

    def close(self) -> None:
        """Close the connection; a second call does nothing."""
        self._turns.close()

    # -- reading -----------------------------------------------------------------------------------------------

    def revision(self) -> int:
        """The number of the last save, 0 before the first."""
        with self._turns.session() as session:
            row = session.one("SELECT MAX(number) FROM revision")
        return int(row[0]) if row and row[0] is not None else 0

    def setup(self) -> Setup:
        """The drafts as last saved; `publish` is set where a draft is what is published. Raises SetupError if nothing
        was saved yet."""
        return self.at(None)

    def at(self, revision: int | None) -> Setup:
        """The drafts as saved in a revision (None = the last)."""
        with self._turns.session() as session:
            state = _existing(session, revision)
            bodies = versions.bodies(session, state.published)
            ids = _ids(session)
        setup = state.setup
        marked = (
            each.model_copy(update={"publish": versions.is_published(setup, each, body, self._registry)})
            for each in setup.campaigns
            for body in [bodies.get(ids["campaign", each.name])]
        )
        return setup.model_copy(update={"campaigns": tuple(marked)})

    def running(self) -> Running:
        """What a service runs: the last revision with its published versions; empty before the first save."""
        with self._turns.session() as session:
            state = _state(session, None)
            if not state.number:
                raise _nothing_saved()
            bodies = versions.bodies(session, state.published)
            ids = _ids(session)
        setup = state.setup
        published = (
            versions.published(setup, number, state.published[number], body, ids)
            for number, body in bodies.items()
        )
        there = set(part_names(setup))
        return Running(
            state.number,
            setup,
            tuple(sorted(published, key=lambda each: each.campaign.name)),
            {part: number for part, number in ids.items() if part in there},
        )

    def history(self) -> list[Revision]:
        """Every save, the last first."""
        with self._turns.session() as session:
            rows = session.all("SELECT number, at, author, note, changes FROM revision ORDER BY number DESC")
        return [
            Revision(number, at, author, note, tuple(json.loads(changes)))
            for number, at, author, note, changes in rows
        ]

    def ids(self) -> dict[tuple[str, str], int]:
        """(role, name) → lasting number, of all parts that there ever were."""
        with self._turns.session() as session:
            return _ids(session)

    def published(self) -> dict[str, int]:
        """The published campaigns by name, each with the number of its version."""
        with self._turns.session() as session:
            state, names = _state(session, None), {number: part[1] for part, number in _ids(session).items()}
        return {names[number]: version for number, version in state.published.items()}

    # -- writing -----------------------------------------------------------------------------------------------

    def save(
        self,
        setup: Setup,
        *,
        author: str,
        note: str = "",
        expected: int | None = None,
        publish: Collection[str] = (),
        withdraw: Collection[str] = (),
    ) -> int:
        """Save drafts, publish some campaigns and withdraw others: one transaction, one revision; gives its number.

        Nothing is written where nothing differs. `expected` is the revision that was edited: Locked names who saved
        meanwhile. Raises Mistakes where what is published would have errors.
        """
        with self._turns.transaction() as session:
            session.lock_rows([_LOCK])
            state = _state(session, None)
            _expect(state, expected)
            ids = _numbered(session, setup)
            without, secrets = hidden(setup, self._registry, ids)
            bodies = self._kept(session, state, setup, ids, withdraw)
            self._check(setup, publish, bodies)
            bodies |= {
                ids["campaign", name]: body_of(without, _named(without, name), self._registry)
                for name in publish
            }
            return self._write(session, state, without, bodies, author=author, note=note, secrets=secrets)

    def rollback(self, revision: int, *, author: str) -> int:
        """Make the set-up of an earlier revision the present one, with what was published then: another revision."""
        with self._turns.transaction() as session:
            session.lock_rows([_LOCK])
            state, then = _state(session, None), _existing(session, revision)
            bodies = versions.bodies(session, then.published)
            note = f"Back to revision {revision}"
            return self._write(session, state, then.setup, bodies, author=author, note=note, secrets={})

    def preview(
        self, setup: Setup, *, publish: Collection[str] = (), withdraw: Collection[str] = ()
    ) -> tuple[list[str], list[str]]:
        """What `save` would change, in lines, and which campaigns it would publish; writes nothing."""
        with self._turns.session() as session:
            state, ids = _state(session, None), _with_new(_ids(session), setup)
            before = versions.bodies(session, state.published)
        without, secrets = hidden(setup, self._registry, ids)
        there = {ids.get(("campaign", each.name)) for each in setup.campaigns if each.name not in withdraw}
        gone = [body.campaign.name for number, body in before.items() if number not in there]
        new = [
            name
            for name in publish
            if not versions.is_published(
                without, _named(without, name), before.get(ids.get(("campaign", name), 0)), self._registry
            )
        ]
        said = differences(state.setup if state.number else None, without) + self._changed_secrets(secrets)
        said += [f"Campaign {name}: published" for name in new]
        return said + [f"Campaign {name}: no longer published" for name in gone], new

    # -- inside ------------------------------------------------------------------------------------------------

    def _kept(
        self,
        session: Session,
        state: _State,
        setup: Setup,
        ids: Mapping[tuple[str, str], int],
        withdraw: Collection[str],
    ) -> dict[int, Body]:
        """The versions that stay published: of campaigns that are still there and aren't withdrawn."""
        there = {ids["campaign", each.name] for each in setup.campaigns if each.name not in withdraw}
        bodies = versions.bodies(session, state.published)
        return {number: body for number, body in bodies.items() if number in there}

    def _check(self, setup: Setup, publish: Collection[str], kept: Mapping[int, Body]) -> None:
        for name in publish:
            _named(setup, name)
        errors = checks.concerning(checks.found(setup, self._registry), setup, publish) if publish else []
        for body in kept.values():
            if body.campaign.name not in publish:
                errors += versions.errors(setup, body, self._registry)
        if errors:
            raise Mistakes(
                "What is published would have mistakes.",
                [str(each) for each in errors],
                hint="Put them right, or save without publishing.",
            )

    def _write(
        self,
        session: Session,
        state: _State,
        setup: Setup,
        bodies: Mapping[int, Body],
        *,
        author: str,
        note: str,
        secrets: Mapping[str, str],
    ) -> int:
        before = versions.bodies(session, state.published)
        new = {number: body for number, body in bodies.items() if before.get(number) != body}
        gone = [body.campaign.name for number, body in before.items() if number not in bodies]
        changed = self._changed_secrets(secrets)
        said = differences(state.setup if state.number else None, setup) + changed
        if state.number and not (said or new or gone):
            return state.number
        number, now = state.number + 1, self._clock.now()
        numbers = {each: versions.next_number(session, each) for each in new}
        kept = {
            each: version for each, version in state.published.items() if each in bodies and each not in new
        }
        said += [
            f"Campaign {body.campaign.name}: published as version {numbers[each]}"
            for each, body in new.items()
        ]
        said += [f"Campaign {name}: no longer published" for name in gone]
        rows = [(each, numbers[each], number, now, author, body.text()) for each, body in new.items()]
        if rows:
            session.insert("version", VERSION, rows)
        document, lines = (json.dumps(each, ensure_ascii=False) for each in (normal(setup), said))
        row = (number, now, author, note, document, json.dumps({**kept, **numbers}), lines)
        session.insert("revision", REVISION, [row])
        for name, value in secrets.items() if changed else ():
            self._trusted().write(name, value)
        return number

    def _changed_secrets(self, secrets: Mapping[str, str]) -> list[str]:
        if not secrets:
            return []
        vault = self._trusted()
        return [f"Secret {name}: set" for name, value in secrets.items() if vault.read(name) != value]

    def _trusted(self) -> Vault:
        if self._vault is None:
            raise SetupError(
                "The set-up holds secrets, and there is no place to keep them.",
                hint="Write ${secret:NAME} instead, and set the secret.",
            )
        return self._vault


def _state(session: Session, revision: int | None) -> _State:
    which, parameters = (
        ("= ?", (revision,)) if revision is not None else ("= (SELECT MAX(number) FROM revision)", ())
    )
    row = session.one(
        f"SELECT number, author, at, setup, published FROM revision WHERE number {which}",  # noqa: S608
        parameters,
    )
    if row is None:
        return _State()
    number, author, at, document, published = row
    return _State(
        number, author, at, document, {int(each): version for each, version in json.loads(published).items()}
    )


def _existing(session: Session, revision: int | None) -> _State:
    state = _state(session, revision)
    if state.number:
        return state
    if revision is None:
        raise _nothing_saved()
    raise SetupError(
        f"There is no revision {revision}.", hint='"whereupon history" lists those that there are.'
    )


def _nothing_saved() -> SetupError:
    return SetupError(
        "The system has no configuration yet.", hint="Apply a set-up file: whereupon apply FILE."
    )


def _expect(state: _State, expected: int | None) -> None:
    if expected is not None and expected != state.number:
        when = datetime.fromtimestamp(state.at / 1000, UTC).astimezone().strftime("%Y-%m-%d %H:%M")
        raise Locked(
            f"{state.author} saved revision {state.number} at {when}, while you edited revision {expected}.",
            hint="Take their changes up, then save again.",
        )


def _ids(session: Session) -> dict[tuple[str, str], int]:
    return {(role, name): number for number, role, name in session.all("SELECT id, role, name FROM part")}


def _numbered(session: Session, setup: Setup) -> dict[tuple[str, str], int]:
    """The numbers of all parts; new ones get theirs."""
    ids = _ids(session)
    every = _with_new(ids, setup)
    made = [(number, *part) for part, number in every.items() if part not in ids]
    if made:
        session.insert("part", PART, made)
    return every


def _with_new(ids: dict[tuple[str, str], int], setup: Setup) -> dict[tuple[str, str], int]:
    new = [part for part in dict.fromkeys(part_names(setup)) if part not in ids]
    first = max(ids.values(), default=0) + 1
    return ids | {part: number for number, part in enumerate(new, first)}


def _named(setup: Setup, name: str) -> Campaign:
    found = setup.campaign(name)
    if found is None:
        raise no_such("campaign", name, [each.name for each in setup.campaigns])
    return found

"""What applying a set-up file means, with nothing written yet: what will be there, and every mistake that refuses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from whereupon.connect.databases import database
from whereupon.connect.session import Session
from whereupon.kit.registry import Registry
from whereupon.model.errors import Mistakes, SetupError
from whereupon.model.findings import Problem
from whereupon.model.setup import DataTable, Setup
from whereupon.storage import checks, schema
from whereupon.storage import folder as folders
from whereupon.storage.differences import normal
from whereupon.storage.files import SetupFile, read_file
from whereupon.storage.folder import SystemFolder, secret_of
from whereupon.storage.hiding import hidden, part_names
from whereupon.storage.making import there_is
from whereupon.storage.merging import merged, only_here
from whereupon.storage.passwords import plain, without_password
from whereupon.storage.people import shape
from whereupon.storage.people_files import examined
from whereupon.storage.people_import import imports
from whereupon.storage.repository import Repository
from whereupon.storage.secret_names import check_references, references
from whereupon.storage.vault import Vault, VaultWith
from whereupon.storage.vault_choice import Kind


@dataclass(frozen=True, slots=True)
class Import:
    """A data file that has to be imported."""

    table: DataTable
    path: Path
    checksum: str


@dataclass(slots=True)
class Plan:
    """What applying a file means, with nothing written yet."""

    file: SetupFile
    before: SystemFolder | None
    system: SystemFolder
    vault: Vault
    current: Setup | None
    setup: Setup
    publish: list[str]
    withdraw: list[str]
    passwords: Mapping[str, str]
    imports: list[Import] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def planned(
    file: SetupFile | Path,
    folder: Path,
    registry: Registry,
    *,
    prune: bool,
    reload: bool,
    vault: Vault | None,
    vault_kind: Kind,
) -> Plan:
    """What `apply` would do; raises Mistakes with all that refuses, SetupError or Away for a database."""
    read = read_file(file) if isinstance(file, Path) else file
    if wrong := list(_unusable(read, folder)):
        raise _refused(wrong)
    before = folders.opened(folder) if folders.is_system(folder) else None
    system, passwords = _target(read, before, folder, vault_kind)
    vault = VaultWith(vault or system.vault(), passwords)
    current = _current(system, vault, registry)
    new = merged(current, read.setup, given=list(read.document.data), prune=prune)
    publish = [each.name for each in read.setup.campaigns if each.publish]
    withdraw = [each.name for each in read.setup.campaigns if each.name in read.given and not each.publish]
    plan = Plan(read, before, system, vault, current, new, publish, withdraw, passwords)
    mistakes = _judged(plan, registry) + _planned_imports(plan, reload=reload)
    if prune and current is not None:
        mistakes += _still_open(plan)
    if mistakes:
        raise _refused(mistakes)
    _check_keeping(plan, registry)
    if not prune:
        plan.warnings += [
            f"{each} is only in the system; --prune deletes it." for each in only_here(current, read.setup)
        ]
    _warn_of_secrets(plan)
    return plan


def _refused(mistakes: list[str]) -> Mistakes:
    count = "a mistake" if len(mistakes) == 1 else f"{len(mistakes)} mistakes"
    return Mistakes(f"The set-up has {count}, and nothing was applied.", mistakes, hint="Put them right.")


def _unusable(read: SetupFile, folder: Path) -> Iterator[str]:
    """Connection strings that no database can have; what a secret completes is known when it is opened."""
    for name, url in read.databases.model_dump().items():
        where = read.spoken("databases", name)
        try:
            check_references(url)
            if url and not references(url):
                database(url, folder=folder, password=None).close()
        except SetupError as error:
            yield f"{where}: {error}"


def _check_keeping(plan: Plan, registry: Registry) -> None:
    """A secret that stands in the file needs a place that keeps it, before anything is made."""
    parts = list(part_names(plan.setup))
    _, found = hidden(plan.setup, registry, {part: number for number, part in enumerate(parts)})
    names = [name.split("/", 3) for name in found]
    where = [f"{parts[int(number)][1]}, {field}" for _, _, number, field in names] + list(plan.passwords)
    try:
        if where:
            plan.vault.check_writing()
    except SetupError as error:
        raise SetupError(
            f"A secret stands in the file ({'; '.join(where)}), and it can't be kept. {error.message}",
            hint=f"Write ${{secret:NAME}} in its place, or: {error.hint}",
        ) from error


def _target(
    read: SetupFile, before: SystemFolder | None, folder: Path, kind: Kind
) -> tuple[SystemFolder, dict[str, str]]:
    """The folder as it will be, and the passwords that stood in the file's connection strings."""
    given = {name: url for name, url in read.databases.model_dump().items() if url}
    passwords = {secret_of(name): password for name, url in given.items() if (password := plain(url))}
    urls = {name: without_password(url) for name, url in given.items()}
    web = read.web_service
    web_given = {name: url for name, url in web.databases.model_dump().items() if url} if web else {}
    passwords |= {f"web/{name}": password for name, url in web_given.items() if (password := plain(url))}
    system = before or folders.planned(folder, read.setup.system.name, kind=kind)
    return (
        folders.changed(
            system,
            urls=urls,
            web_address=web.address if web else "",
            web_urls={name: without_password(url) for name, url in web_given.items()},
        ),
        passwords,
    )


def _current(system: SystemFolder, vault: Vault, registry: Registry) -> Setup | None:
    """What is saved in the system database now; it may have been made from another folder."""
    url, password = system.way_to("system", vault)
    if not there_is(url, folder=system.path, password=password):
        return None
    there = system.databases(vault).system
    schema.check(there)
    if schema.version(there, "system") is None:
        return None
    schema.upgrade(there, "system")
    repository = Repository(there, registry, vault)
    try:
        return repository.setup() if repository.revision() else None
    finally:
        repository.close()
        there.close()


def _judged(plan: Plan, registry: Registry) -> list[str]:
    """The mistakes that refuse. What is wrong with a draft alone is a warning, as is advice."""
    drafts = {each.name for each in plan.setup.campaigns} - set(plan.publish)
    mistakes = []
    for each in checks.found(plan.setup, registry):
        steps = each.place.split(" › ")
        draft = steps[0] == "campaigns" and len(steps) > 1 and steps[1] in drafts
        if each.severity == "error" and not draft:
            mistakes.append(_placed(plan.file, each))
        else:
            plan.warnings.append(_placed(plan.file, each))
    return mistakes


def _placed(file: SetupFile, problem: Problem) -> str:
    line = file.document.line_of(problem.place.split(" › "))
    return f"line {line}, {problem}" if line else str(problem)


def _planned_imports(plan: Plan, *, reload: bool) -> list[str]:
    done = _done_imports(plan)
    mistakes = []
    for table in plan.file.setup.data.tables:
        if not table.file:
            continue
        path = plan.file.base / table.file
        checksum, made = done.get(table.name, ("", ""))
        where = plan.file.spoken("data", "tables", plan.file.setup.data.tables.index(table), "file")
        if made == shape(table) and not path.exists():
            plan.warnings.append(f"{where}: {table.file} isn't there; the people imported before stay.")
            continue
        try:
            now = examined(path, table)
        except Mistakes as error:
            mistakes += [f"{where}: {each}" for each in error.mistakes]
            continue
        except SetupError as error:
            mistakes.append(f"{where}: {error}")
            continue
        if made == shape(table) and now != checksum and not reload:
            plan.warnings.append(
                f"{where}: {table.file} has changed since it was imported; --reload imports it again."
            )
        elif made != shape(table) or now != checksum:
            plan.imports.append(Import(table, path, now))
    return mistakes


def _done_imports(plan: Plan) -> dict[str, tuple[str, str]]:
    """Table → checksum and shape of its last import."""
    if plan.current is None:
        return {}
    there = plan.system.databases(plan.vault).system
    session = there.session(write=False)
    try:
        names = dict(session.all("SELECT id, name FROM part WHERE role = 'table'"))
    finally:
        session.close()
    return {names[number]: made for number, made in imports(there).items()}


def _still_open(plan: Plan) -> list[str]:
    """Channels that would be deleted while messages wait for them."""
    kept = {each.name for each in plan.setup.channels}
    gone = [each.name for each in (plan.current.channels if plan.current else ()) if each.name not in kept]
    there = plan.system.databases(plan.vault)
    if not gone or schema.version(there.streams, "streams") is None:
        return []
    with (
        closing(there.streams.session(write=False)) as session,
        closing(there.system.session(write=False)) as system,
    ):
        parts = dict(system.all("SELECT name, id FROM part WHERE role = 'channel'"))
        counts = {name: _open_messages(session, parts[name]) for name in gone if name in parts}
    return [
        f"Channel {name} has {count:,} open messages and can't be deleted. Let them go out, or discard them."
        for name, count in counts.items()
        if count
    ]


def _open_messages(session: Session, channel: int) -> int:
    first = session.one("SELECT MIN(open_from) FROM lane WHERE channel = ?", (channel,))
    begin = first[0] if first and first[0] is not None else 0
    under_way = session.one(
        "SELECT COUNT(*) FROM outcome WHERE event >= ? AND channel = ? AND state IN ('queued', 'sending')",
        (begin, channel),
    )
    waiting = session.one("SELECT COUNT(*) FROM waiting WHERE channel = ?", (channel,))
    return (under_way[0] if under_way else 0) + (waiting[0] if waiting else 0)


def _warn_of_secrets(plan: Plan) -> None:
    """Secrets that aren't there yet are no mistake: the part that needs one waits for it."""
    try:
        for name in sorted(references(normal(plan.setup)) | references(dict(plan.system.urls))):
            if plan.vault.read(name) is None:
                plan.warnings.append(f"The secret {name} isn't set. {plan.vault.advice(name)}")
    except SetupError as error:
        plan.warnings.append(f"Secrets can't be read. {error}")

"""Applying a set-up file: whatever is missing is made, what differs is changed, and a second time nothing is to do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

from whereupon.host.clock import Clock
from whereupon.kit.registry import Registry
from whereupon.storage import folder as folders
from whereupon.storage import schema
from whereupon.storage.differences import differences
from whereupon.storage.files import SetupFile
from whereupon.storage.folder import DATABASES, Databases
from whereupon.storage.making import make, there_is
from whereupon.storage.people_import import import_file
from whereupon.storage.planning import Import, Plan, planned
from whereupon.storage.repository import Repository
from whereupon.storage.vault import Vault
from whereupon.storage.vault_choice import Kind


@dataclass(frozen=True, slots=True)
class Applied:
    """What an apply did. `changes` is empty where there was nothing to change; `warnings` are what a person should
    look at, `repairs` what was put right in the file while reading."""

    revision: int
    changes: list[str]
    warnings: list[str]
    published: list[str]
    repairs: list[str]


def apply(
    file: SetupFile | Path,
    folder: Path,
    *,
    author: str,
    registry: Registry,
    prune: bool = False,
    reload: bool = False,
    note: str = "",
    vault: Vault | None = None,
    vault_kind: Kind = "keyring",
    clock: Clock | None = None,
) -> Applied:
    """Make the system in `folder` what the file says, merged by name; only `prune` deletes.

    Connects to the three databases alone. Raises Mistakes, with nothing applied, where the configuration has any;
    SetupError or Away where a database can't be used. `vault` and `vault_kind` are for a system made anew.
    """
    clock = clock or Clock()
    plan = planned(file, folder, registry, prune=prune, reload=reload, vault=vault, vault_kind=vault_kind)
    _connect(plan)
    changes = _folder_changes(plan)
    if plan.system != plan.before:
        folders.saved(plan.system)
    for name, password in plan.passwords.items():
        plan.vault.write(name, password)
    there = _made(plan, clock)
    repository = Repository(there.system, registry, plan.vault, clock=clock)
    try:
        said, published = repository.preview(plan.setup, publish=plan.publish, withdraw=plan.withdraw)
        revision = repository.save(
            plan.setup, author=author, note=note, publish=plan.publish, withdraw=plan.withdraw
        )
        ids = repository.ids()
    finally:
        repository.close()
    for each in plan.imports:
        done = _imported(plan, there, each, ids["table", each.table.name], clock)
        said.append(f"Data table {each.table.name}: {done}")
    there.close()
    return Applied(revision, changes + said, plan.warnings, published, list(plan.file.repairs))


def compared(
    file: SetupFile | Path,
    folder: Path,
    *,
    registry: Registry,
    prune: bool = False,
    reload: bool = False,
    vault: Vault | None = None,
) -> Applied:
    """What `apply` would do, with nothing written; raises what it would raise."""
    plan = planned(file, folder, registry, prune=prune, reload=reload, vault=vault, vault_kind="keyring")
    changes = _folder_changes(plan)
    if plan.current is None:
        changes += [*differences(None, plan.setup), *(f"Campaign {name}: published" for name in plan.publish)]
        published, revision = plan.publish, 0
    else:
        repository = Repository(plan.system.databases(plan.vault).system, registry, plan.vault)
        try:
            said, published = repository.preview(plan.setup, publish=plan.publish, withdraw=plan.withdraw)
            changes, revision = changes + said, repository.revision()
        finally:
            repository.close()
    changes += [f"Data table {each.table.name}: imported from {each.path.name}" for each in plan.imports]
    return Applied(revision, changes, plan.warnings, published, list(plan.file.repairs))


def _folder_changes(plan: Plan) -> list[str]:
    before, after = plan.before, plan.system
    if before is None:
        return [f"System {after.name}: made in {after.path}"]
    later = "; in force when the service is started again"
    said = [
        f"{name} database: {before.urls[name]} → {after.urls[name]}{later}"
        for name in DATABASES
        if before.urls[name] != after.urls[name]
    ]
    web = (before.web_address, before.web_urls) != (after.web_address, after.web_urls)
    return said + ([f"Web service: changed{later}"] if web else [])


def _connect(plan: Plan) -> None:
    """Reach the databases before the folder is made, and make those that their server hasn't got."""
    for name in DATABASES:
        url, password = plan.system.way_to(name, plan.vault)
        if not there_is(url, folder=plan.system.path, password=password):
            make(url, folder=plan.system.path, password=password)


def _made(plan: Plan, clock: Clock) -> Databases:
    there = plan.system.databases(plan.vault)
    schema.upgrade(there.system, "system", clock=clock)
    schema.upgrade(there.streams, "streams", clock=clock)
    schema.check(there.pull_marketing)
    there.pull_marketing.session().close()  # makes the file; its tables are the store's
    return there


def _imported(plan: Plan, there: Databases, each: Import, number: int, clock: Clock) -> str:
    zone = ZoneInfo(plan.setup.system.time_zone)
    done = import_file(
        there.system, each.table, number, each.path, zone=zone, checksum=each.checksum, clock=clock
    )
    plan.warnings += [f"{each.path.name}, {line}" for line in done.said]
    left = f", {done.rejected:,} left out" if done.rejected else ""
    rows = "row" if done.taken == 1 else "rows"
    return f"{done.taken:,} {rows} imported from {each.path.name}{left}"

"""Records in a database of ours: one row a record, its fields as JSON."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any

import msgspec
from pydantic import Field, SecretStr
from sqlalchemy import Column, MetaData, Table, UniqueConstraint
from sqlalchemy.exc import SQLAlchemyError

from whereupon.connect.databases import Database, database
from whereupon.connect.session import Columns, Session, number_of
from whereupon.connect.types import Body, Id, Key
from whereupon.kit.config import Config
from whereupon.kit.record_flaws import LONGEST_KEY, fields_flaw, key_flaw
from whereupon.kit.registry import store
from whereupon.kit.roles import Context, Stage, Store
from whereupon.model.errors import Away, SetupError, WhereuponError
from whereupon.model.events import Filled, Record

log = logging.getLogger(__name__)
LOOK_UP, FILL = 2.0, 60.0
"""Seconds that a look-up and one transaction of a fill may take."""
AT_ONCE = 2000
"""Records in one transaction of a fill."""

TABLES = MetaData()
DATA_STORE = Table(
    "data_store",
    TABLES,
    Column("id", Id(), primary_key=True, autoincrement=False),
    Column("name", Key(), nullable=False),
    Column("primary_key_field", Key(), nullable=False),
    UniqueConstraint("name", name="data_store_once"),
    sqlite_with_rowid=False,
)
# `reference` is the key: that word itself is reserved in SQL Server.
RECORD = Table(
    "record",
    TABLES,
    Column("store", Id(), primary_key=True, autoincrement=False),
    Column("reference", Key(LONGEST_KEY), primary_key=True),
    Column("fields", Body(), nullable=False),
    Column("updated", Id(), nullable=False),
    sqlite_with_rowid=False,
)
_EXISTS = {
    "sqlite": "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'record'",
    "postgresql": "SELECT 1 WHERE to_regclass('record') IS NOT NULL",
}
_EXISTS_HERE = "SELECT 1 WHERE OBJECT_ID(N'record', N'U') IS NOT NULL"
_KEY: Columns = {"reference": "text"}
_RECORD: Columns = {"store": "id", "reference": "text", "fields": "text", "updated": "id"}
_FOUND = msgspec.json.Decoder(dict[str, str])


class DatabaseProvider(Config):
    """A database on SQLite, PostgreSQL or SQL Server."""

    connection: str = Field(
        "",
        title="Connection",
        description="Another database than the system's own for Pull Marketing, such as postgresql://user@host/name.",
    )
    password: SecretStr = Field(
        SecretStr(""),
        title="Password",
        description="For the connection; not part of it, so that it stays hidden.",
    )


class DatabaseConfig(Config):
    """One store in that database."""

    data_store_name: str = Field(
        alias="dataStoreName",
        min_length=1,
        max_length=200,
        title="Store name in the database",
        description="Made with the first fill if it isn't there.",
        examples=["TealGreen"],
    )


class Sessions:
    """Connections for several threads: each takes one and gives it back; after a loss none is used again."""

    def __init__(self, where: Database, timeout: float) -> None:
        self._where = where
        self._timeout = timeout
        self._free: list[Session] = []
        self._lock = threading.Lock()

    @contextmanager
    def one(self) -> Iterator[Session]:
        """A connection that is this thread's until the block ends."""
        with self._lock:
            session = self._free.pop() if self._free else None
        if session is None:
            session = self._where.session(timeout=self._timeout)
        try:
            yield session
        except Away:
            session.close()
            self.close()
            raise
        except BaseException:
            self._back(session)
            raise
        self._back(session)

    def _back(self, session: Session) -> None:
        with self._lock:
            self._free.append(session)

    def close(self) -> None:
        """Close those that nobody uses at the moment."""
        with self._lock:
            free, self._free = self._free, []
        for each in free:
            each.close()


@store("database", title="Database", config=DatabaseConfig, provider=DatabaseProvider)
class DatabaseStore(Store[DatabaseProvider, DatabaseConfig]):
    """Finds a batch's records by one query; fills by merging in transactions of two thousand."""

    def __init__(self, provider: DatabaseProvider, config: DatabaseConfig, context: Context) -> None:
        super().__init__(provider, config, context)
        self._where = self._database()
        self._looking, self._filling = Sessions(self._where, LOOK_UP), Sessions(self._where, FILL)
        self._id: int | None = None

    def _database(self) -> Database:
        if self.provider.connection:
            password = self.provider.password.get_secret_value() or None
            return database(self.provider.connection, folder=self.context.folder, password=password)
        own = self.context.databases.get("pull_marketing")
        if own is None:
            raise SetupError(
                "The system has no Pull Marketing database.",
                hint="Give it one, or fill in the provider's connection.",
            )
        return own  # type: ignore[no-any-return]

    # ------------------------------------------------------------------------------------------ finding
    def find(self, keys: Sequence[str]) -> Mapping[str, dict[str, str]]:
        """The records of these keys, as asked for, that exist; one query."""
        meant = {key: trimmed for key in keys if not key_flaw(trimmed := key.strip())}
        if not meant:
            return {}
        with self._looking.one() as session:
            if (number := self._number(session)) is None:
                return {}
            rows = self._rows(session, number, meant.values())
        found = {reference: _FOUND.decode(fields) for reference, fields in rows}
        return {key: found[each] for key, each in meant.items() if each in found}

    def _rows(self, session: Session, number: int, keys: Iterable[str]) -> list[tuple[Any, ...]]:
        given = session.given("k", _KEY)
        return session.all(
            f"SELECT reference, fields FROM record WHERE store = ? AND reference IN (SELECT k.reference FROM {given})",  # noqa: S608
            (number, *session.bind(_KEY, [(each,) for each in sorted(set(keys))])),
        )

    def _number(self, session: Session) -> int | None:
        if self._id is None and self._exists(session):
            row = session.one("SELECT id FROM data_store WHERE name = ?", (self.config.data_store_name,))
            self._id = row[0] if row is not None else None
        return self._id

    def _exists(self, session: Session) -> bool:
        return session.one(_EXISTS.get(session.dialect.name, _EXISTS_HERE)) is not None

    # ------------------------------------------------------------------------------------------ filling
    def fill(self, records: Sequence[Record]) -> Filled:
        """Merge records; those that can't be stored are rejected with the reason, the others go."""
        inserted, updated, rejected = 0, 0, []
        left = iter(records)
        with self._filling.one() as session:
            number = self._made(session)
            while some := list(islice(left, AT_ONCE)):
                good = []
                for each in some:
                    if flaw := _flaw(each):
                        rejected.append((each.key, flaw))
                    else:
                        good.append(each)
                new, old = self._merge(session, number, good)
                inserted, updated = inserted + new, updated + old
        return Filled(inserted, updated, tuple(rejected))

    def _merge(self, session: Session, number: int, records: Sequence[Record]) -> tuple[int, int]:
        if not records:
            return 0, 0
        keys = sorted({each.key.strip() for each in records})
        with session.transaction():
            # Two fills that merge into one record would lose the first one's fields.
            session.lock_rows([number_of(f"store {number}")])
            rows = self._rows(session, number, keys)
            merged = {reference: _FOUND.decode(fields) for reference, fields in rows}
            for each in records:
                merged.setdefault(each.key.strip(), {}).update(each.fields)
            now = self.context.clock.now()
            session.upsert(
                "record",
                _RECORD,
                [(number, key, msgspec.json.encode(merged[key]).decode(), now) for key in keys],
                key=("store", "reference"),
            )
        return len(keys) - len(rows), len(records) - (len(keys) - len(rows))

    def _made(self, session: Session) -> int:
        if (number := self._number(session)) is not None:
            return number
        if not self._exists(session):
            self._make_tables(session)
        columns: Columns = {"id": "id", "name": "text", "primary_key_field": "text"}
        with session.transaction():
            session.lock_rows([number_of("data_store")])
            row = session.one("SELECT coalesce(MAX(id), 0) + 1 FROM data_store")
            mine = (row[0] if row else 1, self.config.data_store_name, self.context.reference or "urn")
            session.insert_new("data_store", columns, [mine], key=("name",))
        log.info("Made the store %s in %s", self.config.data_store_name, self._where)
        made = self._number(session)
        if made is None:
            raise SetupError(
                f"The store {self.config.data_store_name} could not be made.", hint="Check the rights."
            )
        return made

    def _make_tables(self, session: Session) -> None:
        try:
            TABLES.create_all(self._where.engine)
        except SQLAlchemyError as error:
            if not self._exists(session):  # else another service was quicker
                raise SetupError(
                    f"The tables of the stores could not be made in {self._where}: {error}.",
                    hint="Give the right to create tables, once.",
                ) from error

    # ------------------------------------------------------------------------------------------ testing
    def check(self) -> Iterator[Stage]:
        """Connection, tables, store."""
        try:
            with self._looking.one() as session:
                yield Stage("Connection", True, f"The database answers ({session.dialect.name}).")
                number = self._number(session)
                held = number is not None and session.one(
                    "SELECT COUNT(*) FROM record WHERE store = ?", (number,)
                )
        except WhereuponError as error:
            yield Stage("Connection", False, error.message, error.hint)
            return
        name = self.config.data_store_name
        if not held:
            yield Stage("Store", True, f"There is no store {name} yet; the first fill makes it.", advice=True)
            return
        yield Stage("Store", True, f"{name} holds {held[0]} records.")

    def close(self) -> None:
        """Give the connections back."""
        self._looking.close()
        self._filling.close()
        if self.provider.connection:
            self._where.close()


def _flaw(record: Record) -> str:
    return key_flaw(record.key.strip()) or fields_flaw(record)

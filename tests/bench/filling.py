"""The bench's store, made by the component itself."""

from __future__ import annotations

from pathlib import Path

from whereupon.components.stores.database import DatabaseConfig, DatabaseProvider, DatabaseStore
from whereupon.connect.databases import database
from whereupon.host.clock import Clock
from whereupon.kit.roles import Context
from whereupon.model.events import Record
from whereupon.model.setup import FieldDefinition


def make_store(url: str, folder: Path) -> int:
    """Make the store's tables and a first record; the store's number."""
    found = database(url, folder=folder)
    fields = (FieldDefinition(name="urn", type="Reference", variable="Person URN"),)
    context = Context("TealGreen", "Bench", folder, "0", Clock(), {"pull_marketing": found}, {}, fields)
    store = DatabaseStore(DatabaseProvider(), DatabaseConfig(data_store_name="TealGreen"), context)
    store.fill([Record("first", {"urn": "first"})])
    store.close()
    session = found.session()
    row = session.one("SELECT id FROM data_store WHERE name = ?", ("TealGreen",))
    session.close()
    found.close()
    return int(row[0]) if row else 0

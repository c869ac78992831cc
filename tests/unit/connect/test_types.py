"""Column types as each server declares them."""

from __future__ import annotations

import pytest
from sqlalchemy import URL, Column, MetaData, Table
from sqlalchemy.schema import CreateTable

from whereupon.connect.types import Blob, Body, Flag, Id, Key, Number

TYPES = {
    "id": Id(),
    "key": Key(),
    "short": Key(40),
    "body": Body(),
    "blob": Blob(),
    "number": Number(),
    "flag": Flag(),
}
TABLE = Table("t", MetaData(), *(Column(name, each) for name, each in TYPES.items()))
BINARY = "COLLATE Latin1_General_100_BIN2"


@pytest.mark.parametrize(
    ("url", "types"),
    [
        ("sqlite", ["INTEGER", "VARCHAR(200)", "VARCHAR(40)", "TEXT", "BLOB", "DOUBLE", "BOOLEAN"]),
        (
            "postgresql+psycopg",
            ["BIGINT", 'VARCHAR(200) COLLATE "C"', 'VARCHAR(40) COLLATE "C"', 'TEXT COLLATE "C"', "BYTEA",
             "DOUBLE PRECISION", "BOOLEAN"],
        ),
        (
            "mssql+pyodbc",
            ["BIGINT", f"NVARCHAR(200) {BINARY}", f"NVARCHAR(40) {BINARY}", f"NVARCHAR(max) {BINARY}",
             "VARBINARY(max)", "DOUBLE PRECISION", "BIT"],
        ),
    ],
)  # fmt: skip
def test_each_server_compares_texts_by_code_point_and_counts_to_64_bits(url: str, types: list[str]) -> None:
    dialect = URL.create(url).get_dialect()()
    lines = str(CreateTable(TABLE).compile(dialect=dialect)).splitlines()[2:-2]
    declared = [
        line.strip().partition(" ")[2].removesuffix(",").removesuffix(" NULL").strip() for line in lines
    ]
    assert declared == types

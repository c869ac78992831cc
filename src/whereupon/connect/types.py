"""Column types of tables that live on all three database servers."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Boolean, Double, Integer, LargeBinary, String, Text
from sqlalchemy.dialects.mssql import NVARCHAR, VARBINARY
from sqlalchemy.types import TypeEngine

BINARY = "Latin1_General_100_BIN2"


def Id() -> TypeEngine[Any]:
    """A whole number of 64 bits."""
    return BigInteger().with_variant(Integer(), "sqlite")


def Key(length: int = 200) -> TypeEngine[Any]:
    """Text that is compared by code point, at most `length` characters."""
    return (
        String(length)
        .with_variant(String(length, collation="C"), "postgresql")
        .with_variant(NVARCHAR(length, collation=BINARY), "mssql")
    )


def Body() -> TypeEngine[Any]:
    """Text of any length, compared by code point."""
    return (
        Text()
        .with_variant(Text(collation="C"), "postgresql")
        .with_variant(NVARCHAR(None, collation=BINARY), "mssql")
    )


def Blob() -> TypeEngine[Any]:
    """Bytes of any length."""
    # Left to itself SQLAlchemy writes IMAGE, which SQL Server is about to drop, wherever it can't ask for a version.
    return LargeBinary().with_variant(VARBINARY("max"), "mssql")  # type: ignore[no-untyped-call]


def Number() -> TypeEngine[Any]:
    """A double."""
    return Double()


def Flag() -> TypeEngine[Any]:
    """True or false."""
    return Boolean()

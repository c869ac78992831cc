"""Columns as our tables declare them: a part of the key, always there, or perhaps empty."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column
from sqlalchemy.types import TypeEngine


def key(name: str, kind: TypeEngine[Any]) -> Column[Any]:
    """A part of the primary key; numbers are ours, never the database's."""
    return Column(name, kind, primary_key=True, autoincrement=False, nullable=False)


def given(name: str, kind: TypeEngine[Any]) -> Column[Any]:
    """A column that always has a value."""
    return Column(name, kind, nullable=False)


def maybe(name: str, kind: TypeEngine[Any]) -> Column[Any]:
    """A column that may be empty."""
    return Column(name, kind, nullable=True)

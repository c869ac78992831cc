"""What SQL Server would be asked: sessions that keep their statements instead of sending them, and the rules for those.

SQL Server itself can't run here. A `RecordingDatabase` stands in for one: code under test runs against it, and
`problems(recorded)` says what of its statements SQL Server wouldn't take, or would take only since a version that is
newer than ours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import sqlglot
from sqlalchemy import URL, Engine, create_mock_engine
from sqlalchemy.dialects.mssql.base import RESERVED_WORDS
from sqlglot import exp
from sqlglot.dialects.tsql import TSQL
from sqlglot.errors import SqlglotError

from whereupon.connect.databases import Database
from whereupon.connect.dialects.sqlserver import SqlServerDialect
from whereupon.connect.servers import SqlServerSession

MOST_PARAMETERS = 2_100
# Each a run of words and signs as the statement's tokens say them.
STRANGERS = (
    ("MERGE",), ("LIMIT",), ("RETURNING",), ("ILIKE",), ("||",), ("->>",), ("::",), ("ON", "CONFLICT"),
    ("JSON_EACH", "("), ("UNNEST", "("), ("TRUE",), ("FALSE",), ("IS", "DISTINCT"), ("INSERT", "OR"), ("NOW", "("),
)  # fmt: skip
Answer = Callable[[str, Sequence[Any]], Sequence[tuple[Any, ...]]]


class Recorded(NamedTuple):
    """One statement with its parameters."""

    sql: str
    parameters: tuple[Any, ...]


def nothing(sql: str, _: Sequence[Any]) -> Sequence[tuple[Any, ...]]:
    """No rows; but every named lock is had."""
    return [(0,)] if sql.endswith(("SELECT @taken", "SELECT @worst")) else []


class _Cursor:
    def __init__(self, rows: Sequence[tuple[Any, ...]]) -> None:
        self.rows, self.rowcount = list(rows), len(rows)

    def fetchall(self) -> list[tuple[Any, ...]]:
        return self.rows

    def fetchone(self) -> tuple[Any, ...] | None:
        return self.rows[0] if self.rows else None


class _Connection:
    def __init__(self, statements: list[Recorded], answer: Answer) -> None:
        self.statements, self.answer = statements, answer

    def execute(self, sql: str, *parameters: Any) -> _Cursor:
        self.statements.append(Recorded(sql, parameters))
        return _Cursor(self.answer(sql, parameters))

    def close(self) -> None: ...


class Recorder(SqlServerSession):
    """A session of SQL Server's that keeps its `statements` and answers them by `answer(sql, parameters)`."""

    def __init__(self, statements: list[Recorded] | None = None, answer: Answer = nothing) -> None:
        self.statements: list[Recorded] = [] if statements is None else statements
        self.dialect = SqlServerDialect()
        self._connection = _Connection(self.statements, answer)
        self._what = "The recorded database"


class RecordingDatabase(Database):
    """A database whose sessions are Recorders with one list of `statements`."""

    dialect = SqlServerDialect()

    def __init__(self, answer: Answer = nothing) -> None:
        super().__init__(URL.create("mssql", host="nowhere", database="recorded"))
        self.statements: list[Recorded] = []
        self._answer = answer

    def session(self, *, write: bool = True, timeout: float = 10.0) -> Recorder:
        """A session that sends nothing."""
        return Recorder(self.statements, self._answer)

    def _made_engine(self) -> Engine:
        return create_mock_engine("mssql+pyodbc://", lambda *_, **__: None)  # type: ignore[return-value]


def problems(statements: Iterable[Recorded]) -> list[str]:
    """What SQL Server wouldn't take, each with its statement."""
    return [f"{said}: {each.sql}" for each in statements for said in _problems(each)]


def _problems(recorded: Recorded) -> Iterable[str]:
    try:
        tokens = [token.text.upper() for token in TSQL().tokenize(recorded.sql)]
        parsed = sqlglot.parse(recorded.sql, dialect="tsql")
    except SqlglotError as error:
        yield f"can't be parsed ({error})"
        return
    yield from (f"says {' '.join(each)}" for each in STRANGERS if _holds(tokens, each))
    for tree in parsed:
        yield from _in_tree(tree)
    marks = sum(token == "?" for token in tokens)
    if marks != len(recorded.parameters) or marks > MOST_PARAMETERS:
        yield f"has {marks} marks and {len(recorded.parameters)} parameters"


def _holds(tokens: Sequence[str], words: Sequence[str]) -> bool:
    size = len(words)
    return any(tuple(tokens[at : at + size]) == words for at in range(len(tokens) - size + 1))


def _in_tree(tree: exp.Expr | None) -> Iterable[str]:
    if tree is None or isinstance(tree, exp.Command):
        yield "has a part that sqlglot doesn't know"
        return
    named = (each for each in tree.find_all(exp.Identifier) if not each.args.get("quoted"))
    yield from (
        f"uses the reserved word {each.name}" for each in named if each.name.lower() in RESERVED_WORDS
    )

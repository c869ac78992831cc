"""Conditions as SQL, with the meaning that they have in memory.

Each comparison becomes an expression that is true or false and never unknown, so that `not` means what it means in
memory. A column has to hold what its variable's type says: dates and times in date columns (in SQLite ISO text, as
SQLAlchemy writes it), numbers in number columns. Times without a zone are in the system's zone, as everywhere;
PostgreSQL brings those with a zone into it. SQL Server doesn't know such zones by their names, so a column with a zone
is refused there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Date,
    DateTime,
    Double,
    String,
    Unicode,
    and_,
    cast,
    collate,
    extract,
    false,
    func,
    literal,
    not_,
    or_,
    true,
    type_coerce,
)  # fmt: skip

from whereupon.model.errors import SetupError
from whereupon.model.operators import (
    DAYS,
    TEXTUAL,
    Check,
    anniversaries,
    check,
    comparable,
    span,
    today,
    walls,
)  # fmt: skip
from whereupon.model.setup import VariableType
from whereupon.model.tree import All, Comparison, Condition, NoneOf, Not, parts

COLLATIONS = {"sqlite": "BINARY", "postgresql": "C", "mssql": "Latin1_General_BIN2"}
"""How each dialect compares texts code point by code point."""
LARGEST = 1.7976931348623157e308
Columns = Mapping[str, tuple["Column[Any]", VariableType]]
Expression = ColumnElement[bool]


def where(
    condition: Condition, columns: Columns, *, at: int, zone: ZoneInfo, dialect: str
) -> ColumnElement[bool]:
    """A condition over the variables of one table; `at` (UTC ms) is the time that *today* and *the last days* mean.

    `dialect` is SQLAlchemy's name: sqlite, postgresql or mssql. Raises SetupError where a variable isn't among the
    columns or a value doesn't suit it.
    """
    return _Translator(columns, at, zone, dialect).tree(condition)


class _Translator:
    def __init__(self, columns: Columns, at: int, zone: ZoneInfo, dialect: str) -> None:
        self.columns, self.at, self.zone, self.dialect = columns, at, zone, dialect

    def tree(self, condition: Condition) -> Expression:
        if isinstance(condition, Comparison):
            return self.comparison(condition)
        inner = [self.tree(each) for each in parts(condition)]
        if isinstance(condition, All):
            return and_(true(), *inner)
        found = or_(false(), *inner)
        return not_(found) if isinstance(condition, NoneOf | Not) else found

    def comparison(self, comparison: Comparison) -> Expression:
        if comparison.field not in self.columns:
            raise SetupError(
                f"{comparison.field} is no variable of this table.",
                hint=f"Use one of: {', '.join(self.columns)}.",
            )
        column, type = self.columns[comparison.field]
        try:
            asked = check(comparison.operator, comparison.value, type)
        except ValueError as error:
            raise SetupError(
                f"The condition on {comparison.field} can't be asked: {error}.",
                hint="Change the condition's operator or value, or the variable's type.",
            ) from None
        value = self.read(column, type, asked)
        there = self.there(value, asked)
        if asked.operator in ("empty", "not empty"):
            return there if asked.operator == "not empty" else not_(there)
        if asked.operator == "not":
            return not_(and_(there, self.equal(value, asked)))
        return and_(there, self.holds(value, asked))

    def read(self, column: Column[Any], type: VariableType, asked: Check) -> ColumnElement[Any]:
        """The column as the comparison reads it."""
        if asked.kind == "text":
            text = column if isinstance(column.type, String) else cast(column, Unicode)
            return collate(func.ltrim(func.rtrim(text)), COLLATIONS[self.dialect])
        if asked.kind == "number":
            return cast(column, Double)
        if type != "datetime":
            return column
        return self.day(self.wall(column)) if asked.kind == "date" else self.wall(column)

    def wall(self, column: Column[Any]) -> ColumnElement[Any]:
        zoned = isinstance(column.type, DateTime) and column.type.timezone
        if not zoned or self.dialect == "sqlite":
            return column
        if self.dialect == "mssql":
            raise SetupError(
                f"The column {column.name} holds times with a zone, which SQL Server can't bring into the system's.",
                hint="Give a view with a column of type datetime2 in the system's time.",
            )
        return type_coerce(func.timezone(str(self.zone), column), DateTime())

    def day(self, moment: ColumnElement[Any]) -> ColumnElement[Any]:
        if self.dialect == "sqlite":
            return type_coerce(func.date(moment), Date())
        return cast(moment, Date)

    def there(self, value: ColumnElement[Any], asked: Check) -> Expression:
        """Not empty; of a number also neither infinite nor NaN."""
        if asked.kind == "text":
            return and_(value.is_not(None), value != literal("", Unicode()))
        if asked.kind == "number":
            return and_(value.is_not(None), value.between(_number(-LARGEST), _number(LARGEST)))
        return value.is_not(None)

    def equal(self, value: ColumnElement[Any], asked: Check) -> Expression:
        return value == self.bound(asked)[0]

    def holds(self, value: ColumnElement[Any], asked: Check) -> Expression:
        if asked.operator == "anniversary is today":
            return self.anniversary(value)
        if asked.operator in DAYS:
            first, last = span(asked, today(self.at, self.zone))
            return value.between(_day(first), _day(last))
        if asked.operator in TEXTUAL:
            found = self.position(value, asked.values[0])
            return found > 0 if asked.operator == "contains" else found == 1
        return self.compared(value, asked)

    def compared(self, value: ColumnElement[Any], asked: Check) -> Expression:
        items = self.bound(asked)
        compare: dict[str, Callable[[], Expression]] = {
            "equals": lambda: value == items[0],
            "one of": lambda: value.in_(items),
            "at least": lambda: value >= items[0],
            "at most": lambda: value <= items[0],
            "between": lambda: value.between(items[0], items[-1]),
            "before": lambda: value < items[0],
            "after": lambda: value > items[0],
        }
        return compare[asked.operator]()

    def bound(self, asked: Check) -> list[ColumnElement[Any]]:
        """The values to compare with, as parameters of the type that the column is read as."""
        if asked.kind == "text":
            return [literal(each, Unicode()) for each in comparable(asked)]
        if asked.kind == "number":
            return [_number(each) for each in asked.values]
        if asked.kind == "boolean":
            return [literal(each, Boolean()) for each in asked.values]
        if asked.kind == "date":
            return [_day(each) for each in asked.values]
        return [literal(each, DateTime()) for each in walls(asked, self.zone)]

    def position(self, value: ColumnElement[Any], sought: str) -> ColumnElement[int]:
        """Where a text begins in another, counted from 1; 0 = nowhere."""
        if self.dialect == "mssql":
            return func.charindex(literal(sought, Unicode()), value)
        return (func.instr if self.dialect == "sqlite" else func.strpos)(value, literal(sought, Unicode()))

    def anniversary(self, value: ColumnElement[Any]) -> Expression:
        now = today(self.at, self.zone)
        days = [
            and_(extract("month", value) == month, extract("day", value) == day)
            for month, day in anniversaries(now)
        ]
        return and_(extract("year", value) < now.year, or_(*days))


def _number(value: float) -> ColumnElement[Any]:
    return literal(value, Double())


def _day(value: date) -> ColumnElement[Any]:
    return literal(value, Date())

"""Files of people: CSV read row by row into typed values, with an error for each row that can't be used."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path

from whereupon.model import values
from whereupon.model.errors import Mistakes, SetupError
from whereupon.model.findings import near
from whereupon.model.setup import DataTable, VariableType

DELIMITERS = ",;\t|"
LONGEST_KEY = 200
LONGEST_VALUE = 100_000
_READ: Mapping[VariableType, Callable[[str, tzinfo], object]] = {
    "text": lambda text, zone: text,
    "number": lambda text, zone: values.number(text),
    "date": values.day,
    "datetime": values.moment,
    "boolean": lambda text, zone: values.truth(text),
}
_WANTED: Mapping[VariableType, str] = {
    "text": "text",
    "number": "a number like 1840.50, without thousands separators",
    "date": "a date like 2026-03-31",
    "datetime": "a time like 2026-03-31 09:30 or 2026-03-31T09:30:00Z",
    "boolean": "true or false, yes or no, 1 or 0",
}


@dataclass(frozen=True, slots=True)
class Person:
    """One row that can be used: its number in the file (the header is 1), its key, and the variables in their order."""

    number: int
    key: str
    values: tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Rejected:
    """One row that can't be used, and why."""

    number: int
    reason: str

    def __str__(self) -> str:
        return f"row {self.number}: {self.reason}"


def examined(path: Path, table: DataTable) -> str:
    """The SHA-256 of a file that can be imported.

    Raises SetupError if it can't be read, Mistakes if it isn't UTF-8 (naming the line) or lacks a column.
    """
    checksum, line = hashlib.sha256(), 0
    try:
        with path.open("rb") as file:
            for raw in file:
                line += 1
                checksum.update(raw)
                raw.decode("utf-8")
    except UnicodeDecodeError as error:
        said = f"{path.name}, line {line}: byte 0x{error.object[error.start]:02X} is not UTF-8"
        raise Mistakes(
            f"{path.name} can't be read as text.", [said], hint="Save it as CSV in UTF-8."
        ) from None
    except OSError as error:
        raise SetupError(
            f"{path} can't be read: {error.strerror}.", hint="Check the file's name and place."
        ) from error
    with _opened(path) as file:
        _places(path, table, next(_records(file), []))
    return checksum.hexdigest()


def people(path: Path, table: DataTable, zone: tzinfo) -> Iterator[Person | Rejected]:
    """Every row of a file, in order; of a time without a zone `zone` is its own."""
    with _opened(path) as file:
        records = _records(file)
        header = next(records, [])
        places = _places(path, table, header)
        width = len(header) if isinstance(header, list) else 0
        for number, record in enumerate(records, 2):
            if isinstance(record, Rejected):
                yield Rejected(number, record.reason)
            elif any(value.strip() for value in record):
                yield _read(number, record, table, places, width, zone)


def _opened(path: Path) -> io.TextIOWrapper:
    return path.open(encoding="utf-8-sig", newline="")


def _records(file: io.TextIOWrapper) -> Iterator[list[str] | Rejected]:
    first = file.readline()
    file.seek(0)
    outside = "".join(first.split('"')[::2])
    delimiter = max(DELIMITERS, key=outside.count)
    reader = csv.reader(file, delimiter=delimiter, strict=True)
    while True:
        try:
            record = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield Rejected(0, f"can't be read: {error}")
        else:
            yield record


def _places(path: Path, table: DataTable, header: list[str] | Rejected) -> Sequence[int]:
    """Where each variable's column stands."""
    names = [] if isinstance(header, Rejected) else [each.strip() for each in header]
    found = []
    for variable in table.variables:
        if names.count(variable.column) == 1:
            continue
        if variable.column in names:
            found.append(f"{path.name}: the column {variable.column} stands there twice")
            continue
        meant = near(variable.column, names)
        advice = f"did you mean {meant}?" if meant else f"there are {', '.join(names) or 'none'}"
        found.append(
            f"{path.name}: there is no column {variable.column} (variable {variable.name}); {advice}"
        )
    if found:
        raise Mistakes(
            f"{path.name} doesn't suit the table {table.name}.", found, hint="Correct the columns."
        )
    return [names.index(variable.column) for variable in table.variables]


def _read(
    number: int, record: list[str], table: DataTable, places: Sequence[int], width: int, zone: tzinfo
) -> Person | Rejected:
    if len(record) != width:
        return Rejected(number, f"has {len(record)} values, and the header {width}")
    read: list[object] = []
    key = ""
    for variable, place in zip(table.variables, places, strict=True):
        text = record[place].strip(" ")
        if "\0" in text or len(text) > LONGEST_VALUE:
            return Rejected(
                number, f"{variable.column} holds U+0000 or more than {LONGEST_VALUE:,} characters"
            )
        value = _READ[variable.type](text, zone) if text else None
        if text and value is None:
            return Rejected(number, f"{variable.column}: {text[:60]!r} is not {_WANTED[variable.type]}")
        read.append(value)
        key = values.as_text(value).strip() if variable.name == table.key else key
    if not key or len(key) > LONGEST_KEY:
        return Rejected(
            number, f"the key ({table.key}) is {'longer than 200 characters' if key else 'empty'}"
        )
    return Person(number, key, tuple(read))

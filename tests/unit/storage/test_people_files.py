"""Files of people, row by row."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from whereupon.model.errors import Mistakes, SetupError
from whereupon.model.setup import DataTable
from whereupon.storage.people_files import Person, Rejected, examined, people

ZONE = ZoneInfo("Europe/London")
TABLE = DataTable.model_validate(
    {
        "name": "People",
        "file": "people.csv",
        "key": "URN",
        "variables": [
            {"name": "URN", "column": "urn"},
            {"name": "Spend", "column": "spend", "type": "number"},
            {"name": "Born", "column": "born", "type": "date"},
            {"name": "Seen", "column": "seen", "type": "datetime"},
            {"name": "Member", "column": "member", "type": "boolean"},
        ],
    }
)
HEADER = "urn,spend,born,seen,member\n"


def file(folder: Path, data: str | bytes) -> Path:
    path = folder / "people.csv"
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def read(folder: Path, data: str) -> list[Person | Rejected]:
    return list(people(file(folder, data), TABLE, ZONE))


@pytest.mark.req("DAT-01")
def test_values_have_their_types(tmp_path: Path) -> None:
    rows = read(tmp_path, HEADER + " 7 ,1840.50,2000-02-29,2026-07-01T12:00:00Z,Yes\n8,,,,\n")
    assert rows == [
        Person(2, "7", ("7", 1840.5, date(2000, 2, 29), datetime.fromisoformat("2026-07-01T13:00"), True)),
        Person(3, "8", ("8", None, None, None, None)),
    ]


@pytest.mark.req("DAT-01")
@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("7,12 euros,,,", "spend: '12 euros' is not a number like 1840.50"),
        ("7,,29/02/2000,,", "born: '29/02/2000' is not a date like 2026-03-31"),
        ("7,,,noon,", "seen: 'noon' is not a time like"),
        ("7,,,,perhaps", "member: 'perhaps' is not true or false"),
        (",1,,,", "the key (URN) is empty"),
        ("x" * 201 + ",1,,,", "the key (URN) is longer than 200 characters"),
        ("7,1", "has 2 values, and the header 5"),
        ("7\x00,1,,,", "urn holds U+0000"),
    ],
)
def test_a_row_that_cannot_be_used_names_column_and_value_and_the_others_go_in(
    tmp_path: Path, row: str, reason: str
) -> None:
    rows = read(tmp_path, f"{HEADER}1,,,,\n{row}\n2,,,,\n")
    assert [each.number for each in rows] == [2, 3, 4]
    assert isinstance(rows[1], Rejected)
    assert str(rows[1]).startswith(f"row 3: {reason}")
    assert [each.key for each in rows if isinstance(each, Person)] == ["1", "2"]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found_in_the_header(tmp_path: Path, delimiter: str) -> None:
    text = '"urn",spend,born,seen,member\n7,1.5,,,\n'.replace(",", delimiter)
    assert read(tmp_path, text) == [Person(2, "7", ("7", 1.5, None, None, None))]


def test_quotes_may_hold_delimiters_and_line_breaks(tmp_path: Path) -> None:
    rows = read(tmp_path, HEADER + '"a,\n""b""",1,,,\n\n  \n9,1,,,\n')
    assert [each.key for each in rows if isinstance(each, Person)] == ['a,\n"b"', "9"]


def test_a_quote_that_does_not_end_is_one_rejected_row(tmp_path: Path) -> None:
    rows = read(tmp_path, HEADER + '1,1,,,\n"2"x,1,,,\n3,1,,,\n')
    assert [type(each) for each in rows] == [Person, Rejected, Person]


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    assert read(tmp_path, "\ufeff" + HEADER + "7,,,,\n")


def test_a_file_is_known_by_its_checksum(tmp_path: Path) -> None:
    first = examined(file(tmp_path, HEADER), TABLE)
    assert examined(file(tmp_path, HEADER), TABLE) == first
    assert examined(file(tmp_path, HEADER + "7,,,,\n"), TABLE) != first


def test_another_encoding_names_the_line(tmp_path: Path) -> None:
    with pytest.raises(Mistakes) as raised:
        examined(file(tmp_path, (HEADER + "1,,,,\nMüller,,,,\n").encode("latin-1")), TABLE)
    assert raised.value.mistakes == ["people.csv, line 3: byte 0xFC is not UTF-8"]
    assert "UTF-8" in raised.value.hint


def test_missing_columns_are_all_named_with_near_ones(tmp_path: Path) -> None:
    with pytest.raises(Mistakes) as raised:
        examined(file(tmp_path, "urn,Spend,born,seen,seen\n"), TABLE)
    assert raised.value.mistakes == [
        "people.csv: there is no column spend (variable Spend); did you mean Spend?",
        "people.csv: the column seen stands there twice",
        "people.csv: there is no column member (variable Member); there are urn, Spend, born, seen, seen",
    ]


@pytest.mark.parametrize("data", ["", '"urn'])
def test_a_file_without_a_header_is_said(tmp_path: Path, data: str) -> None:
    with pytest.raises(Mistakes) as raised:
        examined(file(tmp_path, data), TABLE)
    assert len(raised.value.mistakes) == 5


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="can't be read"):
        examined(tmp_path / "none.csv", TABLE)

"""Events read into fields, and what is said of those that can't be used."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from whereupon.model.decoding import Bad, Decode, Decoded, decoder
from whereupon.model.events import RawEvent
from whereupon.model.setup import FieldDefinition, Stream, VariableType

NOW = 1777629600000
LONDON = ZoneInfo("Europe/London")
TYPES: dict[str, VariableType] = {"Spend": "number", "Born": "date", "Seen": "datetime", "Member": "boolean"}


def stream(*fields: FieldDefinition, event_id: str = "id", event_time: str = "at") -> Stream:
    """A stream with a Reference and these fields."""
    urn = FieldDefinition(name="urn", type="Reference", variable="Person URN")
    return Stream(
        name="SignIn", provider="p", event_id=event_id, event_time=event_time, fields=(urn, *fields)
    )


def variable(name: str) -> FieldDefinition:
    """A field that stands for the variable of its own name."""
    return FieldDefinition(name=name.lower(), type="Variable", variable=name)


@pytest.fixture
def decode() -> Decode:
    """The decoder of a stream with a place."""
    return decoder(stream(FieldDefinition(name="place", type="String")), LONDON)


def read(decode: Decode, value: bytes | dict[str, Any] | None, *, at: int = NOW) -> Decoded | Bad:
    """One event, at partition 2, offset 7."""
    return decode(
        RawEvent(2, 7, json.dumps(value).encode() if isinstance(value, dict) else value, at), "topic", NOW
    )


@pytest.mark.req("RTT-13")
def test_an_event_becomes_fields_of_text(decode: Decode) -> None:
    event = {"id": "e1", "at": "2026-05-01T09:00:00Z", "urn": " 1001 ", "place": "Rome", "more": [1]}
    assert read(decode, event) == Decoded("e1", "1001", NOW - 3_600_000, {"urn": " 1001 ", "place": "Rome"})


@pytest.mark.parametrize(
    ("value", "text"), [(2.50, "2.5"), (True, "true"), (None, ""), (10**25, "1" + "0" * 25)]
)
def test_values_become_text_by_one_rule(decode: Decode, value: object, text: str) -> None:
    event = read(decode, {"urn": 1001, "place": value})
    assert isinstance(event, Decoded)
    assert (event.person, event.fields["place"]) == ("1001", text)


def test_a_missing_field_is_empty_and_a_missing_id_is_topic_partition_and_offset(decode: Decode) -> None:
    assert read(decode, {"urn": "1"}, at=5) == Decoded("topic:2:7", "1", 5, {"urn": "1", "place": ""})
    assert read(decode, {"urn": "1", "id": "", "at": " "}, at=0) == Decoded(
        "topic:2:7", "1", NOW, {"urn": "1", "place": ""}
    )


def test_a_long_id_is_hashed(decode: Decode) -> None:
    event = read(decode, {"urn": "1", "id": "x" * 201})
    assert isinstance(event, Decoded)
    assert event.event_id == hashlib.sha256(b"x" * 201).hexdigest()
    assert read(decode, {"urn": "1", "id": 5}).__class__ is Decoded


@pytest.mark.parametrize(
    ("written", "at"),
    [
        ("2026-05-01T10:30:00", NOW - 1_800_000), (NOW - 5, NOW - 5), (NOW + 300_000, NOW + 300_000),
        (NOW + 300_001, NOW),
        (10**18, NOW), ("9999-12-31", NOW),
    ],
)  # fmt: skip
def test_times_are_in_the_systems_zone_and_never_far_ahead(decode: Decode, written: object, at: int) -> None:
    event = read(decode, {"urn": "1", "at": written})
    assert isinstance(event, Decoded)
    assert event.at == at


def test_id_and_time_can_be_fields_too() -> None:
    fields = (FieldDefinition(name="id", type="String"), FieldDefinition(name="at", type="String"))
    event = read(decoder(stream(*fields), LONDON), {"urn": "1", "id": "e", "at": NOW})
    assert event == Decoded("e", "1", NOW, {"urn": "1", "id": "e", "at": str(NOW)})


def test_a_stream_may_name_neither_id_nor_time() -> None:
    decode = decoder(stream(event_id="", event_time=""), LONDON)
    assert read(decode, {"urn": "1", "": "x"}, at=3) == Decoded("topic:2:7", "1", 3, {"urn": "1"})


def test_of_a_key_that_comes_twice_the_last_counts(decode: Decode) -> None:
    event = read(decode, b'{"urn":"1","urn":"2"}')
    assert isinstance(event, Decoded)
    assert event.person == "2"


@pytest.mark.fault(13)
@pytest.mark.parametrize(
    ("value", "place", "reason"),
    [
        (None, "", "tombstone"),
        (b"", "", "isn't JSON"),
        (b'{"urn":', "", "isn't JSON"),
        (b'{"urn":"1"} x', "", "isn't JSON"),
        (b'{"urn":NaN}', "", "isn't JSON"),
        (b'{"urn":"1","more":NaN}', "", "isn't JSON"),
        (b'{"urn":"\xff"}', "", r"isn't UTF-8 \(byte 8\)"),
        (b'{"urn":"1","more":"\xff"}', "", "isn't UTF-8"),
        (b"[1]", "", "no JSON object"),
        (b"5", "", "no JSON object"),
        (b'{"urn":[1]}', "urn", "wrong type: array"),
        (b'{"urn":true}', "urn", "wrong type: bool"),
        (b'{"urn":1.5}', "urn", "wrong type: float"),
        (b'{"urn":1,"place":{}}', "place", "wrong type: object"),
        (b'{"urn":1,"id":[]}', "id", "wrong type"),
        (b'{"urn":1e999}', "urn", "out of range"),
        (b"{}", "urn", "missing or empty"),
        (b'{"urn":null}', "urn", "missing or empty"),
        (b'{"urn":" \\t "}', "urn", "missing or empty"),
        (b'{"urn":"' + b"x" * 201 + b'"}', "urn", "more than 200"),
        (b'{"urn":"1\\u00002"}', "urn", r"U\+0000"),
        (b'{"urn":"1","id":"\\u0000"}', "id", r"U\+0000"),
        (b'{"urn":"1","at":"soon"}', "at", "neither an ISO 8601"),
        (b'{"urn":"1","at":true}', "at", "neither an ISO 8601"),
        (b'{"urn":"1","at":-1}', "at", "neither an ISO 8601"),
        (b"x" * 1_000_001, "", "larger than 1,000,000"),
        (b'{"urn":"1","more":' + b"[" * 50 + b"]" * 50 + b"}", "", "deeper than 50"),
        (b'{"urn":"1","more":' + b"[" * 100_000, "", "deeper than 50"),
        (b"\0\0\0\0\7{}", "", r"schema registry \(schema 7\)"),
        (b"\0\0\0\0\7\xff\xfe", "", r"schema registry \(schema 7\)"),
        (b"\0", "", "isn't JSON"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_says_where_and_why(
    decode: Decode, value: bytes | None, place: str, reason: str
) -> None:
    bad = read(decode, value)
    assert isinstance(bad, Bad)
    assert bad.place == place
    assert re.search(reason, bad.reason)


def test_brackets_in_texts_are_no_depth(decode: Decode) -> None:
    nested = b'{"urn":"1","place":"' + b"[{" * 60 + b'\\"","more":' + b"[" * 49 + b"]" * 49 + b"}"
    assert isinstance(read(decode, nested), Decoded)


def test_a_backslash_before_u0000_is_no_nul(decode: Decode) -> None:
    event = read(decode, rb'{"urn":"1","place":"\\u0000"}')
    assert isinstance(event, Decoded)
    assert event.fields["place"] == r"\u0000"


def test_many_shallow_lists_are_no_depth(decode: Decode) -> None:
    assert isinstance(read(decode, b'{"urn":"1","more":[' + b"[]," * 60 + b"[]]}"), Decoded)


@pytest.mark.parametrize(
    ("field", "good", "wrong"),
    [
        ("spend", "12.5", "much"),
        ("born", "1990-05-01", "May"),
        ("seen", NOW, "soon"),
        ("member", True, "maybe"),
    ],
)
def test_a_field_of_a_typed_variable_has_to_be_of_that_type(field: str, good: object, wrong: object) -> None:
    decode = decoder(stream(*map(variable, TYPES)), LONDON, TYPES)
    assert isinstance(read(decode, {"urn": "1", field: good}), Decoded)
    assert isinstance(read(decode, {"urn": "1", field: ""}), Decoded)
    bad = read(decode, {"urn": "1", field: wrong})
    assert isinstance(bad, Bad)
    assert bad.place == field


def test_a_stream_without_a_reference_can_use_no_event() -> None:
    assert isinstance(read(decoder(Stream(name="S", provider="p"), LONDON), {"urn": "1"}), Bad)


def test_a_decoder_that_gives_up_on_depth_says_so(decode: Decode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("whereupon.model.decoding.DEEPEST", 10**9)
    bad = read(decode, b'{"urn":"1","more":' + b"[" * 100_000)
    assert isinstance(bad, Bad)
    assert "deeper" in bad.reason


@given(
    value=st.binary(max_size=60)
    | st.recursive(st.none() | st.text() | st.floats(), st.lists).map(msgspec.json.encode)
)
def test_any_bytes_are_either_decoded_or_said_to_be_bad(value: bytes) -> None:
    decode = decoder(stream(), LONDON)
    assert isinstance(read(decode, value), Bad | Decoded)

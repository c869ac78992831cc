"""Events as they come, read into fields: what can't be used is said with its place and reason.

Of a key that comes twice in one JSON object the last counts. Fields that the stream doesn't declare are ignored, though
their JSON has to be sound.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from datetime import tzinfo
from typing import Any, NamedTuple, TypedDict

import msgspec

from whereupon.model import values
from whereupon.model.events import RawEvent
from whereupon.model.setup import Stream, VariableType, reference_of

LARGEST = 1_000_000
"""Bytes of one event."""
DEEPEST = 50
LONGEST_PERSON = 200
LONGEST_ID = 200
AHEAD = 300_000
"""Milliseconds that an event's time may be ahead of ours; beyond, it counts as now (design.md, Decided)."""

Scalar = str | int | float | bool | None
_READ: dict[str, Callable[[object, tzinfo], object]] = {
    "number": lambda value, zone: values.number(value),
    "date": values.day,
    "datetime": values.moment,
    "boolean": lambda value, zone: values.truth(value),
}
_IS = {"number": "a number", "date": "a date", "datetime": "a time", "boolean": "true or false"}


class Decoded(msgspec.Struct, frozen=True, gc=False):
    """An event that can be used. `at` is its time (UTC ms); `fields` has every field of the stream, as text."""

    event_id: str
    person: str
    at: int
    fields: dict[str, str]


class Bad(NamedTuple):
    """An event that can't be used: the field or place in it ("" = as a whole), and why."""

    place: str
    reason: str


Decode = Callable[[RawEvent, str, int], Decoded | Bad]
"""Raw event, the topic's id, and now (UTC ms)."""


class _Unusable(Exception):
    def __init__(self, place: str, reason: str) -> None:
        super().__init__(reason)
        self.bad = Bad(place, reason)


def decoder(stream: Stream, zone: tzinfo, variables: Mapping[str, VariableType] | None = None) -> Decode:
    """Compile a stream's fields once. `variables` gives the types of the variables that fields stand for; a field of
    such a type whose value isn't one is a wrong type. `zone` is where times without a zone are."""
    types = {
        each.name: (variables or {}).get(each.variable, "text")
        for each in stream.fields
        if each.type != "String"
    }
    special = {name: type for name, type in types.items() if type != "text"}
    blank = dict.fromkeys((each.name for each in stream.fields), "")
    reference = reference_of(stream.fields)
    taken = _taker(stream, blank, reference)
    time_field = stream.event_time

    def read(raw: RawEvent, topic: str, now: int) -> Decoded | Bad:
        value = raw.value
        try:
            if value is None or len(value) > LARGEST or not value.isascii():
                value = _sound(value)
            if b"[" in value or value.find(b"{", 1) > 0:
                _refuse_depth(value)
            fields, event_id, time = taken(value)
            if special:
                _suit(fields, special, zone)
            person = fields[reference].strip() if reference else ""
            if not 0 < len(person) <= LONGEST_PERSON:
                return _bad_person(reference, person)
            at = values.milliseconds(time, zone) if time else None
            if at is None:
                at = _broker_time(time_field, time, raw.at or now)
        except _Unusable as error:
            return error.bad
        except (msgspec.MsgspecError, RecursionError) as error:
            return _explained(error, value)
        return Decoded(
            event_id or f"{topic}:{raw.partition}:{raw.offset}",
            person,
            at if at <= now + AHEAD else now,
            fields,
        )

    return read


def _taker(
    stream: Stream, blank: dict[str, str], reference: str
) -> Callable[[bytes], tuple[dict[str, str], str, Scalar]]:
    """How JSON becomes the stream's fields as text, the producer's id of the event and its time as written. A person
    is named by a text or a whole number."""
    id_field, time_field = stream.event_id, stream.event_time
    known = {*blank, id_field, time_field} - {""}
    types = {name: Scalar if name != reference else str | int | None for name in known}
    shape = TypedDict("shape", types, total=False)  # type: ignore[misc]
    decode: Callable[[bytes], Any] = msgspec.json.Decoder(shape).decode
    own_id, own_time = id_field not in blank, time_field not in blank
    size = len(blank)

    def take(value: bytes) -> tuple[dict[str, str], str, Scalar]:
        found: dict[str, Any] = decode(value)
        written = found.pop(id_field, "") if own_id else found.get(id_field, "")
        time = found.pop(time_field, None) if own_time else found.get(time_field)
        for name, each in found.items():
            if type(each) is not str:
                found[name] = values.as_text(each)
        fields = found if len(found) == size else blank | found
        if b"\\" in value and b"\\u0000" in value:
            _refuse_nul({**fields, id_field: written})
        short = type(written) is str and len(written) <= LONGEST_ID
        return fields, written if short else _event_id(written), time

    return take


def _sound(value: bytes | None) -> bytes:
    """The bytes, if they can be JSON at all; raises _Unusable."""
    if value is None:
        raise _Unusable("", "it has no value (a tombstone)")
    if len(value) > LARGEST:
        raise _Unusable("", f"it is larger than {LARGEST:,} bytes")
    try:
        value.decode()
    except UnicodeDecodeError as error:
        raise _Unusable("", _framed(value) or f"it isn't UTF-8 (byte {error.start})") from None
    return value


def _framed(value: bytes) -> str:
    """What is said of the bytes that serializers for a schema registry put in front: 0 and the schema's number."""
    if value[:1] != b"\0" or len(value) < 5:
        return ""
    return (
        f"it is framed for a schema registry (schema {int.from_bytes(value[1:5], 'big')}), and not plain JSON"
    )


def _refuse_depth(value: bytes) -> None:
    if value.count(b"{") + value.count(b"[") > DEEPEST and too_deep(value):
        raise _Unusable("", f"it is nested deeper than {DEEPEST} levels")


def too_deep(value: bytes) -> bool:
    """True if lists and objects are nested deeper than DEEPEST; brackets within texts don't count."""
    depth, inside, escaped = 0, False, False
    for byte in value:
        if inside:
            inside = escaped or byte != 0x22
            escaped = byte == 0x5C and not escaped
        elif byte == 0x22:
            inside = True
        elif byte in b"[{":
            depth += 1
            if depth > DEEPEST:
                return True
        elif byte in b"]}":
            depth -= 1
    return False


def _refuse_nul(found: Mapping[str, object]) -> None:
    for name, value in found.items():
        if isinstance(value, str) and "\0" in value:
            raise _Unusable(name, "it has a U+0000 in it")


def _suit(fields: Mapping[str, str], special: Mapping[str, str], zone: tzinfo) -> None:
    for name, type in special.items():
        if values.text(fields[name]) is not None and _READ[type](fields[name], zone) is None:
            raise _Unusable(name, f"it isn't {_IS[type]}")


def _bad_person(reference: str, person: str) -> Bad:
    if person:
        return Bad(reference, f"the Reference has more than {LONGEST_PERSON} characters")
    return Bad(reference, "the Reference is missing or empty")


def _event_id(value: Scalar) -> str:
    text = values.as_text(value)
    return text if len(text) <= LONGEST_ID else hashlib.sha256(text.encode()).hexdigest()


def _broker_time(name: str, written: Scalar, otherwise: int) -> int:
    """What counts where an event says no time; raises _Unusable where it says something else."""
    if values.text(written) is not None:
        raise _Unusable(name, "it is neither an ISO 8601 time nor milliseconds")
    return otherwise


def _explained(error: Exception, value: bytes | None) -> Bad:
    if value is not None and (framed := _framed(value)):
        return Bad("", framed)
    if isinstance(error, RecursionError):
        return Bad("", f"it is nested deeper than {DEEPEST} levels")
    said = str(error)
    if not isinstance(error, msgspec.ValidationError):
        return Bad("", f"it isn't JSON: {said.removeprefix('JSON is malformed: ')}")
    if "`$." not in said:
        return Bad("", "it is no JSON object")
    what, _, place = said.rpartition(" - at ")
    got = what.rpartition("got ")[2].strip("`")
    return Bad(place.strip("`").removeprefix("$."), f"it is of a wrong type: {got}")

"""What the journal keeps of a batch."""

from __future__ import annotations

import msgspec

from whereupon.model.decided import BatchRecord, DeadLetter, Decision, EventRecord, Repeat, Trace


def event(id: int = 7) -> EventRecord:
    """An event with one sent message."""
    trace = Trace(1, 2, 3, "sending", key="k", address="ada@example.org", fields={"body": "Hi"}, expires=99)
    return EventRecord(id, 0, 5, 1000, "1001", "e1", b"{}", {"TealGreen": None}, [trace], [4])


def test_a_decided_message_is_the_same_at_every_try() -> None:
    record = event()
    message = record.traces[0].message(record, campaign_name="Welcome", stream="SignIn")
    assert (message.key, message.event, message.campaign, message.person) == ("k", 7, 1, "1001")
    assert (message.fields, message.address, message.version, message.expires) == (
        {"body": "Hi"},
        "ada@example.org",
        2,
        99,
    )
    assert (message.campaign_name, message.stream, message.event_id) == ("Welcome", "SignIn", "e1")


def test_a_batch_is_known_by_its_first_event_and_survives_the_journal() -> None:
    record = BatchRecord(
        1, "SignIn", "topic", 3, 2000, [event(7), event(8)], [Repeat(0, 4, 1, "1001", "e0")], {1: "W"}
    )
    assert Decision(record).first == 7
    assert Decision(BatchRecord(1, "SignIn", "topic", 3, 2000, [], [], {})).first == 0
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(record), type=BatchRecord) == record
    assert DeadLetter("decode", "SignIn", "bad").event is None

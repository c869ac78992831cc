"""What travels along the line."""

from __future__ import annotations

from whereupon.model.events import Message, message_key


def test_a_message_knows_roughly_its_weight() -> None:
    assert Message("k", 1, 1, "Welcome", "1001", {"subject": "12345", "body": "1"}).size == 206


def test_a_message_key_is_the_same_whenever_the_same_is_asked() -> None:
    key = message_key(1, "e1", 2, "1001", 3)
    # echo -n '[1,"e1",2,"1001",3]' | sha256sum
    assert key == "e3941dfd8448432889fd843aee08a3bf611f3febee283499e9857d21ed7ddf3b"
    assert key == message_key(1, "e1", 2, "1001", 3)
    assert len({key, message_key(1, "e2", 2, "1001", 3), message_key(1, "e1", 2, "1001", 4)}) == 3

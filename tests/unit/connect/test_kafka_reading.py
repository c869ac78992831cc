"""The stages of a test of Kafka, as far as they go without a broker."""

from __future__ import annotations

import socket

import pytest

from tests.servers.processes import free_port
from whereupon.connect.kafka_reading import stages


@pytest.mark.parametrize(
    ("servers", "last", "words"),
    [
        ("no-such-host.invalid:9092", "Address", "No address is known"),
        ("no-such-host.invalid, SSL://127.0.0.1:{port}", "Connection", "Nobody answers"),
        ("127.0.0.1:none", "Connection", "Nobody answers"),
    ],
)
def test_it_ends_at_the_first_stage_that_fails(servers: str, last: str, words: str) -> None:
    *good, failed = stages({"bootstrap.servers": servers.format(port=free_port())}, "t", "g")
    assert (failed.name, failed.ok) == (last, False)
    assert words in failed.message
    assert failed.hint
    assert all(each.ok for each in good)


def test_something_that_is_not_kafka_is_said_to_give_no_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        *good, failed = stages({"bootstrap.servers": f"127.0.0.1:{server.getsockname()[1]}"}, "t", "g")
    assert [each.name for each in good] == ["Address", "Connection"]
    assert (failed.name, failed.ok) == ("Topics", False)

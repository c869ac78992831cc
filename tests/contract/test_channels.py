"""What holds for every kind of channel."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from tests.contract.settings import SECRET, example, kinds, made
from tests.servers.http import HttpSink
from tests.servers.processes import free_port
from tests.servers.smtp import SmtpServer
from whereupon.components.channels.file import FileChannel
from whereupon.components.channels.memory import MemoryChannel
from whereupon.components.stores.memory import Memory
from whereupon.kit.config import Config
from whereupon.kit.registry import Kind
from whereupon.kit.roles import Channel, Nothing
from whereupon.model.events import Message, Receipt, Result

KINDS = {kind.name: kind for kind in kinds("channel")}
AnyChannel = Channel[Any, Any]


def test_the_kinds_are_those_of_the_folder() -> None:
    assert set(KINDS) == {"file", "memory", "pull_marketing", "smtp", "webhook"}


def message(number: int, **fields: str) -> Message:
    person = f"{1000 + number}"
    content = {"urn": person, "email": f"{person}@example.org", "subject": "Hëllo", "body": "Wörld 🎁\n"}
    return Message(f"{number:064x}", number, 3, "Welcome", person, {**content, **fields}, f"{person}@x", 1)


class Sinks:
    """The other sides of all kinds, each started when a channel to it is made."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._stack = ExitStack()
        store = next(each for each in kinds("store") if each.name == "memory")
        self.store = made(store, folder)
        assert isinstance(self.store, Memory)
        self._made: list[AnyChannel] = []

    @cached_property
    def http(self) -> HttpSink:
        """Where web hooks are called."""
        sink = HttpSink()
        sink.start()
        self._stack.callback(sink.stop)
        return sink

    @cached_property
    def mail(self) -> SmtpServer:
        """Where mails go."""
        server = SmtpServer()
        server.start()
        self._stack.callback(server.stop)
        return server

    def channel(self, kind: Kind) -> AnyChannel:
        """A channel whose other side is there."""
        port = 0
        if kind.name in ("webhook", "smtp"):
            port = self.http.port if kind.name == "webhook" else self.mail.port
        return self._opened(kind, port, self.store)

    def away(self, kind: Kind) -> AnyChannel:
        """A channel whose other side isn't there."""
        (self.folder / "Outbox").write_text("No folder: nothing can be written in it.", encoding="utf-8")
        database = next(each for each in kinds("store") if each.name == "database")
        connection = f"postgresql://someone@127.0.0.1:{free_port()}/pm?sslmode=disable"
        store = made(database, self.folder, database.provider.model_validate({"connection": connection}))
        return self._opened(kind, free_port(), store)

    def arrived(self, kind: Kind) -> Counter[str]:
        """How often each message arrived, by its key; at a store by its person."""
        if kind.name == "webhook":
            return Counter({key: each.taken for key, each in self.http.taken().items() if key})
        if kind.name == "smtp":
            return self.mail.keys()
        if kind.name == "pull_marketing":
            known = self.store.find([f"{1000 + number}" for number in range(2_000)])
            return Counter(message(int(urn) - 1000).key for urn in known)
        part = self._made[0]
        if isinstance(part, MemoryChannel):
            return Counter(each.key for each in part.sent)
        assert isinstance(part, FileChannel)
        lines = part.path.read_text(encoding="utf-8").splitlines() if part.path.exists() else []
        return Counter(line.split('"key":"')[1][:64] for line in lines)

    def close(self) -> None:
        """Close and stop everything."""
        for each in self._made:
            each.close()
        self._stack.close()

    def _opened(self, kind: Kind, port: int, store: Any) -> AnyChannel:
        settings: dict[str, dict[str, Any]] = {
            "webhook": {"url": f"http://127.0.0.1:{port}/", "token": SECRET},
            "smtp": {
                "host": "127.0.0.1",
                "port": port,
                "security": "none",
                "sender": "news@example.org",
                "timeout": 5,
            },
            "pull_marketing": {"store": "TealGreen"},
        }
        config: Config = kind.config.model_validate(settings.get(kind.name, {}))
        part: AnyChannel = made(kind, self.folder, Nothing(), config, {"TealGreen": store})
        self._made.append(part)
        return part


@pytest.fixture
def sinks(tmp_path: Path) -> Iterator[Sinks]:
    made = Sinks(tmp_path)
    yield made
    made.close()


def receipts(channel: AnyChannel, count: int, *, within: float = 20.0) -> list[Receipt]:
    """Receipts as they come, until there are so many; then whatever else is there."""
    found: list[Receipt] = []
    deadline = time.monotonic() + within
    while len(found) < count and time.monotonic() < deadline:
        found += channel.collect(0.2)
    return [*found, *channel.collect(0.0)]


def sent(channel: AnyChannel, messages: Sequence[Message]) -> list[Receipt]:
    """Send all of them, as a lane does."""
    found: list[Receipt] = []
    left = list(messages)
    deadline = time.monotonic() + 20
    while len(found) < len(messages) and time.monotonic() < deadline:
        left = left[channel.offer(left) :]
        found += channel.collect(0.2)
    return [*found, *channel.collect(0.0)]


def keys(found: Sequence[Receipt]) -> list[str]:
    return sorted(each.message.key for each in found)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
class TestEveryChannel:
    """What a lane relies on."""

    def test_it_is_made_from_its_example_without_reaching_anything_and_hides_its_secrets(
        self, kind: Kind, sinks: Sinks, tmp_path: Path
    ) -> None:
        channel: AnyChannel = made(kind, tmp_path, None, example(kind.config), {"TealGreen": sinks.store})
        assert SECRET not in f"{channel!r} {channel.config!r} {channel.config} {channel.config.written()}"
        assert SECRET not in " ".join(channel.warnings())
        assert list(tmp_path.iterdir()) == []
        assert channel.connections >= 1
        assert channel.largest >= 1_000
        assert channel.address(message(1).fields) in {"1001@example.org", "1001"}
        assert channel.address({}) == ""
        channel.close()
        channel.close()

    def test_every_message_gets_exactly_one_receipt_and_arrives(self, kind: Kind, sinks: Sinks) -> None:
        channel = sinks.channel(kind)
        messages = [message(number) for number in range(40)]
        found = sent(channel, messages)
        assert keys(found) == [each.key for each in messages]
        assert {each.result for each in found} == {Result.ACCEPTED}
        assert all(0 < each.started <= each.ended for each in found)
        assert all(each.message in messages for each in found)
        assert sinks.arrived(kind) == Counter(each.key for each in messages)

    def test_it_takes_from_the_front_no_more_than_it_has_room_for(self, kind: Kind, sinks: Sinks) -> None:
        channel = sinks.channel(kind)
        messages = [message(number) for number in range(channel.connections + 30)]
        taken = channel.offer(messages)
        assert taken == channel.connections
        found = receipts(channel, taken)
        assert keys(found) == [each.key for each in messages[:taken]]
        assert channel.offer(messages[taken:]) == min(30, channel.connections)
        receipts(channel, min(30, channel.connections))

    def test_nothing_offered_is_nothing_taken_and_nothing_to_wait_for(self, kind: Kind, sinks: Sinks) -> None:
        channel = sinks.channel(kind)
        assert channel.offer([]) == 0
        began = time.monotonic()
        assert list(channel.collect(0.0)) == []
        assert list(channel.withdraw()) == []
        assert time.monotonic() - began < 5

    def test_one_that_knows_a_message_again_takes_it_once_and_accepts_it_twice(
        self, kind: Kind, sinks: Sinks
    ) -> None:
        channel = sinks.channel(kind)
        found = [each for _ in range(2) for each in sent(channel, [message(1)])]
        assert [each.result for each in found] == [Result.ACCEPTED] * 2
        if kind.name == "webhook":
            assert sinks.http.attempts == 2  # the receiver knows it by its key
            assert set(sinks.http.taken()) == {message(1).key}
        else:
            assert sinks.arrived(kind) == {message(1).key: 1 if channel.deduplicates else 2}
        assert channel.key_window.total_seconds() > 0

    def test_what_is_withdrawn_has_not_left_and_what_left_is_not_withdrawn(
        self, kind: Kind, sinks: Sinks
    ) -> None:
        channel = sinks.channel(kind)
        messages = [message(number) for number in range(channel.connections)]
        assert channel.offer(messages) == len(messages)
        back = list(channel.withdraw())
        assert {each.result for each in back} <= {Result.NOT_OFFERED}
        found = receipts(channel, len(messages) - len(back))
        assert keys([*back, *found]) == [each.key for each in messages]
        assert sinks.arrived(kind) == Counter(keys(found))
        assert channel.offer([message(1_500)]) == 1
        assert keys(receipts(channel, 1)) == [message(1_500).key]

    def test_it_is_closed_twice_before_and_after_it_was_used(self, kind: Kind, sinks: Sinks) -> None:
        unused = sinks.away(kind) if kind.name != "memory" else sinks.channel(kind)
        unused.close()
        unused.close()
        channel = sinks.channel(kind) if kind.name != "file" else unused
        channel.offer([message(1)])
        receipts(channel, 1)
        channel.close()
        channel.close()
        assert list(channel.collect(0.0)) == []

    def test_a_test_ends_well_or_at_the_first_stage_that_fails_and_sends_nothing(
        self, kind: Kind, sinks: Sinks
    ) -> None:
        stages = list(sinks.channel(kind).check())
        assert stages
        assert all(each.ok and each.name and each.message for each in stages)
        assert sinks.arrived(kind) == {}
        if kind.name == "memory":
            return
        *good, last = sinks.away(kind).check()
        assert all(each.ok for each in good)
        assert not last.ok
        assert last.message
        assert last.hint


AWAY = {name: kind for name, kind in KINDS.items() if name != "memory"}


@pytest.mark.parametrize("kind", AWAY.values(), ids=AWAY)
def test_it_says_in_results_and_not_by_errors_that_the_other_side_is_away(kind: Kind, sinks: Sinks) -> None:
    channel = sinks.away(kind)
    found = sent(channel, [message(number) for number in range(3)])
    assert keys(found) == [message(number).key for number in range(3)]
    assert {each.result for each in found} <= {Result.AWAY, Result.UNAVAILABLE}
    assert all(each.answer and len(each.answer) <= 500 and SECRET not in each.answer for each in found)
    channel.close()

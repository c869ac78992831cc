"""Feeding a stream by hand, and deciding where one goes on."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from whereupon.engine.assembly import Workshop, opened, stream_order
from whereupon.kit.roles import Feedable
from whereupon.model import setup as nouns
from whereupon.model.errors import Locked, SetupError
from whereupon.model.findings import no_such
from whereupon.storage.operations import Operations
from whereupon.storage.positions import leave
from whereupon.storage.repository import Repository

FRESH = 60_000
"""Milliseconds after which a service's last word about itself no longer counts."""


class Feed:
    """A stream that events are put into. Raises SetupError if it takes none, Away if it can't be reached."""

    def __init__(self, shop: Workshop, setup: nouns.Setup, name: str) -> None:
        stream = _named(setup, name)
        self._reference = nouns.reference_of(stream.fields)
        part = opened(shop, stream_order(shop, setup, stream))
        if not isinstance(part, Feedable):
            part.close()
            raise SetupError(
                f"Events can't be sent into {name} from here.",
                hint="Its events come from its own server: produce them there, with that server's tools.",
            )
        self._part = part
        self.close = part.close

    def send(self, events: Sequence[bytes]) -> int:
        """Append events; they are durable when this returns. How many. The person is the key: its order is kept."""
        return self._part.send([(self._key(each), each) for each in events])

    def _key(self, event: bytes) -> bytes | None:
        try:
            person = msgspec.json.decode(event)[self._reference]
        except (msgspec.DecodeError, UnicodeDecodeError, LookupError, TypeError):
            return None  # whatever reads the stream says what is wrong with it
        return str(person).encode()


def begin_anew(shop: Workshop, repository: Repository, name: str, *, start: str, author: str) -> None:
    """Let a stream begin as a new one does, with the earliest or the latest event.

    Raises Locked while a service reads it without trouble: its place would be pulled from under it.
    """
    setup = repository.setup()
    stream = _named(setup, name)
    operations = Operations(shop.databases.streams)
    try:
        _refuse_while_read(operations, name, shop.clock.now())
    finally:
        operations.close()
    if stream.start != start:
        changed = tuple(
            each.model_copy(update={"start": start}) if each.name == name else each
            for each in setup.streams.streams
        )
        streams = setup.streams.model_copy(update={"streams": changed})
        note = f"{name} goes on with the {start} event"
        repository.save(setup.model_copy(update={"streams": streams}), author=author, note=note)
    leave(shop.databases.streams, repository.ids()["stream", name])


def _refuse_while_read(operations: Operations, name: str, now: int) -> None:
    for lease in operations.leases():
        read = {each["name"]: each["state"] for each in lease.status.get("streams", ())}
        if lease.running and now - lease.renewed < FRESH and read.get(name) == "":
            raise Locked(
                f"The service on {lease.host} reads {name} without trouble; there is nothing to decide.",
                hint="To read it from another place, stop the service first: whereupon service stop.",
            )


def _named(setup: nouns.Setup, name: str) -> nouns.Stream:
    stream = setup.stream(name)
    if stream is None:
        raise no_such("stream", name, [each.name for each in setup.streams.streams])
    return stream

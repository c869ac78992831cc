"""A TCP proxy that spoils what passes through it, as a bad network does."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Coroutine
from typing import Any, Literal

Toxic = Literal["", "silent", "late", "reset", "narrow", "cut"]
LATE = 2.0
"""Seconds by which *late* holds everything up."""
NARROW = 1_000
"""Bytes a second, each way, that *narrow* lets through."""
CUT = 2_000
"""Bytes after which *cut* ends a connection, in the middle of whatever it is."""
PIECE = 100


class Proxy:
    """Listens on 127.0.0.1:`port` and passes everything on to port `to` of the same host, and back.

    `suffer` begins a trouble, for the connections that are there and for new ones; `heal` ends it. *silent* takes
    connections and passes nothing until it is healed; then all comes, as with TCP whose packets were dropped.
    """

    def __init__(self, port: int, *, to: int) -> None:
        self.port, self._to = port, to
        self._toxic: Toxic = ""
        self._healed = asyncio.Event()
        self._healed.set()
        self._live: set[asyncio.StreamWriter] = set()
        self._pipes: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)

    def start(self) -> Proxy:
        """Listen."""
        self._thread.start()
        self._server = self._run(asyncio.start_server(self._taken, "127.0.0.1", self.port))
        return self

    def stop(self) -> None:
        """End every connection and listen no more."""
        self._run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def suffer(self, toxic: Toxic) -> None:
        """From now on this is the matter."""
        self._run(self._set(toxic))

    def heal(self) -> None:
        """From now on nothing is."""
        self._run(self._set(""))

    def _run(self, act: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(act, self._loop).result(10)

    async def _set(self, toxic: Toxic) -> None:
        self._toxic = toxic
        (self._healed.clear if toxic else self._healed.set)()
        if toxic == "reset":
            for each in list(self._live):
                _reset(each)

    async def _end(self) -> None:
        self._server.close()
        for task in self._pipes:
            task.cancel()
        await asyncio.gather(*self._pipes, return_exceptions=True)

    async def _taken(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of a client, until either side ends it."""
        task = asyncio.current_task()
        assert task is not None
        self._pipes.add(task)
        self._live.add(writer)
        try:
            with contextlib.suppress(OSError):
                there, back = await asyncio.open_connection("127.0.0.1", self._to)
                await self._between((reader, writer), (there, back))
            if self._toxic == "reset":
                _reset(writer)
        except asyncio.CancelledError:
            writer.transport.abort()  # the proxy ends
        finally:
            writer.close()
            self._live.discard(writer)
            self._pipes.discard(task)

    async def _between(
        self, client: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        server: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:  # fmt: skip
        ways = [
            asyncio.create_task(self._pipe(client[0], server[1])),
            asyncio.create_task(self._pipe(server[0], client[1])),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in ways:
                each.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            server[1].transport.abort()

    async def _pipe(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One way, until it ends."""
        passed = 0
        while data := await reader.read(65_536):
            passed = passed + len(data) if self._toxic == "cut" else 0
            if self._toxic == "reset" or passed > CUT:
                return
            await self._spoil(writer, data)
            await writer.drain()

    async def _spoil(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        if self._toxic == "silent":
            await self._healed.wait()
        elif self._toxic == "late":
            await self._for(LATE)
        elif self._toxic == "narrow":
            while len(data) > PIECE and not self._healed.is_set():
                writer.write(data[:PIECE])
                data = data[PIECE:]
                await self._for(PIECE / NARROW)
        writer.write(data)

    async def _for(self, seconds: float) -> None:
        """So long, or until it is healed."""
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._healed.wait(), seconds)


def _reset(writer: asyncio.StreamWriter) -> None:
    # Closing with no time to linger sends an RST instead of a FIN.
    plain: socket.socket | None = writer.get_extra_info("socket")
    if plain is not None and plain.fileno() >= 0:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()

"""A Modbus gateway: several devices behind one address, one request at a time on its bus.

It forwards real frames between real sockets. Like its kind it is slow, accepts few
clients, and serves everybody who asks, not only us.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
import struct
from typing import Final

HOST: Final = "127.0.0.1"
HEADER: Final = struct.Struct(">HHHB")
"""Transaction, protocol, length (unit id included), unit id."""
POWER_OF_METER: Final = bytes.fromhex("000100000006010400340002")
"""Somebody else's question: two input registers of unit 1 from 52 on."""


class Gateway:
    """Listens on one port; unit ids tell its devices apart."""

    def __init__(
        self, ports: Mapping[int, int], *, clients: int = 100, request_s: float = 0.0
    ) -> None:
        """Forward to these ports of devices, by unit id.

        So many ``clients`` are served at a time, further ones are hung up on. Every request
        keeps the bus busy for ``request_s``.
        """
        self.port = 0
        self.room = clients
        self.clients = 0
        self.most_clients = 0
        self.turned_away = 0
        self.requests = 0
        self._ports = ports
        self._request_s = request_s
        self._bus = asyncio.Lock()
        self._links: dict[int, tuple[asyncio.StreamReader, asyncio.StreamWriter]] = {}
        self._writers: set[asyncio.StreamWriter] = set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Gateway]:
        """Listen for the time of the block."""
        server = await asyncio.start_server(self._serve, HOST, 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            self.hang_up()
            for _, writer in self._links.values():
                writer.close()
            await server.wait_closed()
            while self.clients:  # noqa: ASYNC110 - the last ones notice in a moment
                await asyncio.sleep(0.01)

    def hang_up(self) -> None:
        """Drop all clients."""
        for writer in tuple(self._writers):
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.clients >= self.room:
            self.turned_away += 1
            writer.close()
            return
        self.clients += 1
        self.most_clients = max(self.most_clients, self.clients)
        self._writers.add(writer)
        try:
            while True:
                writer.write(await self._forward(await _frame(reader)))
                await writer.drain()
        except asyncio.IncompleteReadError, ConnectionError:
            pass
        finally:
            self._writers.discard(writer)
            self.clients -= 1
            writer.close()

    async def _forward(self, request: bytes) -> bytes:
        """Put a request on the bus, once it is free, and return the answer."""
        async with self._bus:
            self.requests += 1
            await asyncio.sleep(self._request_s)
            unit_id = request[6]
            if unit_id not in self._links:
                port = self._ports[unit_id]
                self._links[unit_id] = await asyncio.open_connection(HOST, port)
            reader, writer = self._links[unit_id]
            writer.write(request)
            return await _frame(reader)


class Neighbour:
    """Another program that uses the same gateway."""

    def __init__(self, port: int, every_s: float) -> None:
        """Ask the meter every so often, from ``running`` on."""
        self.answers = 0
        self._port = port
        self._every_s = every_s

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Neighbour]:
        """Ask for the time of the block."""
        task = asyncio.create_task(self._run(), name="neighbour")
        try:
            yield self
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _run(self) -> None:
        while True:
            try:
                reader, writer = await asyncio.open_connection(HOST, self._port)
                try:
                    while True:
                        writer.write(POWER_OF_METER)
                        await _frame(reader)
                        self.answers += 1
                        await asyncio.sleep(self._every_s)
                finally:
                    writer.close()
            except asyncio.IncompleteReadError, ConnectionError:
                await asyncio.sleep(0.2)


async def _frame(reader: asyncio.StreamReader) -> bytes:
    """Read one frame."""
    header = await reader.readexactly(HEADER.size)
    length: int = HEADER.unpack(header)[2]
    return header + await reader.readexactly(length - 1)
